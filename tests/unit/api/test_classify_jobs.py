"""`POST /v1/classification/jobs`: the body, its limits, its webhook, and waiting for the job."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.jobs import JobStatus, Preference
from pigeonhole.errors import InvalidRequest
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.object_keys import job_input_key
from support.job_fixtures import ACME, HOOK, Jobs, request


def test_the_time_that_submitting_takes_is_part_of_the_wait() -> None:
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


def submit_body(jobs: Jobs, **more: object) -> Job:
    body = request(2).model_dump(exclude_none=True) | more
    return jobs.classification().submit_job(body, tenant=ACME, log_id="l", preference=Preference())


def test_the_webhook_is_stored_with_the_job_and_not_with_its_samples() -> None:
    jobs = Jobs()

    job = submit_body(jobs, webhook_url=HOOK)

    assert job.webhook == Webhook(HOOK)
    assert HOOK.encode() not in jobs.objects.objects[job_input_key("acme", job.id)]


def test_a_webhook_that_could_never_be_reached_is_refused_at_once() -> None:
    jobs = Jobs()

    with pytest.raises(InvalidRequest, match="on the public internet") as refused:
        submit_body(jobs, webhook_url="https://127.0.0.1/hook")

    assert [fault.path for fault in refused.value.details] == ["webhook_url"]
    assert jobs.store.jobs == {}


def test_the_fault_of_a_webhook_is_reported_with_all_others() -> None:
    with pytest.raises(InvalidRequest) as refused:
        submit_body(Jobs(), webhook_url="http://x", labels=[])

    assert {fault.path for fault in refused.value.details} == {"webhook_url", "labels"}


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/hook", "http://localhost/hook", "https://127.0.0.1/"])
def test_the_local_stack_accepts_addresses_of_this_machine(url: str) -> None:
    jobs = Jobs()
    service = jobs.classification(local_webhooks=True)
    body = request(2).model_dump(exclude_none=True) | {"webhook_url": url}

    assert service.submit_job(body, tenant=ACME, log_id="l", preference=Preference()).webhook == Webhook(url)
    with pytest.raises(InvalidRequest):
        service.submit_job(body | {"webhook_url": "http://10.0.0.1/"}, tenant=ACME, log_id="l", preference=Preference())
