"""The store of a bulk job's results, in memory and as a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pigeonhole.bulk.ports import ResultStore
from pigeonhole_cli.bulk.local_run import FolderStore
from support.fakes.results import FakeResultStore

Read = Callable[[], dict[str, bytes]]


@pytest.fixture(params=["fake", "folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ResultStore, Read]:
    if request.param == "fake":
        fake = FakeResultStore()
        return fake, lambda: dict(fake.files)
    return FolderStore(tmp_path), lambda: {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_files_are_stored_by_name(store: tuple[ResultStore, Read]) -> None:
    results, read = store

    results.put("part-00000.jsonl", b"a\n")
    results.put("part-00001.jsonl", b"")

    assert read() == {"part-00000.jsonl": b"a\n", "part-00001.jsonl": b""}


def test_a_file_of_the_same_name_is_replaced(store: tuple[ResultStore, Read]) -> None:
    results, read = store

    results.put("part-00000.jsonl", b"a longer one")
    results.put("part-00000.jsonl", b"b")

    assert read() == {"part-00000.jsonl": b"b"}
