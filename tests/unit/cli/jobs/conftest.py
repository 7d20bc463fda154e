"""Files that the tests of `pigeonhole jobs` submit."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. It holds the folder `photos` with images and other files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.jpg"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path
