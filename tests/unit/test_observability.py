"""Observing a function: a failure is counted and logged, and its message stays out of the log."""

from __future__ import annotations

import io
import json

import pytest

from pigeonhole.observability import observer


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(observer("worker").logger.registered_handler, "stream", stream)
    return stream


def test_an_exception_is_counted_logged_without_its_message_and_raised_again(
    log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    with (
        pytest.raises(RuntimeError, match="a sample"),
        observer("worker").failures_reported(code="chunk_failed", message="it could not be done", job_id="1"),
    ):
        raise RuntimeError("a sample")

    line = json.loads(log.getvalue())
    assert (line["message"], line["job_id"], line["level"]) == ("it could not be done", "1", "ERROR")
    assert line["trace"][0] == "RuntimeError"
    assert "a sample" not in log.getvalue()
    assert '"code":"chunk_failed"' in capsys.readouterr().out.replace(" ", "")


def test_a_block_without_an_exception_reports_nothing(log: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    with observer("worker").failures_reported(code="chunk_failed", message="it could not be done"):
        pass

    assert (log.getvalue(), capsys.readouterr().out) == ("", "")
