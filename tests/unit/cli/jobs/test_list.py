"""`pigeonhole jobs list` and `cancel`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.cli.api_server import Answer, refusal
from support.cli.job_api import ID, JobApi, job, told


def page(*numbers: int, cursor: str | None = None) -> dict[str, Any]:
    jobs = [job(id=f"{number:032x}", total=number, succeeded=number - 1, failed=1) for number in numbers]
    return {"success": True, "log_id": "l", "jobs": jobs} | ({"cursor": cursor} if cursor else {})


def asked(api: JobApi) -> list[str]:
    return [request.path.partition("?")[2] for request in api.requests]


def test_jobs_are_a_table(api: JobApi) -> None:
    api.says(page(12, 3))

    assert api.run("list").stdout == (
        "JOB                               STATUS     SAMPLES  DONE  ERRORS  CREATED\n"
        "0000000000000000000000000000000c  succeeded  12       12    1       2026-05-04 10:20 UTC\n"
        "00000000000000000000000000000003  succeeded  3        3     1       2026-05-04 10:20 UTC\n"
    )
    assert asked(api) == ["limit=20"]


def test_cursors_are_followed_up_to_the_limit(api: JobApi) -> None:
    first, second = page(*range(250, 150, -1), cursor="c1"), page(*range(150, 50, -1), cursor="c2")
    api.says(first, second, page(*range(50, 40, -1), cursor="c3"))

    found = json.loads(api.run("list", "--limit", "210", "--status", "failed", "--json").stdout)

    assert [each["progress"]["total"] for each in found] == list(range(250, 40, -1))
    assert asked(api) == [
        "limit=100&status=failed",
        "limit=100&status=failed&cursor=c1",
        "limit=10&status=failed&cursor=c2",
    ]


def test_the_last_page_is_the_last(api: JobApi) -> None:
    api.says(page(2, cursor="c1"), page(1))

    assert len(api.run("list").stdout.splitlines()) == 3
    assert asked(api) == ["limit=20", "limit=19&cursor=c1"]


@pytest.mark.parametrize("arguments", [("--status", "done"), ("--limit", "0")])
def test_what_no_list_has_is_not_asked_for(api: JobApi, arguments: tuple[str, ...]) -> None:
    api.run("list", *arguments, exit_code=2)

    assert api.requests == []


@pytest.mark.parametrize("as_json", [False, True])
def test_a_canceled_job_is_told(api: JobApi, as_json: bool) -> None:
    answer = told("canceled", total=10, succeeded=3, failed=1)
    api.says(answer)

    result = api.run("cancel", ID, *(["--json"] if as_json else []))

    assert result.stderr == f"Job {ID} was canceled: 4 of 10 samples done, 1 with an error.\n"
    assert (json.loads(result.stdout) == answer) if as_json else (result.stdout == "")
    (request,) = api.requests
    assert (request.method, request.path) == ("DELETE", f"/prod/v1/classification/jobs/{ID}")


def test_a_job_that_has_ended_is_not_canceled(api: JobApi) -> None:
    api.says(Answer(refusal("job_finished", "The job has ended already: it is succeeded."), 409))

    assert api.run("cancel", ID, exit_code=1).stderr == "error: The job has ended already: it is succeeded.\n"


def test_canceling_is_asked_for_once(api: JobApi) -> None:
    api.says(Answer(refusal("overloaded", "Busy."), 503))

    assert "error: Busy. (overloaded, log_id log-1)" in api.run("cancel", ID, exit_code=1).stderr
    assert len(api.requests) == 1
