"""Results of uploads are read by key, by prefix or by time, page by page, and only by their tenant."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.answers import to_upload_results_response
from pigeonhole.api.cursors import encode_cursor
from pigeonhole.contract.upload_results import UploadResultsQuery
from pigeonhole.errors import InvalidRequest, NotFound
from pigeonhole.object_keys import MAX_KEY_BYTES
from pigeonhole.uploads.read_results import UploadResultReader
from pigeonhole.uploads.upload_result import UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer
from support.job_fixtures import Jobs

NOW = 10_000.0
A, B, C = (f"incoming/acme/pets/{name}.jpg" for name in "abc")
DOG = "incoming/acme/dogs/a.jpg"


def result(key: str, at: float, *, tenant_id: str = "acme", expires_at: int = 20_000) -> UploadResult:
    return UploadResult(
        tenant_id=tenant_id,
        object_key=key,
        sequencer=to_sortable_sequencer("1"),
        classified_at=at,
        expires_at=expires_at,
        prediction="cat",
        results_uri="",
    )


@pytest.fixture
def jobs() -> Jobs:
    jobs = Jobs(now=NOW)
    for key, at in ((B, 1_000.0), (DOG, 2_000.5), (A, 3_000.0), (C, 3_000.0)):
        jobs.results.save(result(key, at))
    jobs.results.save(result("incoming/zeta/pets/a.jpg", 2_500.0, tenant_id="zeta"))
    return jobs


def reader(jobs: Jobs) -> UploadResultReader:
    return jobs.upload_result_reader


def read(jobs: Jobs, tenant_id: str = "acme", **wanted: Any) -> tuple[list[str], str | None]:
    page = reader(jobs).list(tenant_id, UploadResultsQuery(**wanted))
    return [result.object_key for result in page.items], page.next


@pytest.mark.parametrize("key", [A, f"s3://uploads/{A}"])
def test_one_result_is_read_by_its_key_or_its_address(jobs: Jobs, key: str) -> None:
    assert reader(jobs).get("acme", key).object_key == A


@pytest.mark.parametrize(
    "key",
    [
        *("incoming/acme/pets/none.jpg", "incoming/zeta/pets/a.jpg", f"s3://other/{A}", f"s3://{A}", A[:-1]),
        *("", "s3://uploads/", "x" * (MAX_KEY_BYTES + 1), "猫" * 342, "\ud800"),
    ],
)
def test_a_key_without_a_result_and_another_tenants_key_are_not_found(jobs: Jobs, key: str) -> None:
    with pytest.raises(NotFound, match="no result of this key"):
        reader(jobs).get("acme", key)


def test_an_expired_result_is_not_shown_though_the_table_has_it(jobs: Jobs) -> None:
    jobs.results.save(result("incoming/acme/pets/old.jpg", 2_000.0, expires_at=int(NOW)))

    with pytest.raises(NotFound):
        reader(jobs).get("acme", "incoming/acme/pets/old.jpg")
    assert read(jobs)[0] == read(jobs, limit=100)[0] == [C, A, DOG, B]
    assert read(jobs, prefix="incoming/")[0] == [DOG, A, B, C]


def test_results_of_a_prefix_are_listed_by_key(jobs: Jobs) -> None:
    assert read(jobs, prefix="incoming/acme/pets/") == ([A, B, C], None)
    assert read(jobs, prefix="s3://uploads/incoming/acme/dogs/") == ([DOG], None)
    assert read(jobs, prefix="s3://uploads/")[0] == [DOG, A, B, C]
    assert read(jobs, prefix="incoming/zeta/") == ([], None)


def test_without_a_prefix_the_newest_results_are_listed_first(jobs: Jobs) -> None:
    assert read(jobs) == ([C, A, DOG, B], None)
    assert read(jobs, "zeta")[0] == ["incoming/zeta/pets/a.jpg"]


def test_a_period_includes_both_its_ends(jobs: Jobs) -> None:
    assert read(jobs, since=2_000.5)[0] == [C, A, DOG]
    assert read(jobs, until=2_000.5)[0] == [DOG, B]
    assert read(jobs, since=2_000.5, until=2_000.5)[0] == [DOG]
    assert read(jobs, since=2_001.0, until=2_999.0)[0] == []


def test_a_prefix_with_a_time_is_listed_newest_first(jobs: Jobs) -> None:
    assert read(jobs, prefix="incoming/acme/pets/", since=0.0)[0] == [C, A, B]
    assert read(jobs, prefix="incoming/acme/pets/", until=2_000.0)[0] == [B]


def test_a_period_that_ends_before_it_begins_is_refused(jobs: Jobs) -> None:
    with pytest.raises(InvalidRequest, match="since: must not be after until"):
        read(jobs, since=2.0, until=1.0)
    assert read(jobs, since=9e9) == ([], None), "a caller's clock may be ahead"


@pytest.mark.parametrize("wanted", [{}, {"prefix": "incoming/acme/"}, {"since": 1_000.0, "until": 3_000.0}])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_follow_each_other_without_a_gap(jobs: Jobs, wanted: dict[str, Any], limit: int) -> None:
    all_keys, cursor = read(jobs, limit=limit, **wanted)
    while cursor is not None:
        keys, cursor = read(jobs, limit=limit, cursor=cursor, **wanted)
        assert len(keys) <= limit
        all_keys += keys

    assert all_keys == read(jobs, **wanted)[0]


@pytest.mark.parametrize(
    "cursor",
    [
        *("", A, "x", "1000", "1000 ", f" {A}", f"x {A}", f"nan {A}", f"inf {A}", f"-1 {A}", f"20000 {A}"),
        *(f"1_000 {A}", f"1e3 {A}", f"\u0661\u0662 {A}", f" 1000 {A}", f"+1000 {A}", f"1000.{'1' * 40} {A}"),
        f"1000 {'x' * (MAX_KEY_BYTES + 1)}",
    ],
)
def test_a_cursor_that_no_page_gave_is_refused(jobs: Jobs, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        read(jobs, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", DOG, f"1000.0 {A}", "incoming/acme/pets/" + "x" * MAX_KEY_BYTES])
def test_a_cursor_of_another_list_is_refused(jobs: Jobs, cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        read(jobs, prefix="incoming/acme/pets/", cursor=cursor)


@pytest.mark.parametrize("wanted", [{"since": 2_000.0}, {"until": 500.0}])
def test_a_cursor_of_another_period_is_refused(jobs: Jobs, wanted: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        read(jobs, cursor=f"1000.0 {A}", **wanted)


@pytest.mark.parametrize("wanted", [{}, {"since": 0.0}])
def test_a_prefix_that_is_longer_than_a_key_can_be_has_no_results(jobs: Jobs, wanted: dict[str, Any]) -> None:
    prefixes: list[str] = []
    jobs.results.page = jobs.results.newest = lambda *args: prefixes.append(args[1])

    assert read(jobs, prefix="x" * (MAX_KEY_BYTES + 1), **wanted) == ([], None)
    assert prefixes == [], "the table would refuse it"


def test_a_page_shows_only_the_fields_of_the_contract(jobs: Jobs) -> None:
    page = reader(jobs).list("acme", UploadResultsQuery(limit=1))

    shown = to_upload_results_response(page, "log-1")

    assert page.next is not None
    assert (shown.log_id, [result.key for result in shown.results]) == ("log-1", [C])
    assert shown.cursor == encode_cursor(page.next)
