"""Dead messages: their samples fail, so that the job ends. Messages that no worker has attempted are queued again."""

from __future__ import annotations

import pytest

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.dead_letters import MAX_AGE_S, MIN_RETRIES, DeadLetterOutcome
from pigeonhole.jobs.submit import JobRules
from support.job_fixtures import ACME, Jobs, message


def attempted(jobs: Jobs, dead: ChunkMessage, *, retries: int) -> ChunkMessage:
    """Record attempts at a redelivered message, as its workers do."""
    for _ in range(retries):
        jobs.store.add_attempt(jobs.store.get("acme", dead.job_id), Span(dead.start, dead.stop))
    return dead


def test_a_dead_message_fails_its_remaining_samples_and_ends_the_job() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    dead, other = jobs.take(), jobs.take()
    jobs.worker.process(dead, lambda: 29)
    jobs.queue.sent.clear()
    jobs.worker.process(other, lambda: 100)

    part = jobs.abandon(message(job_id=job.id, start=2, stop=4))

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
        jobs.abandon(jobs.take())

    assert (jobs.job(job).status, jobs.job(job).failed) == (JobStatus.FAILED, 8)


@pytest.mark.parametrize("retries", range(MIN_RETRIES))
def test_a_dead_message_that_too_few_workers_have_attempted_is_queued_again(retries: int) -> None:
    """Deliveries for which Lambda had no room for a worker count for SQS."""
    jobs = Jobs()
    job = jobs.submitted(4)
    dead = attempted(jobs, jobs.take(), retries=retries)

    assert jobs.dead_letters.handle(dead) == DeadLetterOutcome(is_queued_again=True)

    assert jobs.queue.sent == [dead]
    jobs.work()
    assert (jobs.job(job).status, jobs.job(job).succeeded) == (JobStatus.SUCCEEDED, 4)


def test_a_dead_message_without_an_attempt_fails_a_day_after_its_job_was_submitted() -> None:
    jobs = Jobs(rules=JobRules(text_chunk=4, image_chunk=2, keep_s=2 * MAX_AGE_S, stuck_s=300))
    job = jobs.submitted(4)
    dead = jobs.take()
    jobs.now += MAX_AGE_S

    outcome = jobs.dead_letters.handle(dead)

    assert not outcome.is_queued_again
    assert (jobs.job(job).status, jobs.job(job).failed) == (JobStatus.FAILED, 4)


def test_a_job_that_is_kept_for_a_day_ends_while_it_can_be_read() -> None:
    jobs = Jobs(rules=JobRules(text_chunk=4, image_chunk=2, keep_s=MAX_AGE_S, stuck_s=300))
    job = jobs.submitted(4)
    dead = jobs.take()
    jobs.now += MAX_AGE_S / 2

    assert not jobs.dead_letters.handle(dead).is_queued_again
    assert jobs.job(job).status == JobStatus.FAILED


def test_a_dead_message_of_samples_with_results_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    dead = jobs.take()
    jobs.worker.process(dead, lambda: 100)
    ended = jobs.job(job)

    assert jobs.dead_letters.handle(dead) == DeadLetterOutcome()
    assert jobs.job(job) == ended


def test_a_dead_message_of_a_canceled_job_changes_nothing() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.canceler.cancel(ACME, job.id)

    assert jobs.dead_letters.handle(jobs.take()) == DeadLetterOutcome()
