"""What `make start` shows while pip installs, and what of pip's output a user sees."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pigeonhole_cli.start.install import InstallProgress, count_packages
from support.cli.api_server import read_terminal

OFFLINE = ("--no-index", "--no-cache-dir")


def wheel(folder: Path, name: str, content: str = "") -> Path:
    """Write a wheel with one module."""
    info, file = f"{name}-1.0.dist-info", folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    return file


def install(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pigeonhole_cli.start.install", "the-environment", *OFFLINE, *arguments]
    return subprocess.run(command, text=True, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


def described(*lines: str, counts: tuple[int, ...] = (0, 0)) -> str:
    remaining = list(counts)
    progress = InstallProgress(lambda: remaining.pop(0))
    for line in lines:
        progress.read(line)
    return progress.describe()


@pytest.mark.parametrize(
    ("lines", "description"),
    [
        ((), "asking the package registry"),
        (("Collecting torch==2.13.0 (from pigeonhole==0.1.0)",), "1 package found, fetching torch"),
        (("Collecting a>=1", "Collecting b"), "2 packages found, fetching b"),
        (
            ("Collecting a", "  Downloading https://host/torch-2.13.0-cp311.whl (190.5 MB)"),
            "1 package found, downloading torch, 190.5 MB",
        ),
        (("Collecting a", "Requirement already satisfied: c"), "1 package found, fetching a"),
    ],
)
def test_what_pip_prints_is_told_in_a_few_words(lines: tuple[str, ...], description: str) -> None:
    assert described(*lines) == description


@pytest.mark.parametrize(
    ("counts", "description"),
    [
        ((5, 5), "package 1 of 3, a"),
        ((5, 6), "package 2 of 3, b"),
        ((5, 9), "package 3 of 3, c"),
        ((5, 4), "package 1 of 3, a"),
    ],
    ids=["none is there", "one is there", "all are there", "an old one was removed"],
)
def test_packages_are_counted_as_they_arrive(counts: tuple[int, ...], description: str) -> None:
    assert described("Collecting a", "Installing collected packages: a, b, c\n", counts=counts) == description


def test_packages_of_a_folder_are_counted(tmp_path: Path) -> None:
    for name in ("a-1.0.dist-info", "b-2.dist-info", "a"):
        (tmp_path / name).mkdir()

    assert count_packages(tmp_path) == 2


def test_an_installation_ends_with_the_number_of_packages(tmp_path: Path) -> None:
    files = [str(wheel(tmp_path, name)) for name in ("first", "second")]

    done = install("--target", str(tmp_path / "installed"), *files, capture_output=True)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    first, *_, last = done.stdout.splitlines()
    assert first == "Installing into the-environment, 0 s: asking the package registry"
    assert last.startswith("2 packages installed into the-environment in ")
    assert (tmp_path / "installed" / "second.py").is_file()


def test_errors_of_pip_are_printed_whole(tmp_path: Path) -> None:
    done = install("no-such-package", capture_output=True)

    assert done.returncode == 1
    assert "ERROR: Could not find a version that satisfies the requirement no-such-package" in done.stderr
    assert "ERROR: No matching distribution found for no-such-package" in done.stderr


def test_a_terminal_shows_one_line_that_changes(tmp_path: Path) -> None:
    here, there = os.openpty()

    done = install("--target", str(tmp_path / "installed"), str(wheel(tmp_path, "first")), stdout=there)
    os.close(there)
    shown = read_terminal(here)

    assert done.returncode == 0
    *changes, last = shown.split("\r\x1b[K")
    assert changes[1].startswith("Installing into the-environment, 0 s: ")
    assert not any("\n" in change for change in changes)
    assert last.startswith("1 package installed into the-environment in ")


def test_the_module_needs_only_the_standard_library() -> None:
    """Nothing else is installed when `make start` runs it."""
    source = str(Path(sys.modules[InstallProgress.__module__].__file__ or "").parents[2])
    code = "import pigeonhole_cli.start.install"

    subprocess.run([sys.executable, "-S", "-c", code], env={"PYTHONPATH": source}, check=True, timeout=60)
