"""What `pigeonhole doctor` says of this machine."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from pigeonhole_cli.doctor import machine
from pigeonhole_cli.doctor.check import Level
from pigeonhole_cli.local.addresses import Addresses

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("version", "level"), [((3, 10, 14), Level.FAIL), ((3, 11, 0), Level.OK), ((3, 14, 2), Level.OK)], ids=str
)
def test_an_old_python_fails(version: tuple[int, ...], level: Level) -> None:
    check = machine.check_python(version)

    assert check.level is level
    assert ".".join(map(str, version)) in check.message
    assert ("make PYTHON=python3.11 start" in check.advice) is (level is Level.FAIL)


def test_a_missing_package_fails_with_its_name() -> None:
    assert machine.check_packages(("typer",)).level is Level.OK

    check = machine.check_packages(("typer", "no_such_package"))
    assert (check.level, check.message) == (Level.FAIL, "no_such_package missing")
    assert "make start" in check.advice


def test_the_packages_are_those_that_make_start_looks_for() -> None:
    needed = re.search(r"^NEEDED := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert needed is not None
    assert tuple(needed[1].split()) == machine.PACKAGES


def test_little_memory_is_a_warning() -> None:
    assert machine.check_memory(machine.MIN_MEMORY_BYTES).level is Level.OK

    check = machine.check_memory(machine.MIN_MEMORY_BYTES - 1)
    assert check.level is Level.WARN
    assert "1.5 GB" in check.advice


def test_memory_that_the_system_does_not_tell_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_MEMINFO", Path("/nonexistent"))

    available = machine.read_available_memory()

    assert available is None
    assert machine.check_memory(available).level is Level.OK


def test_the_memory_of_this_machine_is_read() -> None:
    available = machine.read_available_memory()

    assert available is not None
    assert 0 < available <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("free", "level"),
    [(machine.MIN_FREE_BYTES, Level.OK), (machine.MIN_FREE_BYTES - 1, Level.WARN), (machine.MIN_FREE_BYTES / 3, Level.FAIL)],
)
def test_a_full_disk_is_reported(tmp_path: Path, free: float, level: Level) -> None:
    check = machine.check_disk("cache", tmp_path / "not" / "there", free)

    assert check.level is level
    assert str(tmp_path) in check.message
    assert ("PIGEONHOLE_CACHE=" in check.advice) is (level is not Level.OK)


def test_a_folder_that_cannot_be_made_fails(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    check = machine.check_disk("data", tmp_path / "file" / "data")

    assert (check.level, check.message) == (Level.FAIL, f"{tmp_path / 'file'} can't be written")
    assert "PIGEONHOLE_DATA=" in check.advice


def test_a_port_in_use_is_a_warning_that_names_who_uses_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        check = machine.check_port("PORT", port, None)

    assert check.level is Level.WARN
    assert re.fullmatch(rf"in use by .+ \(process {os.getpid()}\)", check.message)
    assert "PORT=" in check.advice
    assert machine.check_port("PORT", port, None).message == "free"


def test_a_port_of_the_running_stack_is_fine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Addresses("http://127.0.0.1:1", f"http://127.0.0.1:{port}")

        assert machine.check_port("AWS_PORT", port, running).level is Level.OK


@pytest.mark.parametrize("port", [8080, 8081])
def test_the_default_ports_of_the_running_stack_are_fine(port: int) -> None:
    running = Addresses("http://127.0.0.1:8080", "http://127.0.0.1:8081")

    assert machine.check_port("PORT", port, running).message == "used by the local stack that runs"
