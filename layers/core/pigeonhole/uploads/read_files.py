"""Read the samples of uploaded files.

an image    one sample, whose value is the file's s3:// address; the worker finds out what the bytes are
.txt        one text sample, in UTF-8
.jsonl      a sample per line (or .ndjson), {"type": "text", "value": "..."}

A .jsonl file that is larger than a job may be, or that mixes texts and images, is the manifest of a bulk job instead.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from typing import Any

from pydantic import ValidationError

from pigeonhole.contract.bulk import NOT_JSON
from pigeonhole.contract.classification import Sample
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind, UploadedFile
from pigeonhole.contract.validation import BLANK, check_length, is_blank, to_faults
from pigeonhole.errors import Fault, InvalidRequest, TooLarge, UnfetchableUrl, UnsupportedMedia
from pigeonhole.ports import BlobStore
from pigeonhole.uploads.upload_result import UploadFault
from pigeonhole.uploads.uploaded_file import to_file_kind

MAX_THREADS = 4  # for each batch; several batches are read at the same time
MAX_FAULTS = 5  # of one file, in its result
EMPTY = "The file is empty."
BLANK_FILE = f"The file {BLANK}."
UNREADABLE = (
    "The file can't be read: it was deleted, is archived, or is encrypted with a key that this service may not use. "
    "Upload it again, in a storage class that can be read at once."
)
NO_TEXT = "The file is not text in UTF-8. Convert it, and upload it again."
UTF_16 = "The file is text in UTF-16, not in UTF-8. Convert it, and upload it again."
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # UTF-32 begins with them or isn't UTF-8

Samples = list[dict[str, Any]]


@dataclass(frozen=True)
class Manifest:
    """Stands for the content of a .jsonl file that only a bulk job can take."""


Content = Samples | Manifest | UploadFault  # of a file


@dataclass(frozen=True, kw_only=True)
class UploadedFileReader:
    """Reads files of the upload bucket.

    Attributes:
        files: Reads the upload bucket.
        limits: What a job may hold.
        bucket: The name of the upload bucket.
    """

    files: BlobStore
    limits: RequestLimits
    bucket: str

    def read(self, uploads: Sequence[UploadedFile]) -> list[Content | Exception]:
        """Return the content of each file, or the error after which a retry may help.

        No file affects another. The contents are in the order of the files.
        """
        with ThreadPoolExecutor(min(MAX_THREADS, len(uploads)), thread_name_prefix="read") as pool:
            return list(pool.map(self._read_or_catch, uploads))

    def _read_or_catch(self, upload: UploadedFile) -> Content | Exception:
        try:
            return self._read(upload)
        except Exception as error:  # any error: the other files must not wait for this one
            return error

    def _read(self, upload: UploadedFile) -> Content:
        kind = to_file_kind(upload.key)
        if kind is FileKind.LINES and upload.size > self.limits.max_body_bytes:
            return Manifest()
        if fault := self._check_size(upload, kind):
            return fault
        if kind is FileKind.IMAGE:
            return [{"type": "image", "value": f"s3://{self.bucket}/{upload.key}"}]
        try:
            max_bytes = min(kind.max_bytes(self.limits), self.limits.max_body_bytes)
            data = self.files.read(self.bucket, upload.key, max_bytes, version_id=upload.version_id)
        except UnfetchableUrl as error:
            return UploadFault(error.code, UNREADABLE)
        except TooLarge as error:  # the object was overwritten in a bucket without versions
            return UploadFault(error.code, f"The file can't be classified: {error.message}.")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return UploadFault(UnsupportedMedia.code, UTF_16 if data.startswith(BYTE_ORDER_MARKS) else NO_TEXT)
        if is_blank(text):
            return UploadFault(InvalidRequest.code, BLANK_FILE)
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

    def _parse_lines(self, text: str) -> Samples | Manifest:
        """Return the samples of a .jsonl file, if a job can take them. Raise ValueError with the faults by line, from 1."""
        # Lazily, because a file of four megabytes may have two million lines.
        numbered = ((number, line) for number, line in enumerate(StringIO(text), 1) if line.strip())
        max_lines = self.limits.max_samples
        lines = list(islice(numbered, max_lines + 1))
        if len(lines) > max_lines:
            return Manifest()
        samples: Samples = []
        faults: list[Fault] = []
        for number, line in lines:
            try:
                samples.append(Sample.model_validate(json.loads(line), context=self.limits).model_dump())
            except ValidationError as error:
                line_faults = to_faults(error, whole="it")
                faults += [Fault(f"line {number} {fault.path}".rstrip(), fault.message) for fault in line_faults]
            except (ValueError, RecursionError):
                faults.append(Fault(f"line {number}", NOT_JSON))
        if faults:
            raise ValueError(to_text(faults))
        return Manifest() if len({sample["type"] for sample in samples}) > 1 else samples


def to_text(faults: Sequence[Fault]) -> str:
    """Join faults to one line. Of many faults only the first are written out."""
    left_out = len(faults) - MAX_FAULTS
    text = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:MAX_FAULTS])
    return text if left_out <= 0 else f"{text}; and {left_out} more"
