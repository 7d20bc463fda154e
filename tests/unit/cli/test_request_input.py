"""The limit on a request's size, which is checked before anything is read or sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli.job_api import JobApi, job_answer
from support.cli.label_api import LabelApi

LABELS = ("--label", "cat", "--label", "dog")
TOO_LARGE = "error: the request must not be larger than 4 MB."


@pytest.mark.parametrize("option", ["--texts", "--body"])
def test_a_job_request_that_is_too_large_is_not_sent(api: JobApi, option: str) -> None:
    text = "x" * 4_000_001
    arguments = ("--texts", "-", *LABELS) if option == "--texts" else ("--body", "-")
    content = text if option == "--texts" else json.dumps({"a": text})

    stderr = api.run("submit", *arguments, input=content, exit_code=1).stderr

    assert stderr.startswith(TOO_LARGE)
    assert "split -l 5000" in stderr
    assert api.requests == []


def test_a_request_of_the_largest_size_is_sent(api: JobApi) -> None:
    api.prepare(job_answer("queued"))
    empty = json.dumps({"a": ""}).encode()

    api.run("submit", "--body", "-", input=json.dumps({"a": "x" * (4_000_000 - len(empty))}))

    assert len(api.requests[0].body) == 4_000_000


@pytest.mark.parametrize("source", ["image", "body"])
def test_a_label_set_that_is_too_large_is_not_sent(
    label_api: LabelApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: reading it would exhaust the memory
    arguments = ("--label", "cat", "--image", "dog=huge.png") if source == "image" else ("--body", "-")

    result = label_api.run("put", "pets", *arguments, input=json.dumps({"a": "x" * 4_000_001}), exit_code=1)

    assert result.stderr.startswith(TOO_LARGE)
    assert "https:// or s3://" in result.stderr
    assert label_api.requests == []
