"""The fake API that the tests of `pigeonhole classify` call, and a working directory with files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli.classify_api import ClassifyApi


@pytest.fixture
def classify_api() -> Iterator[ClassifyApi]:
    with ClassifyApi() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. It holds a text file, an image file and the folder `photos`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mail.txt").write_text("red\nwine")
    (tmp_path / "one.png").write_bytes(b"red")
    (tmp_path / "photos").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.jpg"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path
