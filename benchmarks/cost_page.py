"""The tables of docs/costs.md, from the figures that benchmarks/costs.py stored and the template's memory sizes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import document_region
from cost_model import OTHER_TIME, USD_PER_GB_S, FunctionUse, Measured
from machine import WITHOUT_VNNI
from pigeonhole.bulk.costs import prices
from pigeonhole.bulk.costs.compute import BulkSize, GpuWorkers, SampleRates, estimate_on_gpus
from pigeonhole.inference.encoders.registry import BUNDLED
from pigeonhole_cli.local.command import ROOT
from pigeonhole_cli.local.stack import read_template

PAGE, STORED = ROOT / "docs" / "costs.md", Path(__file__).parent / "costs.json"
REGION = "costs"
PAGE_WIDTH = 120
GOALS, USUAL_GOAL = {BUNDLED: 1}, 5  # USD for a million photos
TEXT_TOKENS = 100  # an assumption: a short text with its labels, where a service bills tokens
# The columns of the second table, by the terms that each adds up.
COLUMNS: Mapping[str, Sequence[str]] = {
    "model": ("time of functions/classify", "time of functions/worker"),
    "others": (OTHER_TIME,),
    "runs": ("runs of functions",),
    "gateway": ("API Gateway",),
    "table": ("DynamoDB",),
    "S3, SQS, events": ("S3", "SQS", "EventBridge"),
    "logs": ("logs and traces",),
}


def read_runs() -> dict[str, str]:
    """Read what the stored figures were measured on, by model."""
    runs: dict[str, str] = json.loads(STORED.read_text())["runs"] if STORED.exists() else {}
    return runs


def read_stored() -> list[Measured]:
    """Read the stored figures."""
    rows = json.loads(STORED.read_text())["rows"] if STORED.exists() else []
    return [
        Measured(**row | {"functions": {name: FunctionUse(**use) for name, use in row["functions"].items()}}) for row in rows
    ]


def store(model: str, run: str, rows: Sequence[Measured]) -> None:
    """Store the figures of a model in place of the earlier ones, and what they were measured on."""
    others = [row for row in read_stored() if row.model != model]
    in_order = sorted([*others, *rows], key=lambda row: _plain(row.model) != BUNDLED)  # stable: the ways stay in their order
    stored = {"runs": read_runs() | {model: run}, "rows": [asdict(row) for row in in_order]}
    STORED.write_text(json.dumps(stored, indent=1) + "\n")


def _plain(model: str) -> str:
    return model.removesuffix(WITHOUT_VNNI)


def read_memory_mb() -> dict[str, int]:
    """Return the memory of each function by the template's defaults, by its name without "Function"."""
    template = read_template(ROOT / "template.yaml")
    usual = template["Globals"]["Function"]["MemorySize"]
    return {
        name.removesuffix("Function"): _resolve(resource["Properties"].get("MemorySize", usual), template)
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _resolve(value: Any, template: Mapping[str, Any]) -> int:
    return int(template["Parameters"][value["Ref"]]["Default"] if isinstance(value, dict) else value)


def tables(rows: Sequence[Measured], memory_mb: Mapping[str, int]) -> str:
    """Format all tables as Markdown."""
    sums = [_table(("a million", "way in", "CPU ms", "arm64", "x86_64", "most of it, on arm64"), _sum_rows(rows, memory_mb))]
    parts = [_table(("on arm64", "way in", *COLUMNS), _part_rows(rows, memory_mb))]
    goals = "\n".join(_goal_lines(rows, memory_mb))
    return "\n\n".join((*sums, goals, *parts, _table(("instead", "USD for a million"), _other_rows())))


def _goal_lines(rows: Sequence[Measured], memory_mb: Mapping[str, int]) -> Iterator[str]:
    for model in dict.fromkeys(row.model for row in rows):
        goal, ways = GOALS.get(_plain(model), USUAL_GOAL), [row for row in rows if (row.model, row.noun) == (model, "photos")]
        for architecture in USD_PER_GB_S:
            met = [row.way for row in ways if sum(row.terms(memory_mb, architecture).values()) <= goal]
            by = ", ".join(met) or "none of these ways"
            line = f"- {model}: a million photos cost at most {goal} USD on {architecture} by: {by}."
            yield textwrap.fill(line, PAGE_WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _sum_rows(rows: Sequence[Measured], memory_mb: Mapping[str, int]) -> Iterator[Sequence[str]]:
    for row in rows:
        terms = row.terms(memory_mb, "arm64")
        largest = max(terms, key=lambda term: terms[term])
        arm64, x86 = sum(terms.values()), sum(row.terms(memory_mb, "x86_64").values())
        most = f"{largest}, {terms[largest] / arm64:.0%}"
        yield (f"{row.noun}, {row.model}", row.way, f"{row.cpu_ms:.1f}", f"{arm64:.2f}", f"{x86:.2f}", most)


def _part_rows(rows: Sequence[Measured], memory_mb: Mapping[str, int]) -> Iterator[Sequence[str]]:
    for row in rows:
        terms = row.terms(memory_mb, "arm64")
        parts = [sum(terms.get(term, 0.0) for term in column) for column in COLUMNS.values()]
        yield (f"{row.noun}, {row.model}", row.way, *(f"{part:.2f}" for part in parts))


def _other_rows() -> Iterator[Sequence[str]]:
    gpus = GpuWorkers(workers=1, usd_per_h=prices.G6_XLARGE_SPOT_USD_PER_H)
    for noun, size in (("photos", {"images": 1_000_000}), ("texts", {"texts": 1_000_000})):
        estimate = estimate_on_gpus(BulkSize(**{"texts": 0, "images": 0, "spans": 1_000} | size), gpus, SampleRates())
        yield (f"{noun}, a bulk job on one g6.xlarge, Spot, estimated", f"{estimate.usd:.2f}")
    yield ("photos, Rekognition DetectLabels", f"{prices.REKOGNITION_USD_PER_IMAGE * 1e6:,.0f}")
    for priority, usd in prices.CLASSER_USD_PER_TOKEN.items():
        yield (f"texts of {TEXT_TOKENS} tokens, Classer, {priority}", f"{usd * TEXT_TOKENS * 1e6:,.0f}")


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = list(rows)
    is_number = [all(line[column].replace(",", "").replace(".", "").isdigit() for line in lines) for column in range(len(head))]
    rule = ["---:" if number else "---" for number in is_number]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))


def content() -> str:
    """Format the stored figures, and what they were measured on."""
    rows, runs = read_stored(), read_runs()
    lines = [f"- {model}: {runs[model].removesuffix(':')}" for model in dict.fromkeys(row.model for row in rows)]
    return "\n".join(line.replace("\n", "\n  ") for line in lines) + "\n\n" + tables(rows, read_memory_mb())


def write() -> str:
    """Write the tables into the page, and return them."""
    written = content()
    document_region.fill(PAGE, REGION, written)
    return written
