"""Other commands find a running stack by a file of its data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole_cli.local.addresses import NAME, Addresses

ADDRESSES = Addresses("http://127.0.0.1:1", "http://127.0.0.1:2")


def test_the_addresses_are_there_while_the_stack_runs(tmp_path: Path) -> None:
    with ADDRESSES.published(tmp_path):
        assert Addresses.read(tmp_path) == ADDRESSES
    assert Addresses.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"api_url": "a", "aws_url": "b", "more": "c"}', '"half'])
def test_a_file_of_another_version_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)

    assert Addresses.read(tmp_path) is None
