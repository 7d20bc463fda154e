"""Spans are classified on several threads, and each line has one result or one error, in the order of the lines."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from pigeonhole.bulk.manifest import SpanLimits, plan_spans
from pigeonhole.bulk.runner import SpanResults, SpanRunner
from pigeonhole.contract.bulk import BulkOptions, BulkQuestions
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import UnfetchableUrl
from support.fake_model import fake_pipeline
from support.fake_web import RED_GREEN, FakeWeb, image_file

SPAN_LIMITS = SpanLimits(samples=5, span_bytes=100_000, line_bytes=100_000)


@dataclass
class FakeSource:
    """A manifest in memory."""

    data: bytes

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        data = self.data[start_byte:stop_byte]
        return (data[k : k + 10] for k in range(0, len(data), 10))


@dataclass
class RecordingPipeline:
    """Records the commands, and passes them on.

    Attributes:
        inner: Classifies them.
        commands: All commands.
        running: How many run now.
        max_running: How many ran at once at most.
    """

    inner: Callable[[ClassifyCommand], ChunkResult | list[ChunkResult]]
    commands: list[ClassifyCommand] = field(default_factory=list)
    running: int = 0
    max_running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, command: ClassifyCommand) -> list[ChunkResult]:
        with self.lock:
            self.commands.append(command)
            self.running += 1
            self.max_running = max(self.max_running, self.running)
        try:
            results = self.inner(command)
            return results if isinstance(results, list) else [results]
        finally:
            with self.lock:
                self.running -= 1


def line(kind: str, value: str, custom_id: str | None = None) -> bytes:
    return json.dumps({"type": kind, "value": value, "custom_id": custom_id}).encode() + b"\n"


def run(
    manifest: bytes,
    web: FakeWeb | None = None,
    *,
    labels: list[dict[str, str]] = RED_GREEN,
    questions: dict[str, Any] | None = None,
    threads: int = 2,
    group_samples: int = 2,
    group_bytes: int = 100_000,
    pipeline: RecordingPipeline | None = None,
    on_group: Callable[[int, int], None] = lambda succeeded, failed: None,
    **options: object,
) -> list[SpanResults]:
    source = FakeSource(manifest)
    runner = SpanRunner(
        pipeline=pipeline or RecordingPipeline(fake_pipeline(web or FakeWeb({})).ask),
        source=source,
        options=BulkQuestions.model_validate({"questions": questions, **options})
        if questions
        else BulkOptions.model_validate({"labels": labels, **options}),
        limits=RequestLimits(),
        span_limits=SPAN_LIMITS,
        tenant_id="acme",
        threads=threads,
        group_samples=group_samples,
        group_bytes=group_bytes,
    )
    return list(runner.run(list(plan_spans(source.read(), SPAN_LIMITS)), on_group=on_group))


def mixed_manifest(count: int) -> tuple[bytes, FakeWeb]:
    """Texts, images, an unreadable image, a blank text and a line that isn't JSON, in turn."""
    web = FakeWeb({"red": image_file("red"), "green": image_file("green")})
    kinds = [
        line("text", "a red car", "car"),
        line("image", "green", "photo"),
        b"nonsense\n",
        line("image", "missing"),
        line("text", " "),
        b"\n",
        line("image", "red"),
    ]
    return b"".join(kinds[k % len(kinds)] for k in range(count)), web


def test_each_line_has_one_result_or_one_error_in_the_order_of_the_lines() -> None:
    manifest, web = mixed_manifest(70)

    spans = run(manifest, web)

    for results in spans:
        assert [row.line for row in results.rows] == sorted(row.line for row in results.rows)
        assert [row.line for row in results.errors] == sorted(row.line for row in results.errors)
    numbers = [row.line for results in spans for row in (*results.rows, *results.errors)]
    assert sorted(numbers) == [number for number in range(1, 71) if number % 7 != 6]
    assert [results.span.number for results in spans] == list(range(len(spans)))


def test_a_line_has_a_prediction_for_each_question_or_one_error() -> None:
    manifest, web = mixed_manifest(7)
    paints = {"labels": [*RED_GREEN, {"type": "text", "value": "blue"}], "multiple_labels": True, "top_k": 1}

    (first, second) = run(manifest, web, questions={"colour": {"labels": RED_GREEN}, "paints": paints}, scores=True)

    assert [(row.line, row.custom_id, row.predictions) for row in first.rows] == [  # type: ignore[union-attr]
        (1, "car", {"colour": "red", "paints": ["red"]}),
        (2, "photo", {"colour": "green", "paints": ["green"]}),
    ]
    assert {name: len(ranked) for name, ranked in first.rows[0].scores.items()} == {"colour": 2, "paints": 1}  # type: ignore[union-attr]
    assert [row.line for row in (*first.errors, *second.errors)] == [3, 4, 5]


def test_a_row_has_the_line_the_custom_id_and_the_prediction() -> None:
    manifest, web = mixed_manifest(7)

    (first, second) = run(manifest, web)

    assert [(row.line, row.custom_id, row.prediction, row.scores) for row in first.rows] == [
        (1, "car", "red", None),
        (2, "photo", "green", None),
    ]
    assert [(row.line, row.code) for row in first.errors] == [
        (3, "invalid_request"),
        (4, "unfetchable_url"),
        (5, "invalid_request"),
    ]
    assert [(row.line, row.prediction) for row in second.rows] == [(7, "red")]


def test_scores_and_several_labels_are_given_as_in_a_request() -> None:
    (results,) = run(line("text", "a red car"), multiple_labels=True, scores=True, threshold=0.0)

    assert results.rows[0].prediction == ["red", "green"]
    assert [score.label for score in results.rows[0].scores or ()] == ["red", "green"]


def test_a_line_whose_best_label_is_below_the_threshold_has_a_row_without_a_prediction() -> None:
    (results,) = run(line("text", "a red car"), scores=True, threshold=1.0)

    assert (results.rows[0].prediction, results.errors) == (None, [])
    assert [score.label for score in results.rows[0].scores or ()] == ["red", "green"]


def test_texts_and_images_are_classified_apart_in_groups_of_bounded_size() -> None:
    manifest, web = mixed_manifest(70)
    pipeline = RecordingPipeline(fake_pipeline(web).classify)

    run(manifest, web, pipeline=pipeline)

    for command in pipeline.commands:
        assert len({sample.type for sample in command.request.dataset}) == 1
        assert 1 <= len(command.request.dataset) <= 2
        assert (command.is_job, command.tenant_id, command.request.on_error) == (True, "acme", "null")


def test_a_group_ends_with_the_sample_that_reaches_its_size() -> None:
    pipeline = RecordingPipeline(fake_pipeline(FakeWeb({})).classify)

    run(line("text", "red " * 10) * 4, pipeline=pipeline, group_samples=32, group_bytes=60)

    assert [len(command.request.dataset) for command in pipeline.commands] == [2, 2]


def test_the_results_do_not_depend_on_the_number_of_threads() -> None:
    manifest, web = mixed_manifest(70)

    one, three = (run(manifest, web, threads=threads, scores=True) for threads in (1, 3))

    assert one == three


def test_groups_run_on_all_threads_and_only_some_are_read_ahead() -> None:
    both_run = threading.Barrier(2, timeout=20)
    taken: list[int] = []

    def classify(command: ClassifyCommand) -> ChunkResult:
        both_run.wait()  # fails unless two groups run at once
        taken.append(len(read))
        return ChunkResult(
            predictions=[["red"]] * len(command.request.dataset), input_tokens=0, output_tokens=0, inference_ms=0
        )

    pipeline = RecordingPipeline(classify)
    manifest = line("text", "red") * 40
    source = FakeSource(manifest)
    read: list[int] = []
    spans = list(plan_spans(source.read(), SPAN_LIMITS))

    def noted(spans: list[object]) -> Iterator[object]:
        for span in spans:
            read.append(1)
            yield span

    runner = SpanRunner(
        pipeline=pipeline,
        source=source,
        options=BulkOptions.model_validate({"labels": RED_GREEN}),
        limits=RequestLimits(),
        span_limits=SPAN_LIMITS,
        tenant_id="acme",
        group_samples=5,
    )
    done = list(runner.run(noted(spans)))  # type: ignore[arg-type]

    assert pipeline.max_running == 2
    assert len(done) == len(spans) == 8
    assert max(taken[:2]) <= 4  # two groups run, two wait


def test_a_warning_names_the_line_of_its_sample() -> None:
    def warn(command: ClassifyCommand) -> ChunkResult:
        count = len(command.request.dataset)
        return ChunkResult(
            predictions=[["red"]] * count,
            warnings=["dataset.1.value: the text is odd", "labels: alike"],
            input_tokens=0,
            output_tokens=0,
            inference_ms=0,
        )

    (results,) = run(b"\n" + line("text", "a") * 4, pipeline=RecordingPipeline(warn))

    assert results.warnings == ["line 3: the text is odd", "labels: alike", "line 5: the text is odd"]


def test_progress_is_reported_group_by_group() -> None:
    manifest, web = mixed_manifest(70)
    reported: list[tuple[int, int]] = []

    spans = run(manifest, web, on_group=lambda succeeded, failed: reported.append((succeeded, failed)))

    assert len(reported) > len(spans)
    assert sum(succeeded for succeeded, _ in reported) == sum(len(results.rows) for results in spans)
    assert sum(failed for _, failed in reported) == sum(len(results.errors) for results in spans)


def test_an_example_image_that_cant_be_read_stops_the_run() -> None:
    labels = [*RED_GREEN, {"type": "image", "value": "missing"}]

    with pytest.raises(UnfetchableUrl, match=r"^labels\.2\.value: "):
        run(line("text", "red") * 20, labels=labels)


def test_when_a_group_fails_no_further_group_begins() -> None:
    def fail(command: ClassifyCommand) -> ChunkResult:
        raise RuntimeError("bug")

    pipeline = RecordingPipeline(fail)

    with pytest.raises(RuntimeError, match="bug"):
        run(line("text", "red") * 1_000, pipeline=pipeline)

    assert len(pipeline.commands) <= 6
