"""Ids of jobs and uploads."""

from __future__ import annotations

import pytest

from pigeonhole.ids import is_id, new_id


def test_ids_sort_by_time_and_differ() -> None:
    early, late = new_id(1_000.0), new_id(1_000.001)

    assert early < late
    assert len({new_id(1_000.0) for _ in range(100)}) == 100
    assert (len(early), set(early) <= set("0123456789abcdef")) == (32, True)


@pytest.mark.parametrize("text", ["", "0" * 31, "0" * 33, "0" * 31 + "g", "A" * 32, "0" * 32 + "\n"])
def test_another_text_is_no_id(text: str) -> None:
    assert is_id(new_id(1_000.0))
    assert not is_id(text)
