"""benchmarks/latency.py against the deployed stack: both sides answer alike, and its table says what it measured."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from deployment import Deployment

from pigeonhole_cli.local import ROOT


def test_both_sides_answer_alike_and_the_table_gives_the_ratio(deployed: Deployment, model: Path) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_of_latency", ROOT / "benchmarks" / "latency.py")
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = benchmark
    spec.loader.exec_module(benchmark)

    rows = benchmark.measure(deployed.url, deployed.key, model, rounds=1)

    assert [row.request for row in rows] == list(benchmark.requests())
    assert all(row.in_process_ms > 0 and row.stack_ms > 0 for row in rows)
    lines = benchmark.table([benchmark.Row("a text", 5.0, 30.0)]).splitlines()
    assert lines[-1] == "| a text | 5 | 30 | 6.0 x |"
    assert len({line.count("|") for line in lines}) == 1
