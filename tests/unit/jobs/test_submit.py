"""Submitting: a job is stored once and never lost, and an idempotency key stands for one job."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.errors import IdempotencyMismatch, NotFound, Overloaded
from pigeonhole.jobs.job import LEASE_S, IdempotencyClaim, IdempotencyKey, Job
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, ZETA, Jobs, job_id, request

KEY = IdempotencyKey("caller", "key-1", b"body")


def overloaded() -> None:
    raise Overloaded("busy")


def test_a_job_is_stored_and_queued_and_its_input_is_stored() -> None:
    jobs = Jobs()

    job = jobs.submitter.submit(request(10), tenant=ACME, log_id="log-1")

    assert (job.status, job.total, job.chunk_size, job.expires_at) == (JobStatus.QUEUED, 10, 4, 2_000)
    assert jobs.job(job) == job
    assert [(message.start, message.stop) for message in jobs.queue.sent] == [(0, 4), (4, 8), (8, 10)]
    job_input = decode_job_input(jobs.objects.objects[job_input_key("acme", job.id)])
    assert (job_input.request, job_input.log_id) == (request(10), "log-1")


def test_images_are_cut_into_chunks_of_their_own_size() -> None:
    jobs = Jobs()
    images = [{"type": "image", "value": f"https://example.com/{number}.png"} for number in range(3)]

    assert jobs.submitted(0, dataset=images).chunk_size == 2
    assert len(jobs.queue.sent) == 2


def test_a_message_holds_no_sample() -> None:
    jobs = Jobs()
    job = jobs.submitted(1)

    assert jobs.take().model_dump() == {
        "version": 1,
        "kind": "chunk",
        "tenant_id": "acme",
        "job_id": job.id,
        "start": 0,
        "stop": 1,
    }


def test_a_job_that_cannot_be_queued_is_stored_all_the_same() -> None:
    jobs = Jobs()
    jobs.queue.before = overloaded

    job = jobs.submitted(10)

    assert (jobs.job(job), job.queued_at) == (job, None)
    assert job.due_at == 1_060.0, "the sweeper checks it soon"


@pytest.mark.parametrize("broken", ["objects", "store"])
def test_a_job_that_cannot_be_stored_is_refused(broken: str) -> None:
    jobs = Jobs()
    getattr(jobs, broken).before = overloaded

    with pytest.raises(Overloaded):
        jobs.submitted(10)
    assert (jobs.store.jobs, jobs.queue.sent) == ({}, [])


def test_a_worker_that_is_faster_than_the_queueing_is_not_overwritten() -> None:
    jobs = Jobs()
    has_started = []

    def work_at_once() -> None:
        if not has_started:
            has_started.append(True)
            (job,) = jobs.store.jobs.values()
            assert jobs.store.save(job.started(jobs.now))

    jobs.queue.before = work_at_once
    job = jobs.submitted(4)

    assert (job.status, job.queued_at) == (JobStatus.PROCESSING, 1_000.0)


def test_a_job_that_ends_while_it_is_queued_stays_as_it_ended() -> None:
    jobs = Jobs()
    real = jobs.queue.send

    def send(messages: Any) -> None:
        real(messages)
        jobs.work()

    jobs.queue.send = send
    job = jobs.submitted(4)

    assert (job.status, job.queued_at, job.due_at) == (JobStatus.SUCCEEDED, None, 1_000 + LEASE_S)


def test_a_key_and_its_body_give_the_same_job() -> None:
    jobs = Jobs()
    first = jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)
    jobs.work()
    jobs.now += 24 * 3600 - 1

    again = jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)

    assert (again.id, again.status) == (first.id, JobStatus.SUCCEEDED)
    assert (len(jobs.store.jobs), jobs.queue.sent) == (1, [])


def test_a_key_with_another_body_is_refused() -> None:
    jobs = Jobs()
    jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)

    with pytest.raises(IdempotencyMismatch):
        jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=IdempotencyKey("caller", "key-1", b"other"))


def test_after_a_day_a_key_stands_for_a_new_job() -> None:
    jobs = Jobs()
    first = jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)
    jobs.now += 24 * 3600

    assert (
        jobs.submitter.submit(
            request(4), tenant=ACME, log_id="l", idempotency_key=IdempotencyKey("caller", "key-1", b"other")
        ).id
        != first.id
    )


def test_a_key_belongs_to_its_tenant() -> None:
    jobs = Jobs()
    first = jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)

    assert jobs.submitter.submit(request(4), tenant=ZETA, log_id="l", idempotency_key=KEY).id != first.id


def test_a_key_whose_job_has_expired_is_refused() -> None:
    jobs = Jobs()
    jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)
    jobs.store.jobs.clear()

    with pytest.raises(NotFound, match="Use a new key"):
        jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)


def test_senders_that_race_get_one_job() -> None:
    jobs, submitted, start = Jobs(), list[Job](), threading.Barrier(20)

    def send() -> None:
        start.wait()
        submitted.append(jobs.submitter.submit(request(10), tenant=ACME, log_id="l", idempotency_key=KEY))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(submitted) == 20
    assert len({job.id for job in submitted}) == len(jobs.store.jobs) == 1
    assert len(jobs.queue.sent) == 3


def test_a_table_that_is_writing_another_senders_job_is_retried() -> None:
    """While the first sender's transaction is under way, the table refuses the second one and shows no job."""
    jobs = Jobs()
    real, attempts = jobs.store.create, list[Job]()

    def create(job: Job, claim: IdempotencyClaim | None) -> bool:
        attempts.append(job)
        if len(attempts) == 2:
            assert real(winner, KEY.to_claim(winner))
        return False

    winner = replace(jobs.submitted(4), id=job_id(999_999))
    jobs.store.create = create

    assert jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY) == winner


def test_a_table_that_is_busy_throughout_refuses_a_job() -> None:
    jobs = Jobs()
    jobs.store.create = lambda job, claim: False

    with pytest.raises(Overloaded, match="The service is busy"):
        jobs.submitted(4)
    assert jobs.now - 1_000 < 15
