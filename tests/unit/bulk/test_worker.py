"""A worker classifies a span, stores its parts and counts it once, whatever other workers do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.bulk.worker import CHECK_S
from pigeonhole.contract.bulk import OutputFormat
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from pigeonhole.errors import ForbiddenUrl, Overloaded, UnfetchableUrl
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import BUCKET, GRANTED, Bulk, to_line
from support.job_fixtures import BAD, even_or_odd


def planned(count: int = 10, *, span_samples: int = 10, manifest: bytes | None = None) -> tuple[Bulk, Job]:
    """Make a job whose spans are queued."""
    bulk = Bulk()
    job = bulk.submit(manifest or b"".join(to_line(str(k)) for k in range(count)), span_samples=span_samples)
    bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 100)
    return bulk, job


def process(bulk: Bulk, **options: Any) -> Any:
    """Process the next message."""
    return bulk.worker.process(bulk.span_queue.sent.pop(0), options.pop("time_left_s", lambda: 100), **options)


def test_the_parts_of_a_span_are_stored_and_its_lines_are_counted() -> None:
    bulk, job = planned(manifest=b"".join(to_line(value) for value in ("1", BAD, "2")) + b"nonsense\n")

    completed = process(bulk)

    files = bulk.results(job)
    assert [(row["line"], row["prediction"]) for row in files["part-00000.jsonl"]] == [(1, "odd"), (3, "even")]
    assert [(row["line"], row.get("custom_id")) for row in files["errors-00000.jsonl"]] == [
        (2, BAD),
        (4, None),
    ]
    assert (completed.results.rows, completed.failed) == (2, 2)
    counts = bulk.spans.count(job)
    assert (counts.spans, counts.succeeded, counts.failed) == (1, 2, 2)


def test_the_worker_of_the_last_span_has_the_job_ended() -> None:
    bulk, job = planned(10, span_samples=4)
    for _ in range(2):
        process(bulk)
    assert bulk.plan_queue.sent == []

    process(bulk)

    assert bulk.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]


def test_the_last_span_of_a_job_that_was_planned_meanwhile_is_noticed() -> None:
    bulk, job = planned(3)
    stored = bulk.store.get("acme", job.id)
    unplanned = replace(stored, bulk=replace(stored.bulk, spans=None), version=stored.version + 1)
    bulk.store.save(unplanned)

    def run(command: ClassifyCommand, **options: Any) -> ChunkResult:
        bulk.store.save(replace(stored, version=stored.version + 2))
        return even_or_odd(command)

    bulk.run = run

    process(bulk)

    assert bulk.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]


@pytest.mark.parametrize(("max_bytes", "reads"), [(1_000_000, 1), (10, 1 + 5)])  # to divide it, and for each piece of it
def test_a_span_is_read_once_unless_it_is_too_large_for_memory(
    monkeypatch: pytest.MonkeyPatch, max_bytes: int, reads: int
) -> None:
    monkeypatch.setattr("pigeonhole.bulk.open_span.MAX_HELD_BYTES", max_bytes)
    bulk, job = planned(10)
    read: list[None] = []
    bulk.manifests.before = lambda: read.append(None)

    process(bulk)

    assert len(read) == reads
    assert [row["custom_id"] for row in bulk.results(job)["part-00000.jsonl"]] == [str(k) for k in range(10)]


def test_a_message_that_is_delivered_again_after_its_span_is_complete_changes_nothing() -> None:
    bulk, job = planned(3)
    message = bulk.span_queue.sent[0]
    process(bulk)
    before = dict(bulk.objects.objects)

    assert bulk.worker.process(message, lambda: 100) is None

    assert bulk.objects.objects == before
    assert bulk.spans.count(job).spans == 1


def test_of_two_workers_at_once_the_first_one_decides_and_only_one_counts() -> None:
    bulk, job = planned(6)
    message = bulk.span_queue.sent[0]
    others: list[Any] = []

    def flaky(command: ClassifyCommand, **options: Any) -> ChunkResult:
        """Lets another worker do all its work first, to whom the second sample is unreadable."""
        if not others:
            others.append(None)
            others[0] = bulk.worker.process(message, lambda: 100)
            return even_or_odd(command)
        samples = [
            sample.model_copy(update={"value": BAD}) if sample.value == "1" else sample for sample in command.request.dataset
        ]
        return even_or_odd(command.model_copy(update={"request": command.request.model_copy(update={"dataset": samples})}))

    bulk.run = flaky

    assert bulk.worker.process(message, lambda: 100) is None

    assert others[0].failed == 1
    assert (bulk.spans.count(job).succeeded, bulk.spans.count(job).failed) == (5, 1)
    for part in (others[0].results, others[0].errors):
        data = bulk.objects.objects[f"bulk/acme/{job.id}/results/{part.name}"]
        assert hashlib.sha256(data).hexdigest() == part.sha256, "a counted part never changes"


def test_a_worker_that_runs_out_of_time_stores_what_it_has_and_queues_the_rest() -> None:
    bulk, job = planned(10)
    left = iter([100, 90, 20, 20, 20])
    classified: list[str] = []
    bulk.run = recording(classified)

    assert process(bulk, time_left_s=lambda: next(left)) is None
    assert bulk.spans.count(job).spans == 0
    assert len(bulk.span_queue.sent) == 1
    process(bulk)

    # One piece may have been read ahead when the time ran out.
    assert classified[:4] == ["0", "1", "2", "3"]
    assert sorted(set(classified), key=int) == [str(k) for k in range(10)]
    assert len(classified) <= 10 + 4
    assert [row["line"] for row in bulk.results(job)["part-00000.jsonl"]] == list(range(1, 11))


def recording(classified: list[str]) -> Callable[..., ChunkResult]:
    def run(command: ClassifyCommand, **options: Any) -> ChunkResult:
        classified.extend(sample.value for sample in command.request.dataset)
        return even_or_odd(command)

    return run


def test_each_attempt_at_a_redelivered_message_makes_progress() -> None:
    """A sample that crashes its worker fails only the samples of its own piece and those after it."""
    bulk, job = planned(40, span_samples=40)
    message = bulk.span_queue.sent[0]

    def crash(command: ClassifyCommand, **options: Any) -> ChunkResult:
        if any(sample.value == "25" for sample in command.request.dataset):
            raise RuntimeError("crash")
        return even_or_odd(command)

    bulk.run = crash
    bulk.span_queue.sent.clear()
    for deliveries in range(1, 6):
        with pytest.raises(RuntimeError):
            bulk.worker.process(message, lambda: 100, deliveries=deliveries, is_last_delivery=deliveries == 5)

    assert bulk.abandoner.abandon(message) == 15
    assert process(bulk) is not None  # a worker writes the parts
    files = bulk.results(job)
    assert [row["line"] for row in files["part-00000.jsonl"]] == list(range(1, 26))
    assert [row["line"] for row in files["errors-00000.jsonl"]] == list(range(26, 41))
    assert {row["custom_id"] for row in files["errors-00000.jsonl"]} == {str(k) for k in range(25, 40)}
    assert "every attempt failed" in files["errors-00000.jsonl"][0]["message"]


def test_a_dead_message_that_no_worker_attempted_is_queued_again() -> None:
    bulk, job = planned(3)
    message = bulk.span_queue.sent.pop()

    assert bulk.abandoner.abandon(message) == 0

    assert bulk.span_queue.sent == [message]
    assert bulk.spans.count(job).spans == 0


def test_a_dead_message_of_an_old_job_fails() -> None:
    bulk, job = planned(3)
    bulk.now += 600  # more than half of the time that the job is stored

    assert bulk.abandoner.abandon(bulk.span_queue.sent.pop()) == 3

    assert process(bulk).failed == 3
    assert bulk.spans.count(job).failed == 3


@pytest.mark.parametrize("change", ["canceled", "deleted", "expired spec"])
def test_the_spans_of_a_job_that_is_over_are_dropped(change: str) -> None:
    bulk, job = planned(3)
    if change == "canceled":
        bulk.store.save(bulk.store.get("acme", job.id).canceled(bulk.now))
    elif change == "deleted":
        del bulk.store.jobs["acme", job.id]
    else:
        bulk.objects.objects.pop(f"bulk/acme/{job.id}/spec.json")

    assert process(bulk) is None
    assert bulk.spans.count(job).spans == 0


def test_a_worker_notices_that_its_job_was_canceled() -> None:
    bulk, job = planned(10)
    classified: list[str] = []

    def run(command: ClassifyCommand, **options: Any) -> ChunkResult:
        if not classified:
            bulk.store.save(bulk.store.get("acme", job.id).canceled(bulk.now))
        bulk.now += CHECK_S
        return recording(classified)(command)

    bulk.run = run

    assert process(bulk) is None

    assert len(classified) < 10
    assert bulk.span_queue.sent == []


def test_a_manifest_that_was_replaced_fails_its_job() -> None:
    bulk, job = planned(10, span_samples=5)
    bulk.manifests.objects[BUCKET, "acme/0.jsonl"] = (b"", "another etag")

    assert process(bulk) is None

    ended = bulk.store.get("acme", job.id)
    assert (ended.status, ended.error.code) == ("failed", "unfetchable_url")


def test_a_manifest_whose_grant_was_withdrawn_is_read_no_more() -> None:
    bulk, job = planned(10, span_samples=5)
    bulk.tenants.tenants["acme"] = replace(GRANTED, grants=())

    assert process(bulk) is None

    ended = bulk.store.get("acme", job.id)
    assert (ended.status, ended.error.code) == ("failed", "forbidden_url")


def test_a_worker_without_time_classifies_nothing_and_queues_its_message_again() -> None:
    bulk, _ = planned(3)
    classified: list[str] = []
    bulk.run = recording(classified)

    assert process(bulk, time_left_s=lambda: 10) is None

    assert classified == []
    assert len(bulk.span_queue.sent) == 1


def test_a_blank_line_of_any_length_is_no_sample() -> None:
    bulk, job = planned(manifest=to_line("1") + b" " * 2_000 + b"\n" + to_line("2"))

    process(bulk)

    assert bulk.spans.count(job).succeeded == 2
    assert bulk.spans.count(job).failed == 0


def test_an_example_image_that_cant_be_read_is_tried_again_and_then_fails_the_lines() -> None:
    bulk, job = planned(3)
    message: SpanMessage = bulk.span_queue.sent[0]

    def no_label(command: ClassifyCommand, **options: Any) -> ChunkResult:
        raise UnfetchableUrl("labels.0.value: answered 503")

    bulk.run = no_label
    with pytest.raises(Overloaded):
        bulk.worker.process(message, lambda: 100)
    bulk.worker.process(message, lambda: 100, deliveries=5, is_last_delivery=True)

    errors = bulk.results(job)["errors-00000.jsonl"]
    assert [(row["line"], row["code"]) for row in errors] == [(k, "unfetchable_url") for k in (1, 2, 3)]


def test_an_example_image_that_may_not_be_read_fails_the_lines_at_once() -> None:
    bulk, job = planned(3)

    def no_label(command: ClassifyCommand, **options: Any) -> ChunkResult:
        raise ForbiddenUrl("labels.0.value: not granted")

    bulk.run = no_label
    process(bulk)

    assert len(bulk.results(job)["errors-00000.jsonl"]) == 3


def test_a_busy_port_leaves_the_message_to_be_redelivered() -> None:
    bulk, job = planned(3)

    def busy(command: ClassifyCommand, **options: Any) -> ChunkResult:
        raise Overloaded("S3 is busy")

    bulk.run = busy
    with pytest.raises(Overloaded):
        process(bulk)

    assert bulk.spans.count(job).spans == 0


def test_the_results_may_be_parquet() -> None:
    bulk = Bulk()
    job = bulk.submit(to_line("1"), output=OutputFormat.PARQUET)
    bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 100)

    completed = process(bulk)

    assert completed.results.name == "part-00000.parquet"
    assert f"bulk/acme/{job.id}/results/part-00000.parquet" in bulk.objects.objects
