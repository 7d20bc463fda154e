"""Changes of stored jobs: a lost race is retried after random pauses that grow, a bounded number of times."""

from __future__ import annotations

import pytest

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.update import FIRST_PAUSE_S, MAX_ATTEMPTS, MAX_PAUSE_S, JobUpdater
from support.job_fixtures import Jobs


def start(job: Job) -> Job:
    return job.started(2_000)


def losing(jobs: Jobs) -> list[float]:
    """Let every write lose its race, and return the pauses."""
    jobs.store.save = lambda job, part=None: False
    pauses: list[float] = []
    job = jobs.submitted(1)
    with pytest.raises(Overloaded, match="being changed"):
        JobUpdater(store=jobs.store, sleep=pauses.append).update(job.tenant_id, job.id, start)
    return pauses


def test_pauses_are_random_within_a_bound_that_doubles() -> None:
    one, other = losing(Jobs()), losing(Jobs())

    assert one != other
    for pauses in (one, other):
        assert len(pauses) == MAX_ATTEMPTS
        assert all(0 <= pause <= min(MAX_PAUSE_S, FIRST_PAUSE_S * 2**lost) for lost, pause in enumerate(pauses))
        assert max(pauses) > FIRST_PAUSE_S


@pytest.mark.parametrize(("retry_when_busy", "attempts"), [(False, 1), (True, MAX_ATTEMPTS)])
def test_only_an_updater_with_retry_when_busy_retries_a_busy_table(retry_when_busy: bool, attempts: int) -> None:
    jobs = Jobs()
    job, calls = jobs.submitted(1), []

    def busy() -> None:
        calls.append(1)
        raise Overloaded("busy")

    jobs.store.before = busy
    with pytest.raises(Overloaded):
        JobUpdater(store=jobs.store, sleep=jobs.sleep, retry_when_busy=retry_when_busy).update(job.tenant_id, job.id, start)

    assert len(calls) == attempts
