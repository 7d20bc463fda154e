"""The client of jobs: it fetches large results from S3, and doesn't retry a cancellation."""

from __future__ import annotations

import json

import pytest

from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.job_api import ID, JobApi, job_answer


@pytest.mark.parametrize("as_json", [False, True])
def test_results_of_a_large_job_are_fetched_without_the_api_key(api: JobApi, as_json: bool) -> None:
    whole = job_answer(predictions=["cat"] * 3_000, total=3_000, succeeded=3_000)
    api.prepare(job_answer(results_url=f"{api.url}/bucket/results.json?signature=x"), whole)

    stdout = api.run("wait", ID, *(["--json"] if as_json else [])).stdout

    assert api.requests[1].path == "/bucket/results.json?signature=x"
    assert API_KEY not in str(api.requests[1].headers)
    if as_json:
        assert json.loads(stdout) == whole
    else:
        assert stdout.splitlines() == [f"{number}\tcat" for number in range(3_000)]


def test_results_that_cannot_be_fetched_are_reported_without_the_signature(api: JobApi) -> None:
    api.prepare(job_answer(results_url=f"{api.url}/bucket/results.json?signature=x"), Answer("<Error/>", 403))

    stderr = api.run("wait", ID, exit_code=1).stderr

    assert "error: The results can't be fetched (HTTP 403)." in stderr
    assert "signature" not in stderr


def test_a_cancellation_is_not_retried(api: JobApi) -> None:
    api.prepare(Answer(error_body("overloaded", "Busy."), 503))

    assert "error: Busy. (overloaded, log_id log-1)" in api.run("cancel", ID, exit_code=1).stderr
    assert len(api.requests) == 1
