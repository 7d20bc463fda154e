"""A tenant reads its jobs: waiting for an end, results, pages, and nothing of another's."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.answers import to_jobs_response
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.errors import NotFound
from pigeonhole.jobs.job import Job
from support.job_fixtures import ACME, ZETA, Jobs, job, job_id


def test_waiting_ends_with_the_job() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        jobs.now += seconds
        if len(looks) == 3:
            jobs.work()

    jobs.sleep = sleep  # type: ignore[method-assign]
    assert jobs.reader.get(ACME.id, job.id, wait_s=20).status is JobStatus.SUCCEEDED
    assert len(looks) == 3
    assert looks == sorted(looks), "it asks less and less often"


def test_waiting_ends_with_the_time() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert jobs.reader.get(ACME.id, job.id, wait_s=20).status is JobStatus.QUEUED
    assert jobs.now == 1_020.0


def test_not_waiting_asks_once() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    jobs.reader.get(ACME.id, job.id)
    assert jobs.now == 1_000.0


def refusal(jobs: Jobs, tenant: Any, job_id: str) -> str:
    with pytest.raises(NotFound) as caught:
        jobs.reader.get(tenant.id, job_id)
    return caught.value.message


def test_anothers_job_and_none_are_told_alike() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert refusal(jobs, ZETA, job.id) == refusal(jobs, ACME, "0" * 32)


def test_a_job_whose_time_is_over_is_gone_before_the_table_forgets_it() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.now = 2_000.0

    assert refusal(jobs, ACME, job.id)
    assert jobs.reader.list(ACME.id, None, 10, None).items == []
    with pytest.raises(NotFound):
        jobs.canceler.cancel(ACME, job.id)


def test_a_page_is_shown_with_where_the_next_begins() -> None:
    jobs = Jobs()
    first = jobs.submitted(1)
    jobs.now += 1
    second = jobs.submitted(2)
    jobs.submitted(3, tenant=ZETA)

    page = to_jobs_response(jobs.reader.list(ACME.id, None, 1, None), "l")
    assert ([it.id for it in page.jobs], page.cursor) == ([second.id], second.id)
    rest = to_jobs_response(jobs.reader.list(ACME.id, None, 1, page.cursor), "l")
    assert ([it.id for it in rest.jobs], rest.cursor) == ([first.id], None)


def with_some_over(*over: bool) -> Jobs:
    """Jobs of one tenant, the newest first, of which some's time is over."""
    jobs = Jobs()
    for number, is_over in enumerate(reversed(over)):
        jobs.store.create(job(id=job_id(number), expires_at=500 if is_over else 5_000), None)
    return jobs


def pages(jobs: Jobs, limit: int) -> list[list[Job]]:
    found, cursor = [], None
    while True:
        page = jobs.reader.list(ACME.id, None, limit, cursor)
        found.append(page.items)
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("limit", range(1, 7))
def test_pages_are_full_although_the_time_of_some_jobs_is_over(limit: int) -> None:
    jobs = with_some_over(False, True, True, False, True, False, False, True)

    found = pages(jobs, limit)

    assert [each.id for page in found for each in page] == [job_id(number) for number in (7, 4, 2, 1)]
    assert all(len(page) == limit for page in found[:-1])


def test_a_page_looks_at_so_many_jobs_and_no_more_and_says_where_it_ended() -> None:
    jobs = with_some_over(*[True] * 1_500, False)

    first, second = pages(jobs, 20)

    assert (first, [each.id for each in second]) == ([], [job_id(0)])


def test_a_list_may_be_of_one_state() -> None:
    jobs = Jobs()
    done = jobs.submitted(1)
    jobs.work()
    jobs.now += 1
    jobs.submitted(1)

    assert [job.id for job in jobs.reader.list(ACME.id, JobStatus.SUCCEEDED, 10, None).items] == [done.id]
