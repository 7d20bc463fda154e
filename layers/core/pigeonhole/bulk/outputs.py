"""Write the results of spans as files: a results part per span, and an errors part where a line has an error.

The parts are numbered in the order of the lines. The same rows give the same bytes, so a span that is classified twice replaces
its own part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

from pigeonhole.bulk.ports import ResultStore
from pigeonhole.contract.base import HttpSchema
from pigeonhole.contract.bulk import AnyBulkOptions, BulkOptions, OutputFormat
from pigeonhole.contract.bulk_results import AnyResultRow, Counts, ErrorRow, PartFile, ResultsManifest
from pigeonhole.contract.labels import Label

if TYPE_CHECKING:
    import pyarrow as pa

MANIFEST_NAME = "_manifest.json"
MAX_WARNINGS = 100
FIRST_FILES = 100  # results parts, and errors parts, that a job links
SEVERAL_MODELS = "the model was changed while the job ran, so its parts are not all of one revision"


@dataclass(frozen=True)
class SpanParts:
    """The files of a span.

    Attributes:
        results: The results part. It may have no row.
        errors: The errors part, None if no line has an error.
    """

    results: PartFile
    errors: PartFile | None


@dataclass(frozen=True, kw_only=True)
class PartFiles:
    """Writes the parts of a bulk job.

    Attributes:
        store: Where the files are stored.
        format: Their format.
        options: The labels and options of the job, or its questions. The columns of a table follow from them.
    """

    store: ResultStore
    format: OutputFormat
    options: AnyBulkOptions

    def write(self, number: int, rows: Sequence[AnyResultRow], errors: Sequence[ErrorRow]) -> SpanParts:
        """Write the parts of a span. The results part is stored last: where it is, the span is complete."""
        error_file = self._put(f"errors-{number:05d}.{self.format.value}", errors) if errors else None
        return SpanParts(self._put(f"part-{number:05d}.{self.format.value}", rows), error_file)

    def _put(self, name: str, rows: Sequence[AnyResultRow] | Sequence[ErrorRow]) -> PartFile:
        data = self._to_parquet(rows) if self.format is OutputFormat.PARQUET else _to_lines(rows)
        self.store.put(name, data)
        return PartFile(name=name, rows=len(rows), bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    def _to_parquet(self, rows: Sequence[AnyResultRow] | Sequence[ErrorRow]) -> bytes:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text = pa.string()
        columns: dict[str, pa.DataType] = {"line": pa.int64(), "custom_id": text}
        if rows and isinstance(rows[0], ErrorRow):
            columns |= {"code": text, "message": text}
        else:
            columns |= self._result_columns()
        table = pa.Table.from_pylist([row.model_dump() for row in rows], schema=pa.schema(columns))
        buffer = BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return buffer.getvalue()

    def _result_columns(self) -> dict[str, pa.DataType]:
        """Return the types of predictions and scores. Of questions, they are structs with a field for each question."""
        import pyarrow as pa

        text, options = pa.string(), self.options
        scores = pa.list_(pa.struct({"label": text, "probability": pa.float64(), "similarity": pa.float64()}))
        if isinstance(options, BulkOptions):
            columns = {"prediction": pa.list_(text) if options.multiple_labels else text}
            return columns | ({"scores": scores} if options.scores else {})
        questions = options.questions.items()
        chosen = {name: pa.list_(text) if question.multiple_labels else text for name, question in questions}
        columns = {"predictions": pa.struct(chosen)}
        return columns | ({"scores": pa.struct(dict.fromkeys(chosen, scores))} if options.scores else {})


@dataclass(kw_only=True)
class ResultsManifestBuilder:
    """Builds the results manifest of a job from its spans, which are added in order.

    Attributes:
        input: What was classified.
        options: The labels and options of the job, or its questions.
        results: The results parts so far.
        errors: The errors parts so far.
        models: The id and the revision of each model that classified a span.
        warnings: What the caller should know.
    """

    input: str
    options: AnyBulkOptions
    results: list[PartFile] = field(default_factory=list)
    errors: list[PartFile] = field(default_factory=list)
    models: dict[tuple[str, str], None] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)

    def add(self, results: PartFile, errors: PartFile | None, warnings: Iterable[str] = (), *, model: tuple[str, str]) -> None:
        """Add the files of the next span, and what classified it."""
        self.results.append(results)
        if errors is not None:
            self.errors.append(errors)
        self.models[model] = None
        for warning in warnings:
            if len(self.warnings) < MAX_WARNINGS:
                self.warnings[warning] = None

    def build(self, max_files: int | None = None) -> ResultsManifest:
        """Return the results manifest.

        Args:
            max_files: How many results parts, and how many errors parts, it lists. All by default.
        """
        failed = sum(part.rows for part in self.errors)
        succeeded = sum(part.rows for part in self.results)
        model_id, model_revision = [*self.models][-1]
        several = [SEVERAL_MODELS] if len(self.models) > 1 else []
        # Not validated again: each part was validated when it was added.
        return ResultsManifest.model_construct(
            input=self.input,
            model_id=model_id,
            model_revision=model_revision,
            labels=_list_labels(self.options),
            options=_list_options(self.options),
            counts=Counts(total=succeeded + failed, succeeded=succeeded, failed=failed),
            results=self.results[:max_files],
            errors=self.errors[:max_files],
            warnings=[*several, *self.warnings][:MAX_WARNINGS],
        )


def _list_labels(options: AnyBulkOptions) -> list[str] | dict[str, list[str]]:
    """Return the names of the labels, or those of each question."""
    if isinstance(options, BulkOptions):
        return _names(options.labels)
    return {name: _names(question.labels) for name, question in options.questions.items()}


def _names(labels: Sequence[Label]) -> list[str]:
    return list(dict.fromkeys(label.name for label in labels))


def _list_options(options: AnyBulkOptions) -> dict[str, object]:
    """Return the options that the request set, without labels."""
    excluded: Any = {"labels": True, "questions": {"__all__": {"labels"}}}
    return options.model_dump(mode="json", exclude_defaults=True, exclude=excluded)


def encode_manifest(manifest: ResultsManifest) -> bytes:
    """Encode a results manifest as the JSON that is stored."""
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def _to_lines(rows: Sequence[HttpSchema]) -> bytes:
    return "".join(row.model_dump_json(exclude_none=True) + "\n" for row in rows).encode()
