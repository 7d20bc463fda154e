"""The printed forms of a job: its properties, its results, and its exit code."""

from __future__ import annotations

from typing import Any

import pytest

from support.cli.job_api import ID, JobApi, job_answer

ERRORS = [{"index": 1, "code": "unreadable_image", "message": "cut off"}]
FILE = {"name": "part-00000.jsonl", "rows": 7, "url": "https://part"}
ENDED = [
    (job_answer(predictions=["cat", "dog"]), "0\tcat\n1\tdog\n", 0),
    (
        job_answer(predictions=["cat", None], succeeded=1, failed=1, errors=ERRORS),
        "0\tcat\n1\t\tunreadable_image: cut off\n",
        4,
    ),
    (
        job_answer(predictions={"mood": ["calm", None], "all": [["a", "b"], None]}, succeeded=1, failed=1, errors=ERRORS),
        "0\tmood\tcalm\n0\tall\ta,b\n1\tmood\t\tunreadable_image: cut off\n1\tall\t\tunreadable_image: cut off\n",
        4,
    ),
    (job_answer("failed", predictions=[None, None], succeeded=0, failed=2, errors=ERRORS), None, 3),
    (job_answer("canceled", succeeded=1), "", 3),
    (
        job_answer(results={"prefix": "s3://b/p/", "manifest_url": "https://m", "parts": [FILE], "errors": []}),
        "part-00000.jsonl\t7\thttps://part\n",
        0,
    ),
]


@pytest.mark.parametrize(("answer", "stdout", "exit_code"), ENDED)
def test_wait_has_an_exit_code_for_each_end(api: JobApi, answer: dict[str, Any], stdout: str | None, exit_code: int) -> None:
    api.prepare(answer)

    result = api.run("wait", ID, exit_code=exit_code)

    assert stdout in (None, result.stdout)
    assert "succeeded:" in result.stderr or "failed:" in result.stderr or "was canceled:" in result.stderr


@pytest.mark.parametrize(("answer", "stdout", "exit_code"), ENDED)
def test_status_has_the_same_exit_codes(api: JobApi, answer: dict[str, Any], stdout: str | None, exit_code: int) -> None:
    api.prepare(answer)

    assert f"status      {answer['job']['status']}\n" in api.run("status", ID, exit_code=exit_code).stdout


def test_status_prints_the_jobs_properties(api: JobApi) -> None:
    api.prepare(job_answer("processing", total=10, succeeded=3, failed=1))

    assert api.run("status", ID).stdout == (
        f"job         {ID}\n"
        "status      processing\n"
        "samples     10: 3 with a result, 1 with an error\n"
        "created     2026-05-04 10:20 UTC\n"
        "started     -\n"
        "finished    -\n"
        "kept until  2026-05-11 10:20 UTC\n"
    )


def test_line_breaks_and_control_characters_are_escaped(api: JobApi) -> None:
    api.prepare(job_answer(predictions=["tab\there\nnew line", "\x1b[31mred"], warnings=["a\rb"]))

    result = api.run("wait", ID)

    assert result.stdout == "0\ttab\\there\\nnew line\n1\t\\x1b[31mred\n"
    assert result.stderr.startswith("warning: a\\rb\n")


@pytest.mark.parametrize(
    ("webhook", "line"),
    [
        ({"status": "pending", "attempts": []}, "webhook     pending"),
        (
            {"status": "delivered", "attempts": [{"at": "2026-05-04T10:21:00Z", "status": 204}]},
            "webhook     delivered, try 1 at 2026-05-04 10:21 UTC: HTTP 204",
        ),
        (
            {"status": "pending", "attempts": [{"at": "2026-05-04T10:21:00Z"}], "next_at": "2026-05-04T10:22:00Z"},
            "webhook     pending, try 1 at 2026-05-04 10:21 UTC: under way; tried again at 2026-05-04 10:22 UTC",
        ),
        (
            {
                "status": "pending",
                "attempts": [{"at": "2026-05-04T10:21:00Z", "error": "no\nconnection"}],
                "next_at": "2026-05-04T10:22:00Z",
            },
            r"webhook     pending, try 1 at 2026-05-04 10:21 UTC: no\nconnection; tried again at 2026-05-04 10:22 UTC",
        ),
    ],
)
def test_status_prints_the_webhooks_last_attempt(api: JobApi, webhook: dict[str, Any], line: str) -> None:
    answer = job_answer()
    answer["job"]["webhook"] = {"url": "https://acme.example.com/hook", **webhook}
    api.prepare(answer)

    assert api.run("status", ID).stdout.splitlines()[-1] == line


def test_status_prints_the_jobs_label_set(api: JobApi) -> None:
    answer = job_answer()
    answer["job"]["label_set"] = {"name": "pets", "version": 3}
    api.prepare(answer)

    assert api.run("status", ID).stdout.splitlines()[-1] == "label set   pets version 3"
