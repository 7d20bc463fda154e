"""Ids: they sort by time and don't repeat."""

from __future__ import annotations

from pigeonhole.ids import new_id


def test_ids_sort_by_time_and_differ() -> None:
    early, late = new_id(1_000.0), new_id(1_000.001)

    assert early < late
    assert len({new_id(1_000.0) for _ in range(100)}) == 100
    assert (len(early), set(early) <= set("0123456789abcdef")) == (32, True)
