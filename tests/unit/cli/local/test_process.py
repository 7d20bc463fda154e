"""The ports and the environment of the server process."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pigeonhole_cli.local import process
from pigeonhole_cli.local.capacity import MAX_IDLE_S
from pigeonhole_cli.local.process import LocalError, LocalProcess, open_next_port, open_port


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


def test_the_next_free_port_is_used() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open_next_port(port, "") as opened:
            assert port < opened.getsockname()[1] < port + process.MAX_PORTS


def test_a_port_is_used_if_it_is_free() -> None:
    with open_port(0, "") as free:
        port = free.getsockname()[1]
    with open_next_port(port, "") as opened:
        assert opened.getsockname()[1] == port


def test_ports_that_are_all_in_use_are_reported_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "MAX_PORTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError, match=f"Port {port} can't be used .* choose another port: PORT=8090"):
            open_next_port(port, "PORT=8090")
