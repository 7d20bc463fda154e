"""Reading jobs: waiting for an end, pages, and nothing of another tenant."""

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
    assert looks == sorted(looks), "the pauses grow"


def test_waiting_ends_with_the_time() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert jobs.reader.get(ACME.id, job.id, wait_s=20).status is JobStatus.QUEUED
    assert jobs.now == 1_020.0


def test_without_a_wait_the_job_is_read_once() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    jobs.reader.get(ACME.id, job.id)
    assert jobs.now == 1_000.0


def refusal(jobs: Jobs, tenant: Any, job_id: str) -> str:
    with pytest.raises(NotFound) as caught:
        jobs.reader.get(tenant.id, job_id)
    return caught.value.message


def test_another_tenants_job_looks_like_no_job() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert refusal(jobs, ZETA, job.id) == refusal(jobs, ACME, "0" * 32)


def test_an_expired_job_is_not_found_before_the_table_deletes_it() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    jobs.now = 2_000.0

    assert refusal(jobs, ACME, job.id)
    assert jobs.reader.list(ACME.id, None, 10, None).items == []
    with pytest.raises(NotFound):
        jobs.canceler.cancel(ACME, job.id)


def test_a_page_says_where_the_next_one_begins() -> None:
    jobs = Jobs()
    first = jobs.submitted(1)
    jobs.now += 1
    second = jobs.submitted(2)
    jobs.submitted(3, tenant=ZETA)

    page = to_jobs_response(jobs.reader.list(ACME.id, None, 1, None), "l")
    assert ([shown.id for shown in page.jobs], page.cursor) == ([second.id], second.id)
    rest = to_jobs_response(jobs.reader.list(ACME.id, None, 1, page.cursor), "l")
    assert ([shown.id for shown in rest.jobs], rest.cursor) == ([first.id], None)


def with_some_expired(*expired: bool) -> Jobs:
    """Store jobs of one tenant, the newest first, some of them expired."""
    jobs = Jobs()
    for number, is_expired in enumerate(reversed(expired)):
        jobs.store.create(job(id=job_id(number), expires_at=500 if is_expired else 5_000), None)
    return jobs


def pages(jobs: Jobs, limit: int) -> list[list[Job]]:
    found_pages, cursor = [], None
    while True:
        page = jobs.reader.list(ACME.id, None, limit, cursor)
        found_pages.append(page.items)
        cursor = page.next
        if cursor is None:
            return found_pages


@pytest.mark.parametrize("limit", range(1, 7))
def test_pages_are_full_although_some_jobs_have_expired(limit: int) -> None:
    jobs = with_some_expired(False, True, True, False, True, False, False, True)

    found_pages = pages(jobs, limit)

    assert [listed.id for page in found_pages for listed in page] == [job_id(number) for number in (7, 4, 2, 1)]
    assert all(len(page) == limit for page in found_pages[:-1])


def test_a_page_reads_a_bounded_number_of_jobs_and_says_where_it_ended() -> None:
    jobs = with_some_expired(*[True] * 1_500, False)

    first, second = pages(jobs, 20)

    assert (first, [listed.id for listed in second]) == ([], [job_id(0)])


def test_a_list_may_be_of_one_status() -> None:
    jobs = Jobs()
    done = jobs.submitted(1)
    jobs.work()
    jobs.now += 1
    jobs.submitted(1)

    assert [job.id for job in jobs.reader.list(ACME.id, JobStatus.SUCCEEDED, 10, None).items] == [done.id]
