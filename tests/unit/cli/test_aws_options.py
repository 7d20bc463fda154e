"""Errors of the commands that use AWS credentials are one line, with the error of AWS where an operator needs it."""

from __future__ import annotations

import pytest
import typer
from botocore.exceptions import EndpointConnectionError, NoCredentialsError, NoRegionError

from pigeonhole.errors import NotFound, Overloaded
from pigeonhole_cli.aws_options import report_errors


def reported(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(typer.Exit) as raised, report_errors():
        raise error from NoCredentialsError()

    assert raised.value.exit_code == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


def test_an_operator_sees_the_error_of_aws(capsys: pytest.CaptureFixture[str]) -> None:
    """A caller of the API only learns that the service is busy. An operator may lack a permission."""
    first, second, third = reported(Overloaded(), capsys).splitlines()

    assert first.startswith("error: ")
    assert second == "  Unable to locate credentials"
    assert "AWS_ACCESS_KEY_ID" in third


@pytest.mark.parametrize(
    ("error", "names"),
    [
        (NoRegionError(), ["AWS_REGION"]),
        (NoCredentialsError(), ["AWS_PROFILE", "AWS_ACCESS_KEY_ID"]),
        (ValueError("Invalid endpoint: localhost:1"), ["--endpoint-url", "http://"]),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), ["--endpoint-url", "AWS_ENDPOINT_URL"]),
    ],
)
def test_a_setting_that_the_sdk_lacks_is_named(error: Exception, names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    stderr = reported(error, capsys)

    assert [name for name in names if name not in stderr] == []


def test_the_error_of_aws_is_left_out_if_the_message_explains_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert reported(NotFound("there is no stack 'x'"), capsys) == "error: there is no stack 'x'\n"


def test_notes_are_printed_after_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    error = NotFound("no usage plan")
    error.add_note("key key1 may be left")

    assert reported(error, capsys) == "error: no usage plan\nkey key1 may be left\n"
