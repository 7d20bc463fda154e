"""A change of a job is tried again where others were faster, after pauses that grow and differ; and given up in time."""

from __future__ import annotations

import pytest

from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.update import FIRST_PAUSE_S, LONGEST_PAUSE_S, TRIES, JobUpdater
from support.job_fixtures import Jobs


def start(job: Job) -> Job:
    return job.started(2_000)


def losing(jobs: Jobs) -> list[float]:
    """Let every write be too late; the pauses that are made then."""
    jobs.store.save = lambda job, part=None: False
    pauses: list[float] = []
    job = jobs.submitted(1)
    with pytest.raises(Overloaded, match="being changed by others"):
        JobUpdater(store=jobs.store, sleep=pauses.append).update(job.tenant_id, job.id, start)
    return pauses


def test_pauses_are_random_within_a_bound_that_doubles() -> None:
    one, other = losing(Jobs()), losing(Jobs())

    assert one != other
    for pauses in (one, other):
        assert len(pauses) == TRIES
        assert all(0 <= it <= min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**place) for place, it in enumerate(pauses))
        assert max(pauses) > FIRST_PAUSE_S


@pytest.mark.parametrize(("insists", "asked"), [(False, 1), (True, TRIES)])
def test_a_busy_table_is_asked_again_only_by_who_insists(insists: bool, asked: int) -> None:
    jobs = Jobs()
    job, calls = jobs.submitted(1), []

    def busy() -> None:
        calls.append(1)
        raise Overloaded("busy")

    jobs.store.before = busy
    with pytest.raises(Overloaded):
        JobUpdater(store=jobs.store, sleep=jobs.sleep, insists=insists).update(job.tenant_id, job.id, start)

    assert len(calls) == asked
