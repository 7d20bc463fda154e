"""The environment of the server process."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole_cli.local.capacity import MAX_IDLE_S
from pigeonhole_cli.local.process import LocalProcess, open_port


def environment(data: Path) -> dict[str, str]:
    with open_port(0, "") as aws, open_port(0, "") as api:
        return LocalProcess(data, aws, api)._environment


def test_processes_of_functions_do_not_stay_for_long(tmp_path: Path) -> None:
    assert environment(tmp_path)["LAMBDA_WARM_TTL_SECONDS"] == str(MAX_IDLE_S)


def test_functions_inherit_no_credentials_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the user's")
    monkeypatch.setenv("SECRET_OF_THE_USER", "secret")

    minimal = environment(tmp_path)
    assert minimal["AWS_ACCESS_KEY_ID"] == "test"
    assert "SECRET_OF_THE_USER" not in minimal
