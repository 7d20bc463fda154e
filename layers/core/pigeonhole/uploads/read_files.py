"""What dropped files hold: the samples of each, or why it can't be taken.

an image    one sample: its address. What it is, its bytes tell whoever reads them
.txt        one text, in UTF-8
.jsonl      a sample per line: {"type": "text", "value": "…"}, all of one type
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

from pigeonhole.contract.classification import RequestLimits, Sample
from pigeonhole.contract.messages import UploadedFile
from pigeonhole.contract.upload_results import ObjectFault
from pigeonhole.contract.uploads import FileKind, most_bytes
from pigeonhole.contract.validation import faults_of, within
from pigeonhole.errors import Fault, InvalidRequest, TooLarge, UnfetchableUrl, UnsupportedMedia
from pigeonhole.ports import ObjectStore
from pigeonhole.uploads.uploaded_file import to_file_kind

READ_AT_ONCE = 4  # of each of the jobs that are made at once
MOST_FAULTS = 5  # of a file, in its result
EMPTY = "The file is empty."
GONE = "The file was deleted before it could be read. Upload it again."
NO_TEXT = "The file is not text in UTF-8. Convert it, and upload it again."

Samples = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class UploadedFileReader:
    """Reads files of the upload bucket. `limits`: those of jobs."""

    files: ObjectStore
    limits: RequestLimits
    bucket: str

    def read(self, uploads: Sequence[UploadedFile]) -> list[Samples | ObjectFault]:
        """What each of some files holds, in order. Raises Overloaded."""
        with ThreadPoolExecutor(min(READ_AT_ONCE, len(uploads)), thread_name_prefix="read") as pool:
            return list(pool.map(self._read, uploads))

    def _read(self, upload: UploadedFile) -> Samples | ObjectFault:
        kind = to_file_kind(upload.key)
        if fault := self._unfit(upload, kind):
            return fault
        if kind is FileKind.IMAGE:
            return [{"type": "image", "value": f"s3://{self.bucket}/{upload.key}"}]
        data = self.files.get(upload.key, upload.version_id)
        if data is None:
            return ObjectFault(code=UnfetchableUrl.code, message=GONE)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return ObjectFault(code=UnsupportedMedia.code, message=NO_TEXT)
        if not text.strip():
            return ObjectFault(code=UnsupportedMedia.code, message=EMPTY)
        try:
            return self._lines(text) if kind is FileKind.LINES else self._text(text.strip())
        except ValueError as error:
            return ObjectFault(code=InvalidRequest.code, message=f"The file can't be taken: {error}.")

    def _unfit(self, upload: UploadedFile, kind: FileKind) -> ObjectFault | None:
        """What its size says against it."""
        most = most_bytes(kind, self.limits)
        if upload.size > most:
            message = f"The file has {upload.size} bytes, and {most} are taken. Upload a smaller one."
            return ObjectFault(code=TooLarge.code, message=message)
        return None if upload.size else ObjectFault(code=UnsupportedMedia.code, message=EMPTY)

    def _text(self, text: str) -> Samples:
        return [{"type": "text", "value": within(text, self.limits.max_text_chars, "a text")}]

    def _lines(self, text: str) -> Samples:
        """The samples of a .jsonl file. Raises ValueError with what is wrong, by the numbers of its lines from 1."""
        # Not all at once: four megabytes may be two million lines.
        every = ((number, line) for number, line in enumerate(StringIO(text), 1) if line.strip())
        most = self.limits.max_samples
        lines = list(islice(every, most + 1))
        if len(lines) > most:
            raise ValueError(f"at most {most} lines are taken, and it has more")
        samples: Samples = []
        faults: list[Fault] = []
        for number, line in lines:
            try:
                samples.append(Sample.model_validate(json.loads(line), context=self.limits).model_dump())
            except ValidationError as error:
                faults += [Fault(f"line {number} {fault.path}".rstrip(), fault.message) for fault in faults_of(error)]
            except (ValueError, RecursionError):
                faults.append(Fault(f"line {number}", 'is not JSON; write {"type": "text", "value": "…"}'))
        if faults:
            raise ValueError(in_words(faults))
        if len({sample["type"] for sample in samples}) > 1:
            raise ValueError("its lines must be all texts or all images; upload two files for a mix")
        return samples


def in_words(faults: Sequence[Fault]) -> str:
    """Faults in one line, the first ones of many."""
    more = len(faults) - MOST_FAULTS
    shown = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:MOST_FAULTS])
    return shown if more <= 0 else f"{shown}; and {more} more"
