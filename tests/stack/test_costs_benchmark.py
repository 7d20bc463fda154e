"""benchmarks/costs.py with few samples and the small model: each way into the service is measured, with all its functions."""

from __future__ import annotations

from pathlib import Path

import pytest

import costs

SIZES = costs.Sizes(single=2, full=2, full_samples=3, job=6)


def test_each_way_has_its_cpu_time_and_its_calls(model: Path) -> None:
    rows = {(row.noun, row.way): row for row in costs.measure(model, "tiny", SIZES)}

    ways = ("request of 1", "request of 3", "job of 6", "bulk job of 6")
    assert list(rows) == [(noun, way) for noun in ("photos", "texts") for way in ways]
    for (_, way), row in rows.items():
        assert all(use.cpu_s > 0 for use in row.functions.values())
        assert all(row.billed[unit] > 0 for unit in ("API requests", "runs", "write units", "GB of logs", "traces"))
        assert (
            set(row.functions)
            == {
                "request": {"Api", "Classify"},
                "job": {"Api", "Notify", "Worker"},
                "bulk": {"Api", "Notify", "Plan", "Worker"},
            }[way.partition(" ")[0]]
        )
    single = rows["photos", "request of 1"]
    assert single.billed["API requests"] == 1_000
    assert single.billed["runs"] == 3_000, "authorize, api and classify"
    assert single.billed["write units"] == 1_000, "the count of the tenant's requests"
    for way in ("job of 6", "bulk job of 6"):
        assert rows["photos", way].billed["API requests"] == pytest.approx(2_000 / 6), "the job is sent, and read once"
        assert rows["photos", way].billed["GET requests"] >= 1_000, "each photo is read from the bucket"
