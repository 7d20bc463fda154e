"""What a crash left half done is finished: jobs that were never queued, messages that are gone, messages that are dead."""

from __future__ import annotations

from jobs_made import ACME, Jobs, message
from pigeonhole.errors import Overloaded
from pigeonhole.jobs import Span, Status
from pigeonhole.use_cases.sweep import Swept


def crash() -> None:
    raise Overloaded("gone")


def never_queued(jobs: Jobs, count: int = 10) -> object:
    jobs.queue.before = crash
    job = jobs.submitted(count)
    jobs.queue.before = lambda: None
    jobs.queue.sent.clear()
    return job


def test_a_job_that_was_written_and_not_queued_is_queued_after_a_minute() -> None:
    jobs = Jobs()
    never_queued(jobs)

    jobs.now += 59
    assert jobs.sweep() == Swept(due=0, queued=0)
    jobs.now += 1
    assert jobs.sweep() == Swept(due=1, queued=1)
    assert jobs.sweep() == Swept(due=0, queued=0)

    jobs.work()
    (job,) = jobs.store.jobs.values()
    assert (job.status, job.succeeded, job.queued_at) == (Status.SUCCEEDED, 10, 1_060.0)


def test_a_job_that_stands_still_has_its_open_spans_queued_again() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.process(jobs.take(), lambda: 29)  # two of the first four
    jobs.queue.sent.clear()  # and every message is gone

    jobs.now += jobs.rules.stuck_s
    assert jobs.sweep() == Swept(due=1, queued=1)

    assert [Span(it.start, it.stop) for it in jobs.queue.sent] == [Span(2, 4), Span(4, 8), Span(8, 10)]
    jobs.work()
    assert (jobs.job(job).status, jobs.job(job).succeeded) == (Status.SUCCEEDED, 10)


def test_a_job_that_goes_on_is_left_alone() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.now += jobs.rules.stuck_s - 1
    jobs.process(jobs.take(), lambda: 100)
    jobs.queue.sent.clear()
    jobs.now += 1

    assert jobs.sweep() == Swept(due=1, queued=0)
    assert jobs.queue.sent == []
    assert jobs.job(job).due_at == jobs.now + jobs.rules.stuck_s


def test_one_job_that_cannot_be_looked_after_holds_up_no_other() -> None:
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
    assert jobs.sweep() == Swept(due=2, queued=1)
    assert jobs.sweep() == Swept(due=1, queued=1)


def test_a_job_that_ended_meanwhile_is_taken_off_the_agenda() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.now += jobs.rules.stuck_s
    due = jobs.store.due(jobs.now, 10)
    jobs.work()
    jobs.store.due = lambda now, limit: due  # type: ignore[method-assign]  # what an index that lags would say

    jobs.sweep()
    assert (jobs.job(job).due_at, jobs.job(job).status) == (None, Status.SUCCEEDED)


def test_a_dead_message_fails_what_is_left_of_its_samples_and_the_job_ends() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    dead, other = jobs.take(), jobs.take()
    jobs.process(dead, lambda: 29)
    jobs.queue.sent.clear()
    jobs.process(other, lambda: 100)

    part = jobs.fail_dead(message(job_id=job.id, start=2, stop=4))

    assert part is not None
    assert part.span == Span(2, 4)
    answer = jobs.read.shown(jobs.job(job), "l")
    assert answer.job.status is Status.SUCCEEDED
    assert answer.predictions == ["even", "odd", None, None, "even", "odd", "even", "odd"]
    assert answer.errors is not None
    assert [(fault.index, fault.code) for fault in answer.errors] == [(2, "internal_error"), (3, "internal_error")]


def test_a_job_none_of_whose_messages_could_be_worked_on_failed() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    for _ in range(2):
        jobs.fail_dead(jobs.take())

    assert (jobs.job(job).status, jobs.job(job).failed) == (Status.FAILED, 8)


def test_a_dead_message_of_samples_that_are_done_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    dead = jobs.take()
    jobs.process(dead, lambda: 100)
    ended = jobs.job(job)

    assert jobs.fail_dead(dead) is None
    assert jobs.job(job) == ended


def test_a_dead_message_of_a_canceled_job_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.cancel(ACME, job.id)

    assert jobs.fail_dead(jobs.take()) is None
