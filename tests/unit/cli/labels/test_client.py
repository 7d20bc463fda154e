"""The client of label sets: which requests it retries."""

from __future__ import annotations

import pytest

from support.cli.api_server import Answer, error_body
from support.cli.label_api import LabelApi, label_set_answer

WORDS = ("--label", "cat", "--label", "dog")


def test_a_temporary_failure_is_retried(label_api: LabelApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    label_api.prepare(Answer(error_body("overloaded", "Busy."), 503), label_set_answer(version=2))

    assert label_api.run("put", "pets", *WORDS).stdout == "pets version 2\n"


def test_a_request_with_a_precondition_is_not_retried(label_api: LabelApi) -> None:
    label_api.prepare(Answer(error_body("internal_error", "Something went wrong."), 500), label_set_answer())

    stderr = label_api.run("put", "pets", *WORDS, "--new", exit_code=1).stderr

    assert len(label_api.requests) == 1
    assert "may have been done" in stderr
    assert "`pigeonhole labels get pets`" in stderr


def test_a_deletion_is_not_retried(label_api: LabelApi) -> None:
    label_api.prepare(Answer(error_body("overloaded", "Busy."), 503))

    stderr = label_api.run("rm", "pets", exit_code=1).stderr

    assert stderr.startswith("error: Busy. (overloaded, log_id log-1)\n")
    assert "`pigeonhole labels get pets` shows it" in stderr
    assert len(label_api.requests) == 1


def test_an_answer_that_is_not_pigeonholes_is_reported(label_api: LabelApi) -> None:
    label_api.prepare({"success": True, "log_id": "l", "label_set": {"name": "pets"}})

    assert "does not answer like Pigeonhole" in label_api.run("get", "pets", exit_code=1).stderr
