"""The worker: a message is processed once, however often it is delivered, whatever fails or crashes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, S3Grant
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.spans import Span
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded, UnfetchableUrl, UnreadableImage
from pigeonhole.jobs.submit import JobRules
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, BAD, Jobs, even_or_odd, message, request


def predictions(jobs: Jobs, of: Any) -> list[Any]:
    answer = jobs.responder.respond(jobs.job(of), "l")
    assert answer.predictions is not None
    return answer.predictions


EVEN_ODD = ["even", "odd"] * 5


def test_the_last_of_a_jobs_messages_ends_it() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)

    jobs.worker.process(jobs.take(), lambda: 100)
    assert (jobs.job(job).status, jobs.job(job).processed) == (JobStatus.PROCESSING, 4)
    jobs.work()

    ended = jobs.job(job)
    assert (ended.status, ended.succeeded, ended.failed, ended.finished_at) == (JobStatus.SUCCEEDED, 10, 0, 1_000.0)
    assert predictions(jobs, job) == EVEN_ODD


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 1, 0, 2, 0], [0, 0, 0, 1, 1, 1, 2, 2, 2]])
def test_messages_may_be_delivered_in_any_order_and_twice(order: list[int]) -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    messages = [jobs.take() for _ in range(3)]

    for number in order:
        jobs.worker.process(messages[number], lambda: 100)

    ended = jobs.job(job)
    assert (ended.status, ended.succeeded, ended.failed) == (JobStatus.SUCCEEDED, 10, 0)
    assert predictions(jobs, job) == EVEN_ODD
    assert [part.span for part in jobs.store.list_parts("acme", job.id)] == job.chunks()


def test_a_bad_sample_fails_no_other() -> None:
    jobs = Jobs()
    dataset = [{"type": "text", "value": value} for value in ("0", BAD, "2", "3", "4", BAD)]
    job = jobs.submitted(0, dataset=dataset, on_error="fail")
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert answer.predictions == ["even", None, "even", "odd", "even", None]
    assert answer.errors is not None
    assert [(fault.index, fault.code) for fault in answer.errors] == [(1, "unreadable_image"), (5, "unreadable_image")]
    assert (answer.job.status, answer.job.progress.succeeded, answer.job.progress.failed) == (JobStatus.SUCCEEDED, 4, 2)


def test_a_job_without_any_prediction_fails() -> None:
    jobs = Jobs()
    job = jobs.submitted(0, dataset=[{"type": "text", "value": BAD}] * 6)
    jobs.work()

    assert jobs.job(job).status is JobStatus.FAILED
    assert predictions(jobs, job) == [None] * 6


def test_a_label_that_cannot_be_read_fails_every_sample_and_is_not_retried() -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        raise UnreadableImage("labels.0.value: truncated")

    jobs = Jobs(run=run)
    job = jobs.submitted(6)
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert answer.job.status is JobStatus.FAILED
    assert answer.errors is not None
    assert [fault.index for fault in answer.errors] == list(range(6))
    assert {(fault.code, fault.message) for fault in answer.errors} == {("unreadable_image", "labels.0.value: truncated")}


@pytest.mark.parametrize(("failures", "status"), [(1, JobStatus.SUCCEEDED), (2, JobStatus.FAILED)])
def test_a_label_whose_host_does_not_answer_is_fetched_once_more(failures: int, status: JobStatus) -> None:
    left = iter([True] * failures)

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if next(left, False):
            raise UnfetchableUrl("labels.0.value: no answer in time")
        return even_or_odd(command, should_continue=should_continue)

    jobs = Jobs(run=run)
    job = jobs.submitted(2)
    jobs.work()

    assert jobs.job(job).status is status


@pytest.mark.parametrize(
    ("left", "said"),
    [(None, "have expired"), (b"", "another version"), (b"{}", "another version"), (b"no json", "another version")],
)
def test_samples_whose_input_is_missing_or_unreadable_fail_and_are_not_retried(left: bytes | None, said: str) -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    del jobs.objects.objects[job_input_key("acme", job.id)]
    if left is not None:
        jobs.objects.objects[job_input_key("acme", job.id)] = left
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert answer.job.status is JobStatus.FAILED
    assert answer.errors is not None
    assert said in answer.errors[0].message


def test_a_worker_that_runs_out_of_time_stores_its_results_and_queues_the_rest() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    (part,) = jobs.worker.process(jobs.take(), lambda: 29)

    assert part.span == Span(0, 2)
    assert jobs.job(job).processed == 2
    assert [(queued.start, queued.stop) for queued in jobs.queue.sent] == [(2, 4)]
    jobs.work(time_left_s=29)
    assert jobs.job(job).status is JobStatus.SUCCEEDED
    assert predictions(jobs, job) == EVEN_ODD[:4]


def test_a_group_is_begun_only_if_there_is_time_for_one_like_the_last() -> None:
    jobs = Jobs()
    jobs.submitted(4)
    left = iter([120.0, 40.0])  # the first two samples took 80 s: two more would not end in 40

    (part,) = jobs.worker.process(jobs.take(), lambda: next(left))

    assert part.span == Span(0, 2)


def test_a_busy_table_does_not_stop_a_worker_between_two_groups() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    real, is_busy = jobs.store.get, iter([False, True])

    def get(tenant_id: str, job_id: str) -> Any:
        if next(is_busy, False):
            raise Overloaded("busy")
        return real(tenant_id, job_id)

    jobs.store.get = get
    jobs.worker.process(jobs.take(), lambda: 100)

    assert jobs.job(job).succeeded == 4


def test_a_worker_stops_once_its_job_is_canceled_and_stores_nothing() -> None:
    jobs = Jobs()
    begun: list[int] = []

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        jobs.canceler.cancel(ACME, job.id)
        result = even_or_odd(command, should_continue=should_continue)
        begun.append(len(result.predictions))
        return result

    jobs.run = run
    job = jobs.submitted(4)
    assert jobs.worker.process(jobs.take(), lambda: 100) == []

    assert (begun, jobs.store.list_parts("acme", job.id), jobs.queue.sent) == ([2], [], [])
    assert (jobs.job(job).status, jobs.job(job).processed) == (JobStatus.CANCELED, 0)


def test_a_message_of_a_job_that_has_ended_is_dropped() -> None:
    jobs = Jobs(run=lambda *_, **__: pytest.fail("nothing must be classified"))
    job = jobs.submitted(4)
    jobs.canceler.cancel(ACME, job.id)

    assert jobs.worker.process(jobs.take(), lambda: 100) == []


def test_a_message_of_no_job_or_beyond_its_samples_is_dropped() -> None:
    jobs = Jobs(run=lambda *_, **__: pytest.fail("nothing must be classified"))
    job = jobs.submitted(4)

    assert jobs.worker.process(message(), lambda: 100) == []
    assert jobs.worker.process(message(job_id=job.id, start=0, stop=5), lambda: 100) == []
    assert jobs.worker.process(message(job_id=job.id, tenant_id="zeta"), lambda: 100) == []


def test_a_label_is_not_fetched_once_more_when_there_is_no_time() -> None:
    fetches: list[int] = []

    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        fetches.append(1)
        raise UnfetchableUrl("labels.0.value: no answer in time")

    jobs = Jobs(run=run)
    jobs.submitted(2)
    jobs.work(time_left_s=29)

    assert fetches == [1]


def crashing_at(index: int) -> Callable[..., ChunkResult]:
    """Make a classifier that the sample of this index crashes, whatever samples are beside it."""

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if command.first_index <= index < command.first_index + len(command.request.dataset):
            raise MemoryError
        return even_or_odd(command, should_continue=should_continue)

    return run


def test_a_sample_that_crashes_each_worker_does_not_fail_those_before_it() -> None:
    jobs = Jobs(run=crashing_at(70), rules=JobRules(text_chunk=128))
    job = jobs.submitted(128)
    chunk = jobs.take()
    done = []

    for deliveries in (1, 2, 3):
        with pytest.raises(MemoryError):
            jobs.worker.process(chunk, lambda: 100, deliveries=deliveries, is_last_delivery=deliveries == 3)
        done.append(jobs.job(job).processed)
    jobs.dead_letters.handle(chunk)

    assert done == [0, 64, 70], "in pieces of 128, of 16 and of 2"
    answer = jobs.responder.respond(jobs.job(job), "l")
    assert (answer.job.progress.succeeded, answer.job.progress.failed) == (70, 58)
    assert jobs.redriver.redrive("acme", job.id).samples == list(range(70, 128))


def test_deliveries_that_reached_no_worker_make_the_pieces_no_smaller() -> None:
    jobs = Jobs(rules=JobRules(text_chunk=64))
    jobs.submitted(64)

    parts = jobs.worker.process(jobs.take(), lambda: 100, deliveries=5)

    assert [len(part.span) for part in parts] == [8] * 8, "as at the first attempt after one that may have crashed"


def test_a_redelivered_message_is_processed_in_pieces() -> None:
    jobs = Jobs(rules=JobRules(text_chunk=20))
    job = jobs.submitted(20)

    read: list[str] = []
    real = jobs.objects.get
    jobs.objects.get = lambda key: (read.append(key), real(key))[1]
    parts = jobs.worker.process(jobs.take(), lambda: 100, deliveries=2)

    assert [len(part.span) for part in parts] == [2] * 10
    assert read == [job_input_key("acme", job.id)], "the input is read once for all pieces"
    assert jobs.job(job).status is JobStatus.SUCCEEDED
    assert predictions(jobs, job) == EVEN_ODD * 2
    assert jobs.queue.sent == []


def test_the_rest_of_a_redelivered_message_is_queued_when_time_is_up_between_two_pieces() -> None:
    jobs = Jobs(rules=JobRules(text_chunk=20))
    job = jobs.submitted(20)
    left = iter([100.0, 90.0, 29.0])

    parts = jobs.worker.process(jobs.take(), lambda: next(left), deliveries=2)

    assert [part.span for part in parts] == [Span(0, 2), Span(2, 4)]
    assert [(queued.start, queued.stop) for queued in jobs.queue.sent] == [(4, 20)]
    jobs.work()
    assert predictions(jobs, job) == EVEN_ODD * 2


def test_a_stored_sample_is_not_held_to_later_limits() -> None:
    jobs = Jobs()
    job = jobs.submitted(0, dataset=[{"type": "text", "value": " " * 7_999 + "0"}])
    key = job_input_key("acme", job.id)
    jobs.objects.objects[key] = jobs.objects.objects[key].replace(b" " * 7_999, b" " * 20_000)
    jobs.work()

    assert jobs.job(job).status is JobStatus.SUCCEEDED


def test_a_withdrawn_grant_is_withdrawn_from_queued_jobs() -> None:
    jobs = Jobs()
    granted: list[tuple[S3Grant, ...]] = []

    def run(command: ClassifyCommand, **more: Any) -> ChunkResult:
        granted.append(command.grants)
        return even_or_odd(command, **more)

    jobs.run = run
    grant = S3Grant(bucket="photos", prefix="acme/")
    jobs.tenants.tenants["acme"] = replace(ACME, grants=(grant,))
    jobs.submitted(8)
    jobs.worker.process(jobs.take(), lambda: 100)
    jobs.tenants.tenants["acme"] = ACME
    jobs.worker.process(jobs.take(), lambda: 100)

    assert granted == [(grant,), ()]


def test_a_part_that_a_newer_version_stored_is_read() -> None:
    jobs = Jobs()
    job = jobs.submitted(2)
    jobs.work()
    (part,) = jobs.store.list_parts("acme", job.id)
    stored = json.loads(gzip.decompress(part.data))
    newer = stored | {"news": 1, "result": stored["result"] | {"news": 2}}
    jobs.store.parts_by_job["acme", job.id] = {0: replace(part, data=gzip.compress(json.dumps(newer).encode()))}

    assert predictions(jobs, job) == EVEN_ODD[:2]


def find_requested_versions(values: list[str], uploads: list[UploadedFile]) -> list[dict[str, str]]:
    """Submit a job of images, two per chunk, and return the versions that each chunk's command has."""
    versions: list[dict[str, str]] = []

    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        versions.append(command.versions)
        return ChunkResult(
            predictions=[["even"]] * len(command.request.dataset), input_tokens=1, output_tokens=1, inference_ms=1
        )

    jobs = Jobs(run=run)
    dataset = [{"type": "image", "value": value} for value in values]
    jobs.submitter.submit(request(0, dataset=dataset), tenant=ACME, log_id="l", uploads=uploads)
    jobs.work()
    return versions


def upload(name: str, version_id: str | None, **more: Any) -> UploadedFile:
    return UploadedFile(key=f"incoming/acme/pets/{name}", version_id=version_id, sequencer="1", size=1, **more)


def test_each_image_of_a_chunk_is_read_in_the_version_that_was_uploaded() -> None:
    uploads = [
        upload("0.jpg", "v0"),
        upload("1.jpg", "v1"),
        upload("2.jpg", None),
        upload("3 ü.jpg", "v3"),
        upload("4", "v4"),
    ]
    values = [f"s3://uploads/{file.key}" for file in uploads]

    assert find_requested_versions(values, uploads) == [
        {values[0]: "v0", values[1]: "v1"},
        {values[3]: "v3"},
        {values[4]: "v4"},
    ]


def test_images_that_a_jsonl_file_names_are_read_in_their_newest_version() -> None:
    values = [f"s3://uploads/incoming/acme/pets/{number}.jpg" for number in range(3)]

    assert find_requested_versions(values, [upload("a.jsonl", "v1", samples=3, is_lines=True)]) == [{}, {}]


def test_images_of_a_request_have_no_version() -> None:
    assert find_requested_versions(["s3://photos/acme/0.jpg"], []) == [{}]


def test_the_last_delivery_does_not_wait_for_an_image_that_s3_is_too_busy_to_give() -> None:
    jobs = Jobs()
    jobs.submitted(4)
    retries: list[bool] = []

    def run(command: ClassifyCommand, **more: Any) -> ChunkResult:
        retries.append(command.will_be_retried)
        if command.will_be_retried:
            raise Overloaded()
        return even_or_odd(command, **more)

    jobs.run = run
    chunk = jobs.take()
    with pytest.raises(Overloaded):
        jobs.worker.process(chunk, lambda: 100)
    (part,) = jobs.worker.process(chunk, lambda: 100, is_last_delivery=True)

    assert retries == [True, False]
    assert part.succeeded == 4
