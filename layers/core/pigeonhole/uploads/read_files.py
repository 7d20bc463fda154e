"""Read the samples of uploaded files.

an image    one sample, whose value is the file's s3:// address; the worker finds out what the bytes are
.txt        one text sample, in UTF-8
.jsonl      a sample per line, {"type": "text", "value": "..."}, all of one type
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Any

from pydantic import ValidationError

from pigeonhole.contract.classification import Sample
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind, UploadedFile
from pigeonhole.contract.validation import check_length, is_blank, to_faults
from pigeonhole.errors import Fault, InvalidRequest, TooLarge, UnfetchableUrl, UnsupportedMedia
from pigeonhole.ports import ObjectStore
from pigeonhole.uploads.upload_result import UploadFault
from pigeonhole.uploads.uploaded_file import to_file_kind

MAX_THREADS = 4  # for each batch; several batches are read at the same time
MAX_FAULTS = 5  # of one file, in its result
EMPTY = "The file is empty."
GONE = "The file was deleted before it could be read. Upload it again."
NO_TEXT = "The file is not text in UTF-8. Convert it, and upload it again."

Samples = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class UploadedFileReader:
    """Reads files of the upload bucket.

    Attributes:
        files: The upload bucket.
        limits: What a job may hold.
        bucket: The name of the upload bucket.
    """

    files: ObjectStore
    limits: RequestLimits
    bucket: str

    def read(self, uploads: Sequence[UploadedFile]) -> list[Samples | UploadFault]:
        """Return the samples of each file, or why the file can't be classified, in order.

        Raises:
            Overloaded: The bucket is busy.
        """
        with ThreadPoolExecutor(min(MAX_THREADS, len(uploads)), thread_name_prefix="read") as pool:
            return list(pool.map(self._read, uploads))

    def _read(self, upload: UploadedFile) -> Samples | UploadFault:
        kind = to_file_kind(upload.key)
        if fault := self._check_size(upload, kind):
            return fault
        if kind is FileKind.IMAGE:
            return [{"type": "image", "value": f"s3://{self.bucket}/{upload.key}"}]
        data = self.files.get(upload.key, upload.version_id)
        if data is None:
            return UploadFault(UnfetchableUrl.code, GONE)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return UploadFault(UnsupportedMedia.code, NO_TEXT)
        if is_blank(text):
            return UploadFault(UnsupportedMedia.code, EMPTY)
        try:
            return self._parse_lines(text) if kind is FileKind.LINES else self._parse_text(text.strip())
        except ValueError as error:
            return UploadFault(InvalidRequest.code, f"The file can't be classified: {error}.")

    def _check_size(self, upload: UploadedFile, kind: FileKind) -> UploadFault | None:
        max_bytes = kind.max_bytes(self.limits)
        if upload.size > max_bytes:
            message = f"The file has {upload.size} bytes, but at most {max_bytes} are allowed. Upload a smaller one."
            return UploadFault(TooLarge.code, message)
        return None if upload.size else UploadFault(UnsupportedMedia.code, EMPTY)

    def _parse_text(self, text: str) -> Samples:
        return [{"type": "text", "value": check_length(text, self.limits.max_text_chars, "a text")}]

    def _parse_lines(self, text: str) -> Samples:
        """Return the samples of a .jsonl file. Raise ValueError with the faults by line, counted from 1."""
        # Lazily, because a file of four megabytes may have two million lines.
        numbered = ((number, line) for number, line in enumerate(StringIO(text), 1) if line.strip())
        max_lines = self.limits.max_samples
        lines = list(islice(numbered, max_lines + 1))
        if len(lines) > max_lines:
            raise ValueError(f"it must have at most {max_lines} lines")
        samples: Samples = []
        faults: list[Fault] = []
        for number, line in lines:
            try:
                samples.append(Sample.model_validate(json.loads(line), context=self.limits).model_dump())
            except ValidationError as error:
                faults += [Fault(f"line {number} {fault.path}".rstrip(), fault.message) for fault in to_faults(error)]
            except (ValueError, RecursionError):
                faults.append(Fault(f"line {number}", 'is not JSON; write {"type": "text", "value": "…"}'))
        if faults:
            raise ValueError(to_text(faults))
        if len({sample["type"] for sample in samples}) > 1:
            raise ValueError("its lines must be all texts or all images; upload two files for a mix")
        return samples


def to_text(faults: Sequence[Fault]) -> str:
    """Join faults to one line. Of many faults only the first are written out."""
    left_out = len(faults) - MAX_FAULTS
    text = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:MAX_FAULTS])
    return text if left_out <= 0 else f"{text}; and {left_out} more"
