"""The parts of a span are files with a row per line, as JSONL or Parquet, and the same rows give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.bulk.outputs import SEVERAL_MODELS, PartFiles, ResultsManifestBuilder, encode_manifest
from pigeonhole.contract.bulk import BulkOptions, BulkQuestions, OutputFormat
from pigeonhole.contract.bulk_results import Counts, ErrorRow, PartFile, QuestionsRow, ResultRow, ResultsManifest
from pigeonhole.contract.classification import LabelScore
from support.fakes.results import FakeResultStore

SCORES = [
    LabelScore(label="cat", probability=0.75, similarity=0.25),
    LabelScore(label="dog", probability=0.25, similarity=-0.5),
]
OPTIONS = BulkOptions.model_validate({"labels": [{"type": "text", "value": value} for value in ("cat", "dog", "cat")]})
WITH_SCORES = OPTIONS.model_copy(update={"scores": True})
ROWS = [
    ResultRow(line=1, custom_id="ä", prediction="cat", scores=SCORES),
    ResultRow(line=4, prediction="dog", scores=SCORES[::-1]),
]
ERRORS = [
    ErrorRow(line=2, custom_id="b", code="too_large", message="send a smaller one"),
    ErrorRow(line=3, code="x", message="y"),
]


def read_rows(data: bytes, output: OutputFormat) -> list[dict[str, Any]]:
    if output is OutputFormat.JSONL:
        return [json.loads(line) for line in data.decode().splitlines()]
    rows = pq.read_table(io.BytesIO(data)).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


@pytest.mark.parametrize("output", OutputFormat)
def test_the_parts_of_a_span_hold_its_rows(output: OutputFormat) -> None:
    store = FakeResultStore()

    parts = PartFiles(store=store, format=output, options=WITH_SCORES).write(7, ROWS, ERRORS)

    assert parts.errors
    assert [parts.results.name, parts.errors.name] == [f"part-00007.{output.value}", f"errors-00007.{output.value}"]
    assert read_rows(store.files[parts.results.name], output) == [row.model_dump(exclude_none=True) for row in ROWS]
    assert read_rows(store.files[parts.errors.name], output) == [row.model_dump(exclude_none=True) for row in ERRORS]


def test_a_line_whose_best_label_is_below_the_threshold_has_a_null_in_its_row() -> None:
    store = FakeResultStore()

    PartFiles(store=store, format=OutputFormat.JSONL, options=OPTIONS).write(
        0, [ResultRow(line=1, custom_id="a", prediction=None)], []
    )

    assert store.files["part-00000.jsonl"] == b'{"line":1,"custom_id":"a","prediction":null}\n'


@pytest.mark.parametrize("output", OutputFormat)
def test_a_part_is_described_by_its_rows_size_and_hash(output: OutputFormat) -> None:
    store = FakeResultStore()

    results = PartFiles(store=store, format=output, options=OPTIONS).write(0, ROWS, []).results

    data = store.files[results.name]
    assert (results.rows, results.bytes, results.sha256) == (2, len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("output", OutputFormat)
def test_the_results_part_is_stored_last_and_the_same_rows_give_the_same_bytes(output: OutputFormat) -> None:
    first, second = FakeResultStore(), FakeResultStore()
    for store in (first, second):
        PartFiles(store=store, format=output, options=WITH_SCORES).write(0, ROWS, ERRORS)

    assert [*first.files][-1] == f"part-00000.{output.value}"
    assert first.files == second.files


@pytest.mark.parametrize("output", OutputFormat)
def test_a_span_without_a_result_has_a_part_without_rows(output: OutputFormat) -> None:
    store = FakeResultStore()

    parts = PartFiles(store=store, format=output, options=OPTIONS).write(0, [], ERRORS)

    assert parts.results.rows == 0
    assert read_rows(store.files[parts.results.name], output) == []


def test_a_span_without_an_error_has_no_errors_part() -> None:
    store = FakeResultStore()

    parts = PartFiles(store=store, format=OutputFormat.JSONL, options=OPTIONS).write(0, ROWS, [])

    assert parts.errors is None
    assert [*store.files] == ["part-00000.jsonl"]


@pytest.mark.parametrize("multiple", [False, True])
def test_all_parquet_parts_of_a_job_have_the_same_columns(multiple: bool) -> None:
    """Readers of a folder of parts refuse files whose columns differ, even where one has no row."""
    store = FakeResultStore()
    options = WITH_SCORES.model_copy(update={"multiple_labels": multiple})
    files = PartFiles(store=store, format=OutputFormat.PARQUET, options=options)
    prediction: Any = ["cat"] if multiple else "cat"

    files.write(0, [ResultRow(line=1, prediction=prediction, scores=SCORES)], [])
    files.write(1, [], ERRORS)

    schemas = [pq.read_schema(io.BytesIO(store.files[f"part-0000{k}.parquet"])) for k in (0, 1)]
    assert schemas[0] == schemas[1]
    assert schemas[0].field("prediction").type == (pa.list_(pa.string()) if multiple else pa.string())


TWO_QUESTIONS = BulkQuestions.model_validate(
    {
        "questions": {
            "mood": {"labels": [{"type": "text", "value": "calm"}, {"type": "text", "value": "angry"}], "threshold": 0.5},
            "topics": {"labels": OPTIONS.model_dump()["labels"], "multiple_labels": True},
        },
        "scores": True,
    }
)
QUESTIONS_ROW = QuestionsRow(line=1, predictions={"mood": None, "topics": ["cat"]}, scores={"mood": [], "topics": SCORES})


def test_a_row_has_the_predictions_of_all_questions() -> None:
    store = FakeResultStore()

    PartFiles(store=store, format=OutputFormat.JSONL, options=TWO_QUESTIONS).write(0, [QUESTIONS_ROW], [])

    (row,) = read_rows(store.files["part-00000.jsonl"], OutputFormat.JSONL)
    assert (row["line"], row["predictions"]) == (1, {"mood": None, "topics": ["cat"]})
    assert row["scores"] == {"mood": [], "topics": [score.model_dump() for score in SCORES]}


def test_a_table_has_a_field_for_each_question_even_where_it_has_no_row() -> None:
    store = FakeResultStore()
    files = PartFiles(store=store, format=OutputFormat.PARQUET, options=TWO_QUESTIONS)

    files.write(0, [QUESTIONS_ROW], [])
    files.write(1, [], ERRORS)

    tables = [pq.read_table(io.BytesIO(store.files[f"part-0000{k}.parquet"])) for k in (0, 1)]
    assert tables[0].schema == tables[1].schema
    (row,) = tables[0].to_pylist()
    assert row["predictions"] == {"mood": None, "topics": ["cat"]}
    assert [score["label"] for score in row["scores"]["topics"]] == ["cat", "dog"]


def test_the_results_manifest_has_the_labels_of_each_question() -> None:
    builder = ResultsManifestBuilder(input="in.jsonl", options=TWO_QUESTIONS)
    builder.add(part("part-00000.jsonl", 1), None, model=("tiny", "1"))

    manifest = builder.build()

    assert manifest.labels == {"mood": ["calm", "angry"], "topics": ["cat", "dog"]}
    assert manifest.options == {
        "questions": {"mood": {"threshold": 0.5}, "topics": {"multiple_labels": True}},
        "scores": True,
    }
    assert ResultsManifest.model_validate_json(encode_manifest(manifest)) == manifest


def part(name: str, rows: int) -> PartFile:
    return PartFile(name=name, rows=rows, bytes=10, sha256="0" * 64)


def builder() -> ResultsManifestBuilder:
    return ResultsManifestBuilder(input="in.jsonl", options=WITH_SCORES)


def test_the_results_manifest_names_counts_and_parts() -> None:
    building = builder()
    building.add(part("part-00000.jsonl", 2), None, ["short"], model=("tiny", "abc"))
    building.add(part("part-00001.jsonl", 0), part("errors-00001.jsonl", 3), ["short", "long"], model=("tiny", "abc"))

    manifest = ResultsManifest.model_validate_json(encode_manifest(building.build()))

    assert manifest == ResultsManifest(
        input="in.jsonl",
        model_id="tiny",
        model_revision="abc",
        labels=["cat", "dog"],
        options={"scores": True},
        counts=Counts(total=5, succeeded=2, failed=3),
        results=[part("part-00000.jsonl", 2), part("part-00001.jsonl", 0)],
        errors=[part("errors-00001.jsonl", 3)],
        warnings=["short", "long"],
    )


def test_the_first_files_have_the_counts_of_all() -> None:
    building = builder()
    for number in range(3):
        building.add(part(f"part-{number}", 1), part(f"errors-{number}", 1), model=("tiny", "abc"))

    manifest = building.build(max_files=2)

    assert (len(manifest.results), len(manifest.errors)) == (2, 2)
    assert manifest.counts == Counts(total=6, succeeded=3, failed=3)


def test_spans_of_two_models_are_a_warning() -> None:
    building = builder()
    building.add(part("part-0", 1), None, model=("tiny", "old"))
    building.add(part("part-1", 1), None, model=("tiny", "new"))

    manifest = building.build()

    assert (manifest.model_revision, manifest.warnings) == ("new", [SEVERAL_MODELS])
