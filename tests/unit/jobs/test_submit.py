"""A job is taken once and never lost: what is kept, what is queued, and what an Idempotency-Key stands for."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.contract.jobs import MAX_WEBHOOK_URL_CHARS, JobStatus, Preference
from pigeonhole.errors import IdempotencyMismatch, InvalidRequest, NotFound, Overloaded
from pigeonhole.jobs.job import LEASE_S, IdempotencyClaim, IdempotencyKey, Job
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, HOOK, ZETA, Jobs, job_id, request

KEY = IdempotencyKey("caller", "key-1", b"body")


def overloaded() -> None:
    raise Overloaded("busy")


def test_a_job_is_written_queued_and_its_samples_are_kept() -> None:
    jobs = Jobs()

    job = jobs.submitter.submit(request(10), tenant=ACME, log_id="log-1")

    assert (job.status, job.total, job.chunk_size, job.expires_at) == (JobStatus.QUEUED, 10, 4, 2_000)
    assert jobs.job(job) == job
    assert [(it.start, it.stop) for it in jobs.queue.sent] == [(0, 4), (4, 8), (8, 10)]
    kept = decode_job_input(jobs.objects.objects[job_input_key("acme", job.id)])
    assert (kept.request, kept.log_id) == (request(10), "log-1")


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


def test_a_job_that_cannot_be_queued_is_taken_all_the_same() -> None:
    jobs = Jobs()
    jobs.queue.before = overloaded

    job = jobs.submitted(10)

    assert (jobs.job(job), job.queued_at) == (job, None)
    assert job.due_at == 1_060.0, "the sweep looks at it soon"


@pytest.mark.parametrize("broken", ["objects", "store"])
def test_a_job_that_cannot_be_kept_is_refused(broken: str) -> None:
    jobs = Jobs()
    getattr(jobs, broken).before = overloaded

    with pytest.raises(Overloaded):
        jobs.submitted(10)
    assert (jobs.store.jobs, jobs.queue.sent) == ({}, [])


def test_a_worker_that_is_faster_than_the_queueing_is_not_overwritten() -> None:
    jobs = Jobs()
    seen = []

    def work_at_once() -> None:
        if not seen:
            seen.append(True)
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


def test_a_key_is_its_tenants() -> None:
    jobs = Jobs()
    first = jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)

    assert jobs.submitter.submit(request(4), tenant=ZETA, log_id="l", idempotency_key=KEY).id != first.id


def test_a_key_whose_job_is_gone_says_so() -> None:
    jobs = Jobs()
    jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)
    jobs.store.jobs.clear()

    with pytest.raises(NotFound, match="Use a new key"):
        jobs.submitter.submit(request(4), tenant=ACME, log_id="l", idempotency_key=KEY)


def test_senders_that_race_get_one_job() -> None:
    jobs, found, start = Jobs(), list[Job](), threading.Barrier(20)

    def send() -> None:
        start.wait()
        found.append(jobs.submitter.submit(request(10), tenant=ACME, log_id="l", idempotency_key=KEY))

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 20
    assert len({job.id for job in found}) == len(jobs.store.jobs) == 1
    assert len(jobs.queue.sent) == 3


def test_a_table_that_is_writing_another_senders_job_is_asked_again() -> None:
    """Its transaction says no to the second while the first one's is under way, and shows neither."""
    jobs = Jobs()
    real, tries = jobs.store.create, list[Job]()

    def create(job: Job, claim: IdempotencyClaim | None) -> bool:
        tries.append(job)
        if len(tries) == 2:
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


def test_what_taking_a_job_takes_is_no_longer_waited_for() -> None:
    jobs = Jobs()
    real = jobs.objects.put

    def slowly(*args: Any) -> None:
        jobs.now += 5
        real(*args)

    jobs.objects.put = slowly
    service = jobs.classification()
    body = request(2).model_dump(exclude_none=True)

    assert service.submit_job(body, tenant=ACME, log_id="l", preference=Preference(wait_s=24)).status is JobStatus.QUEUED
    assert jobs.now == pytest.approx(1_024)


def test_the_body_of_a_job_is_held_to_the_limits_of_jobs() -> None:
    jobs = Jobs()
    service = jobs.classification(max_samples=5)
    body = request(5).model_dump(exclude_none=True)

    assert service.submit_job(body, tenant=ACME, log_id="l", preference=Preference()).total == 5
    with pytest.raises(InvalidRequest, match="1 to 5 samples"):
        service.submit_job(request(6).model_dump(exclude_none=True), tenant=ACME, log_id="l", preference=Preference())


@pytest.mark.parametrize("field", ["input"])
def test_what_a_job_cannot_have_yet_is_refused_and_not_ignored(field: str) -> None:
    body = request(2).model_dump(exclude_none=True) | {field: "x"}

    jobs = Jobs()
    with pytest.raises(InvalidRequest, match=field):
        jobs.classification().submit_job(body, tenant=ACME, log_id="l", preference=Preference())
    assert jobs.store.jobs == {}


def submit_body(jobs: Jobs, **more: object) -> Job:
    body = request(2).model_dump(exclude_none=True) | more
    return jobs.classification().submit_job(body, tenant=ACME, log_id="l", preference=Preference())


def test_a_jobs_webhook_is_kept_with_it_and_not_with_its_samples() -> None:
    jobs = Jobs()

    job = submit_body(jobs, webhook_url=HOOK)

    assert job.webhook == Webhook(HOOK)
    assert HOOK.encode() not in jobs.objects.objects[job_input_key("acme", job.id)]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "must not be empty"),
        ("http://acme.example.com/hook", "its scheme is not allowed; use https://"),
        ("ftp://acme.example.com/hook", "its scheme is not allowed; use https://"),
        ("https://me:secret@acme.example.com/hook", "user name or password"),
        ("https://acme.example.com:8443/hook", "port"),
        ("https://acme.example.com:99999/hook", "valid host and port"),
        ("https://[::1/hook", "valid host and port"),
        ("https:///hook", "not a host name"),
        ("https://localhost/hook", "not a public name"),
        ("https://intranet/hook", "not a public name"),
        ("https://127.0.0.1/hook", "on the public internet"),
        ("https://169.254.169.254/latest/meta-data", "on the public internet"),
        ("https://[fd00:ec2::254]/", "on the public internet"),
        ("https://0x7f.1/", "its host is a number"),
        ("https://[v1.x]/", "only around an IPv6 address"),
        ("https://acme.example.com/a hook", "printable ASCII"),
        ("https://acme.example.com/h\u00f6\u00f6k", "printable ASCII"),
        ("https://acme.example.com\\@evil.example.com/", "backslash"),
        ("https://acme.example.com/" + "x" * MAX_WEBHOOK_URL_CHARS, "at most 2000 characters"),
    ],
)
def test_a_webhook_that_could_never_be_told_is_refused_at_once(url: str, said: str) -> None:
    jobs = Jobs()

    with pytest.raises(InvalidRequest) as refused:
        submit_body(jobs, webhook_url=url)

    assert [fault.path for fault in refused.value.details] == ["webhook_url"]
    assert said in refused.value.message
    assert jobs.store.jobs == {}


def test_a_webhooks_fault_is_told_with_all_others() -> None:
    with pytest.raises(InvalidRequest) as refused:
        submit_body(Jobs(), webhook_url="http://x", labels=[])

    assert {fault.path for fault in refused.value.details} == {"webhook_url", "labels"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/hook", "http://localhost/hook", "https://127.0.0.1/"])
def test_the_local_stack_takes_this_machines_addresses(url: str) -> None:
    jobs = Jobs()
    service = jobs.classification(local_webhooks=True)
    body = request(2).model_dump(exclude_none=True) | {"webhook_url": url}

    assert service.submit_job(body, tenant=ACME, log_id="l", preference=Preference()).webhook == Webhook(url)
    with pytest.raises(InvalidRequest):
        service.submit_job(body | {"webhook_url": "http://10.0.0.1/"}, tenant=ACME, log_id="l", preference=Preference())
