"""The capacity follows cores and memory, within bounds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pigeonhole_cli.local import capacity as local_capacity
from pigeonhole_cli.local.capacity import GIB, Capacity


@pytest.mark.parametrize(
    ("cores", "memory", "expected"),
    [
        (1, GIB, Capacity(classify=1, requests=2, waits=4, queued=50)),
        (1, 2 * GIB, Capacity(classify=1, requests=2, waits=4, queued=64)),
        (2, 8 * GIB, Capacity(classify=2, requests=4, waits=8, queued=256)),
        (2, 16 * GIB, Capacity(classify=2, requests=4, waits=8, queued=500)),
        (8, 8 * GIB, Capacity(classify=2, requests=4, waits=8, queued=256)),
        (8, 16 * GIB, Capacity(classify=4, requests=8, waits=16, queued=500)),
        (64, 512 * GIB, Capacity(classify=4, requests=8, waits=16, queued=500)),
    ],
)
def test_the_capacity_follows_cores_and_memory(cores: int, memory: int, expected: Capacity) -> None:
    assert Capacity.of(cores, memory) == expected


def test_a_container_counts_as_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(local_capacity, "_CGROUP_LIMITS", (limit, tmp_path / "missing"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)

    limit.write_text("max\n")
    assert local_capacity._memory_bytes() == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    limit.write_text(str(1 * GIB))
    assert Capacity.of_this_machine() == Capacity.of(8, 1 * GIB)


def test_cores_are_counted_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert local_capacity.count_cores() == 3
