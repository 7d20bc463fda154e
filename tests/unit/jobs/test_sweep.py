"""The sweep: jobs that were never queued or lost their messages are queued, and no job delays another."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import LEASE_S, Job, NotificationStatus
from pigeonhole.jobs.ports import DueJobs
from pigeonhole.jobs.sweep import PAGE_SIZE, STOP_AFTER_S, SweepSummary
from support.job_fixtures import Jobs


def crash() -> None:
    raise Overloaded("gone")


def never_queued(jobs: Jobs, count: int = 10) -> Job:
    jobs.queue.before = crash
    job = jobs.submitted(count)
    jobs.queue.before = lambda: None
    jobs.queue.sent.clear()
    return job


def test_a_job_that_was_stored_and_not_queued_is_queued_after_a_minute() -> None:
    jobs = Jobs()
    never_queued(jobs)

    jobs.now += 59
    assert jobs.sweeper.sweep() == SweepSummary(due=0, queued=0)
    jobs.now += 1
    assert jobs.sweeper.sweep() == SweepSummary(due=1, queued=1)
    assert jobs.sweeper.sweep() == SweepSummary(due=0, queued=0)

    jobs.work()
    (job,) = jobs.store.jobs.values()
    assert (job.status, job.succeeded, job.queued_at) == (JobStatus.SUCCEEDED, 10, 1_060.0)


def test_the_remaining_spans_of_a_job_without_progress_are_queued_again() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.worker.process(jobs.take(), lambda: 29)  # two of the first four samples
    jobs.queue.sent.clear()  # every message is lost

    jobs.now += jobs.rules.stuck_s
    assert jobs.sweeper.sweep() == SweepSummary(due=1, queued=1)

    assert [Span(message.start, message.stop) for message in jobs.queue.sent] == [Span(2, 4), Span(4, 8), Span(8, 10)]
    jobs.work()
    assert (jobs.job(job).status, jobs.job(job).succeeded) == (JobStatus.SUCCEEDED, 10)


def test_a_job_that_makes_progress_is_not_queued_again() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.now += jobs.rules.stuck_s - 1
    jobs.worker.process(jobs.take(), lambda: 100)
    jobs.queue.sent.clear()
    jobs.now += 1

    assert jobs.sweeper.sweep() == SweepSummary(due=1, queued=0)
    assert jobs.queue.sent == []
    assert jobs.job(job).due_at == jobs.job(job).updated_at + jobs.rules.stuck_s


def test_a_job_that_waits_in_a_long_queue_is_queued_again_after_pauses_that_double() -> None:
    jobs = Jobs()
    jobs.submitted(4)
    began, queued = jobs.now, []
    while jobs.now < began + 16 * jobs.rules.stuck_s:
        jobs.now += jobs.rules.stuck_s
        if jobs.sweeper.sweep().queued:
            queued.append((jobs.now - began) / jobs.rules.stuck_s)

    assert queued == [1, 2, 4, 8, 16]


def test_a_job_that_cannot_be_checked_delays_no_other() -> None:
    jobs = Jobs()
    never_queued(jobs)
    jobs.now += 1
    never_queued(jobs)
    jobs.now += 60
    calls = iter([True])

    def fail_once() -> None:
        if next(calls, False):
            crash()

    jobs.queue.before = fail_once
    assert jobs.sweeper.sweep() == SweepSummary(due=2, queued=1, failed=1)
    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, queued=1)


def test_jobs_that_time_out_in_one_run_do_not_use_up_the_next() -> None:
    jobs = Jobs()
    for _ in range(5):
        never_queued(jobs, 1)
    jobs.now += 1
    ended = jobs.submitted(1)
    jobs.work()  # its end is in the stream, which is not read here
    jobs.now += LEASE_S

    def time_out() -> None:
        jobs.now += STOP_AFTER_S / 2
        crash()

    jobs.queue.before = time_out
    for _ in range(3):
        jobs.sweeper.sweep()

    assert jobs.store.stream.count((ended.tenant_id, ended.id)) == 2, "its notification is pending again"


def test_an_ended_job_that_a_stale_index_lists_is_not_changed() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.now += jobs.rules.stuck_s
    jobs.work()
    # as a stale index would list it
    jobs.store.list_due = lambda now, limit, start: DueJobs([jobs.job(job)], [], None)  # type: ignore[method-assign]
    before = jobs.job(job)

    assert jobs.sweeper.sweep() == SweepSummary(due=1)
    assert (jobs.queue.sent, jobs.job(job)) == ([], before)


def test_a_job_that_ends_while_it_is_checked_is_left_to_its_notifier() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.now += jobs.rules.stuck_s
    real = jobs.queue.send

    def send(messages: object) -> None:
        jobs.queue.send = real
        jobs.work()

    jobs.queue.send = send  # type: ignore[method-assign]
    jobs.sweeper.sweep()

    assert jobs.job(job).notification is NotificationStatus.PENDING
    assert jobs.job(job).due_at == jobs.now + LEASE_S


def test_more_jobs_than_one_page_has_are_all_checked() -> None:
    jobs = Jobs()
    for _ in range(PAGE_SIZE + 5):
        never_queued(jobs, 1)
    jobs.now += 60

    assert jobs.sweeper.sweep() == SweepSummary(due=PAGE_SIZE + 5, queued=PAGE_SIZE + 5)


def test_a_sweep_ends_when_its_time_is_up() -> None:
    jobs = Jobs()
    for _ in range(3 * PAGE_SIZE):
        never_queued(jobs, 1)
    jobs.now += 60

    def slowly() -> None:
        jobs.now += 1

    jobs.queue.before = slowly
    assert jobs.sweeper.sweep().queued == STOP_AFTER_S


@pytest.mark.parametrize("trouble", [Overloaded("busy"), RuntimeError("a fault of ours"), ValueError("a record")])
def test_jobs_that_cannot_be_checked_delay_no_other_and_are_reported(trouble: Exception) -> None:
    jobs = Jobs()
    bad = [never_queued(jobs, 1) for _ in range(PAGE_SIZE + 1)]
    good = never_queued(jobs, 2)
    jobs.now += 60
    real = jobs.queue.send
    reported: list[tuple[str, Exception | None]] = []

    def send(messages: Sequence[ChunkMessage]) -> None:
        if messages[0].job_id != good.id:
            raise trouble
        real(messages)

    jobs.queue.send = send  # type: ignore[method-assign]

    assert jobs.sweeper.sweep(lambda job_id, error: reported.append((job_id, error))) == SweepSummary(
        due=PAGE_SIZE + 2, queued=1, failed=PAGE_SIZE + 1
    )
    assert {job_id for job_id, _ in reported} == {job.id for job in bad}
    assert {error for _, error in reported} == {trouble}
    assert jobs.job(good).queued_at is not None


def test_a_stored_job_that_cannot_be_read_is_reported() -> None:
    jobs = Jobs()
    jobs.store.list_due = lambda now, limit, start: DueJobs([], ["bad"], None)  # type: ignore[method-assign]
    reported: list[tuple[str, Exception | None]] = []

    assert jobs.sweeper.sweep(lambda job_id, error: reported.append((job_id, error))) == SweepSummary(due=1, failed=1)
    assert reported == [("bad", None)]
