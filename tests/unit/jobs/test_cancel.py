"""Canceling a job: it ends at once, without results, and only its own tenant can cancel it."""

from __future__ import annotations

import pytest

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.errors import JobFinished, NotFound
from support.job_fixtures import ACME, ZETA, Jobs


def test_a_canceled_job_has_ended_and_has_no_results() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    jobs.worker.process(jobs.take(), lambda: 100)

    canceled = jobs.canceler.cancel(ACME, job.id)

    assert (canceled.status, canceled.finished_at) == (JobStatus.CANCELED, 1_000.0)
    assert jobs.responder.respond(jobs.job(job), "l").predictions is None
    jobs.work()
    assert jobs.job(job) == canceled


def test_a_job_that_has_ended_cannot_be_canceled() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.work()

    with pytest.raises(JobFinished, match="succeeded"):
        jobs.canceler.cancel(ACME, job.id)


def test_another_tenants_job_cannot_be_canceled() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    with pytest.raises(NotFound):
        jobs.canceler.cancel(ZETA, job.id)
    assert jobs.job(job).status is JobStatus.QUEUED
