"""Dead messages: their samples fail, so that the job ends."""

from __future__ import annotations

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import Span
from support.job_fixtures import ACME, Jobs, message


def test_a_dead_message_fails_its_remaining_samples_and_ends_the_job() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    dead, other = jobs.take(), jobs.take()
    jobs.worker.process(dead, lambda: 29)
    jobs.queue.sent.clear()
    jobs.worker.process(other, lambda: 100)

    part = jobs.dead_letters.fail(message(job_id=job.id, start=2, stop=4))

    assert part is not None
    assert part.span == Span(2, 4)
    answer = jobs.responder.respond(jobs.job(job), "l")
    assert answer.job.status is JobStatus.SUCCEEDED
    assert answer.predictions == ["even", "odd", None, None, "even", "odd", "even", "odd"]
    assert answer.errors is not None
    assert [(fault.index, fault.code) for fault in answer.errors] == [(2, "internal_error"), (3, "internal_error")]


def test_a_job_whose_messages_are_all_dead_fails() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    for _ in range(2):
        jobs.dead_letters.fail(jobs.take())

    assert (jobs.job(job).status, jobs.job(job).failed) == (JobStatus.FAILED, 8)


def test_a_dead_message_of_samples_with_results_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    dead = jobs.take()
    jobs.worker.process(dead, lambda: 100)
    ended = jobs.job(job)

    assert jobs.dead_letters.fail(dead) is None
    assert jobs.job(job) == ended


def test_a_dead_message_of_a_canceled_job_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.canceler.cancel(ACME, job.id)

    assert jobs.dead_letters.fail(jobs.take()) is None
