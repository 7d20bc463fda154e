"""A planner divides a manifest into spans, continues where another one stopped, and ends the job after its last span."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.bulk.ports import CompletedSpan
from pigeonhole.contract.bulk_results import PartFile
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import BUCKET, GRANTED, Bulk, to_line


def submitted(count: int = 10, *, span_samples: int = 2) -> tuple[Bulk, Job]:
    """Make a job; a segment has two spans."""
    bulk = Bulk()
    return bulk, bulk.submit(b"".join(to_line(str(k)) for k in range(count)), span_samples=span_samples)


def advance(bulk: Bulk, job: Job, time_left_s: float = 100) -> Any:
    return bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: time_left_s)


def work_all(bulk: Bulk) -> None:
    while bulk.span_queue.sent:
        bulk.worker.process(bulk.span_queue.sent.pop(0), lambda: 100)


def numbers(bulk: Bulk) -> list[int]:
    return [message.number for message in bulk.span_queue.sent]


def test_the_spans_of_a_manifest_are_queued_and_the_job_knows_its_total() -> None:
    bulk, job = submitted(10)

    planned = advance(bulk, job)

    assert numbers(bulk) == [0, 1, 2, 3, 4]
    assert (planned.status, planned.total, planned.bulk.segments, planned.bulk.spans) == ("processing", 10, 3, 5)


def test_a_planner_without_time_leaves_the_rest_to_the_next_one() -> None:
    bulk, job = submitted(10)
    bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 10)
    assert numbers(bulk) == [0], "what was read in time is planned"
    assert bulk.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]
    planned = advance(bulk, job)

    assert numbers(bulk) == [0, 1, 2, 3, 4]
    assert (planned.total, planned.bulk.segments, planned.bulk.spans) == (10, 3, 5)


def test_planners_that_are_always_short_of_time_plan_the_whole_manifest() -> None:
    bulk, job = submitted(10)

    for _ in range(6):
        planned = advance(bulk, job, time_left_s=10)

    assert numbers(bulk) == [0, 1, 2, 3, 4]
    assert planned.bulk.spans == 5


def test_the_segment_that_is_stored_first_counts() -> None:
    """Two planners at once, or one after a killed one, may end a segment at different spans."""
    bulk, job = submitted(10)
    put, create = bulk.objects.put, bulk.objects.create

    def overtake(write: Callable[..., Any]) -> Callable[..., Any]:
        """When the first planner has stored its segment, a second one with little time does its work."""

        def overtaken(*arguments: Any) -> Any:
            bulk.objects.put, bulk.objects.create = put, create
            answer = write(*arguments)
            advance(bulk, job, time_left_s=10)
            return answer

        return overtaken

    bulk.objects.put, bulk.objects.create = overtake(put), overtake(create)
    for _ in range(4):
        planned = advance(bulk, job)

    assert (planned.total, planned.bulk.spans) == (10, 5)
    segments = [json.loads(bulk.objects.objects[f"bulk/acme/{job.id}/plan/{k:05d}.json"]) for k in range(planned.bulk.segments)]
    assert [span["number"] for segment in segments for span in segment["spans"]] == [0, 1, 2, 3, 4]
    assert sorted(set(numbers(bulk))) == [0, 1, 2, 3, 4]


def test_a_manifest_that_is_replaced_before_its_first_segment_is_recorded_fails_its_job() -> None:
    """Otherwise a job could have results of two manifests."""
    bulk, job = submitted(4)
    bulk.span_queue.before = fail_once()
    with pytest.raises(Overloaded):
        advance(bulk, job)
    bulk.manifests.objects[BUCKET, "acme/0.jsonl"] = (to_line("7") * 4, "another etag")

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "unfetchable_url")


def fail_once() -> Callable[[], None]:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise Overloaded("busy")

    return fail


def test_a_manifest_whose_grant_was_withdrawn_is_not_read() -> None:
    bulk, job = submitted()
    bulk.tenants.tenants["acme"] = replace(GRANTED, grants=())

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "forbidden_url")


def test_a_file_with_an_enormous_line_is_no_manifest() -> None:
    bulk = Bulk()
    job = bulk.submit(to_line("1") + b"[" * 3_000)

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "invalid_request")
    assert "line 2 has more than" in ended.error.message


def test_counts_that_do_not_add_up_end_the_job() -> None:
    bulk, job = submitted(2)
    advance(bulk, job)
    file = PartFile(name="part-00000.jsonl", rows=3, bytes=1, sha256="0" * 64)
    bulk.spans.complete(job, CompletedSpan(0, file, None, "tiny", "abc"), bulk.now)

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "internal_error")


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_planner_that_was_killed_plans_its_last_segment_again(after: int) -> None:
    """Between the messages and the record of a segment, the same spans are queued twice, and no other."""
    bulk, job = submitted(10)
    sent: list[int] = []

    def fail_late() -> None:
        sent.append(1)
        if len(sent) == after * 2 + 1:
            raise Overloaded("busy")

    bulk.span_queue.before = fail_late
    with pytest.raises(Overloaded):
        advance(bulk, job)
    bulk.span_queue.before = lambda: None
    planned = advance(bulk, job)

    assert sorted(set(numbers(bulk))) == [0, 1, 2, 3, 4]
    assert (planned.total, planned.bulk.segments, planned.bulk.spans) == (10, 3, 5)


def test_the_job_ends_when_all_its_spans_are_complete() -> None:
    bulk, job = submitted(10)
    advance(bulk, job)
    work_all(bulk)

    ended = advance(bulk, job)

    assert (ended.status, ended.succeeded, ended.failed) == (JobStatus.SUCCEEDED, 10, 0)
    manifest = bulk.results(job)["_manifest.json"]
    assert [part["name"] for part in manifest["results"]] == [f"part-0000{k}.jsonl" for k in range(5)]
    assert manifest["input"] == f"s3://{BUCKET}/acme/0.jsonl"
    assert (manifest["model_id"], manifest["model_revision"], manifest["labels"]) == ("tiny", "abc", ["even", "odd"])


def test_the_planner_ends_a_job_whose_spans_were_complete_before_it_was_planned() -> None:
    bulk, job = submitted(10)
    bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 10)
    work_all(bulk)  # the spans of the first segment
    bulk.plan_queue.sent.clear()
    send = bulk.span_queue.send

    def send_and_work(messages: Any) -> None:
        send(messages)
        work_all(bulk)

    bulk.span_queue.send = send_and_work
    ended = advance(bulk, job)

    assert bulk.plan_queue.sent == [], "no worker knew that its span was the last one"
    assert (ended.status, ended.succeeded) == (JobStatus.SUCCEEDED, 10)


def test_a_job_whose_lines_all_fail_has_failed() -> None:
    bulk = Bulk()
    job = bulk.submit(b"nonsense\n" * 3)
    advance(bulk, job)
    work_all(bulk)

    ended = advance(bulk, job)

    assert (ended.status, ended.failed, ended.error) == (JobStatus.FAILED, 3, None)


@pytest.mark.parametrize("manifest", [b"", b"\n \n"])
def test_a_manifest_without_samples_fails_its_job(manifest: bytes) -> None:
    bulk = Bulk()
    job = bulk.submit(manifest)

    ended = advance(bulk, job)

    assert (ended.status, ended.error.message) == (JobStatus.FAILED, "The manifest has no samples.")


def test_a_manifest_that_cant_be_read_fails_its_job() -> None:
    bulk, job = submitted()
    del bulk.manifests.objects[BUCKET, "acme/0.jsonl"]

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "unfetchable_url")


def test_a_manifest_that_is_replaced_while_it_is_planned_fails_its_job() -> None:
    bulk, job = submitted()
    bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 10)
    bulk.manifests.objects[BUCKET, "acme/0.jsonl"] = (to_line("1") * 10, "another etag")

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "unfetchable_url")


@pytest.mark.parametrize("spec", [None, b"{}", b"nonsense"])
def test_a_job_whose_spec_cant_be_read_fails(spec: bytes | None) -> None:
    bulk, job = submitted()
    key = f"bulk/acme/{job.id}/spec.json"
    if spec is None:
        del bulk.objects.objects[key]
    else:
        bulk.objects.objects[key] = spec

    ended = advance(bulk, job)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "internal_error")


def test_a_canceled_job_is_not_planned() -> None:
    bulk, job = submitted()
    bulk.store.save(bulk.store.get("acme", job.id).canceled(bulk.now))

    advance(bulk, job)

    assert bulk.span_queue.sent == []


def test_lost_messages_are_queued_again_after_a_time_without_progress() -> None:
    bulk, job = submitted(10)
    advance(bulk, job)
    bulk.worker.process(bulk.span_queue.sent.pop(1), lambda: 100)
    bulk.span_queue.sent.clear()

    bulk.now += bulk.rules.stuck_s - 1
    advance(bulk, job)
    assert numbers(bulk) == []
    bulk.now += 1
    advance(bulk, job)

    assert numbers(bulk) == [0, 2, 3, 4]


def test_a_job_that_makes_progress_is_left_alone() -> None:
    bulk, job = submitted(10)
    advance(bulk, job)
    bulk.now += bulk.rules.stuck_s + 10
    bulk.worker.process(bulk.span_queue.sent.pop(1), lambda: 100)
    bulk.span_queue.sent.clear()

    advance(bulk, job)

    assert numbers(bulk) == []


def test_the_pauses_of_a_job_that_waits_in_a_long_queue_double() -> None:
    bulk, job = submitted(10)
    advance(bulk, job)
    bulk.now += 1_000

    advance(bulk, job)

    assert bulk.store.get("acme", job.id).due_at == bulk.now + 1_000


def test_the_sweeper_has_a_job_planned_whose_message_was_lost() -> None:
    bulk, job = submitted()

    bulk.sweeper.sweep()

    assert bulk.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]
    assert bulk.store.get("acme", job.id).due_at == bulk.now + bulk.rules.stuck_s


def test_a_message_without_a_job_is_dropped() -> None:
    assert Bulk().planner.advance(PlanMessage(tenant_id="acme", job_id="0" * 32), lambda: 100) is None
