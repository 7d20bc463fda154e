"""benchmarks/latency.py against the deployed stack: both sides give the same predictions, and the table has the ratio."""

from __future__ import annotations

from pathlib import Path

import latency
from support.stack.deployment import Deployment


def test_both_sides_give_the_same_predictions_and_the_table_has_the_ratio(deployed: Deployment, model: Path) -> None:
    rows = latency.measure(deployed.url, deployed.key, model, rounds=1)

    assert [row.request for row in rows] == list(latency.requests())
    assert all(row.in_process_ms > 0 and row.stack_ms > 0 for row in rows)
    lines = latency.table([latency.Row("a text", 5.0, 30.0)]).splitlines()
    assert lines[-1] == "| a text | 5 | 30 | 6.0 x |"
    assert len({line.count("|") for line in lines}) == 1
