"""The folder of a run's results: its parts, and the journal of the spans that are complete.

    part-00000.jsonl    the results of a span, and so on
    errors-00000.jsonl  the errors of the same span, if it has any
    _manifest.json      counts, checksums, labels and model. It is written last.
    _journal.jsonl      what the run classifies, then a line for each complete span
    _input.jsonl        until the run is complete: the manifest, if the input wasn't one

A run that was interrupted is continued with the spans that aren't in the journal. A span enters the journal when its parts are
stored, so a crash between the two repeats the span, which writes the same parts again.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.bulk.outputs import MANIFEST_NAME, MAX_WARNINGS, ResultsManifestBuilder, SpanParts, encode_manifest
from pigeonhole.contract.bulk import AnyBulkOptions
from pigeonhole.contract.bulk_results import Counts, PartFile, ResultsManifest
from pigeonhole_cli.bulk.local_input import STAGED_NAME
from pigeonhole_cli.request_input import InputError

JOURNAL_NAME = "_journal.jsonl"


class SpanRecord(BaseModel):
    """A complete span, as the journal has it.

    Attributes:
        number: The number of the span.
        results: Its results part.
        errors: Its errors part, None if no line has an error.
        warnings: What the user should know about labels and samples.
    """

    model_config = ConfigDict(frozen=True)
    number: int
    results: PartFile
    errors: PartFile | None
    warnings: list[str]


class RunDescription(BaseModel):
    """What a run classifies, and how: the first line of the journal. A run is only continued if it is the same.

    Attributes:
        version: The version of the journal.
        input: The file or folder.
        identity: What tells whether the input has changed.
        options: Labels and options.
        format: The format of the parts.
        model_id: The model.
        model_revision: The revision of its weights.
        model_engine: What runs it, and in which precision. Runs of earlier versions were in float32.
        span_samples: The largest number of samples in a span.
    """

    model_config = ConfigDict(frozen=True)
    version: int = 1
    input: str
    identity: dict[str, str | int]
    options: dict[str, object]
    format: str
    model_id: str
    model_revision: str
    model_engine: str = "onnxruntime"
    span_samples: int


@dataclass(frozen=True)
class FolderStore:
    """Stores results as files of a folder: a ResultStore."""

    folder: Path

    def put(self, name: str, data: bytes) -> None:
        """Store a file whole or not at all."""
        partial = self.folder / f"{name}.partial"
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.folder / name)


@dataclass
class LocalRun:
    """A run that writes its results into a folder. It is a context manager that holds the folder's lock.

    Attributes:
        folder: The folder of the results.
        description: What is classified, and how.
        records: The complete spans, by their number.
        is_finished: Whether all results were there before this run.
    """

    folder: Path
    description: RunDescription
    records: dict[int, SpanRecord] = field(default_factory=dict, init=False)
    is_finished: bool = field(default=False, init=False)
    _journal: IO[bytes] | None = field(default=None, init=False, repr=False)

    def __enter__(self) -> LocalRun:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._journal = (self.folder / JOURNAL_NAME).open("ab+")
        except OSError as error:
            raise InputError(f"{self.folder} can't hold the results ({error.strerror}). Choose another --out.") from None
        try:
            self._read_journal(self._journal)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    @property
    def counts(self) -> Counts:
        """The samples of all complete spans."""
        succeeded = sum(record.results.rows for record in self.records.values())
        failed = sum(record.errors.rows for record in self.records.values() if record.errors)
        return Counts(total=succeeded + failed, succeeded=succeeded, failed=failed)

    def add(self, span: ManifestSpan, parts: SpanParts, warnings: list[str]) -> None:
        """Record a span whose parts are stored."""
        kept = warnings[:MAX_WARNINGS]
        record = SpanRecord(number=span.number, results=parts.results, errors=parts.errors, warnings=kept)
        self.records[span.number] = record
        self._append(record)

    def finish(self, options: AnyBulkOptions) -> ResultsManifest:
        """Write the results manifest, and remove what only an unfinished run needs.

        Args:
            options: The labels and options of the run, or its questions.
        """
        builder = ResultsManifestBuilder(input=self.description.input, options=options)
        model = (self.description.model_id, self.description.model_revision)
        for number in sorted(self.records):
            record = self.records[number]
            builder.add(record.results, record.errors, record.warnings, model=model)
        manifest = builder.build()
        FolderStore(self.folder).put(MANIFEST_NAME, encode_manifest(manifest))
        (self.folder / STAGED_NAME).unlink(missing_ok=True)
        return manifest

    def _read_journal(self, journal: IO[bytes]) -> None:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"Another run writes to {self.folder}. Wait for it, or choose another --out.") from None
        journal.seek(0)
        lines = journal.read().split(b"\n")
        torn = lines.pop()  # a line that has no end wasn't written whole
        if not lines:
            if others := sorted(path.name for path in self.folder.iterdir() if path.name != JOURNAL_NAME):
                (self.folder / JOURNAL_NAME).unlink()
                raise InputError(f"{self.folder} has other files ({others[0]}). Choose another --out, or an empty folder.")
            journal.truncate(0)
            self._append(self.description)
            return
        try:
            earlier = RunDescription.model_validate_json(lines[0])
            is_same = json.loads(earlier.model_dump_json()) == json.loads(self.description.model_dump_json())
            records = [SpanRecord.model_validate_json(line) for line in lines[1:]]
        except (ValueError, ValidationError):
            raise InputError(f"{self.folder / JOURNAL_NAME} is broken. Start again with another --out.") from None
        if not is_same:
            raise InputError(
                f"{self.folder} has the results of another run, whose input, labels, options or model differ. "
                "Choose another --out."
            )
        journal.truncate(journal.tell() - len(torn))
        self.records = {record.number: record for record in records if self._is_stored(record)}
        self._remove_unrecorded()
        self.is_finished = (self.folder / MANIFEST_NAME).exists() and len(self.records) == len(
            {record.number for record in records}
        )

    def _remove_unrecorded(self) -> None:
        """Remove parts that aren't in the journal. When their span is classified again, it may have no errors part any more."""
        recorded = {
            file.name for record in self.records.values() for file in (record.results, record.errors) if file is not None
        }
        for pattern in ("part-*", "errors-*", "*.partial"):
            for path in self.folder.glob(pattern):
                if path.name not in recorded:
                    path.unlink()

    def _is_stored(self, record: SpanRecord) -> bool:
        files = [record.results, *([record.errors] if record.errors else [])]
        with suppress(OSError):
            return all((self.folder / file.name).stat().st_size == file.bytes for file in files)
        return False

    def _append(self, line: BaseModel) -> None:
        assert self._journal is not None  # noqa: S101 - called only inside the context
        self._journal.write(line.model_dump_json().encode() + b"\n")
        self._journal.flush()
        os.fsync(self._journal.fileno())

    def _close(self) -> None:
        if self._journal is not None:
            self._journal.close()
