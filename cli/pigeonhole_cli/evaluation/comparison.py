"""Print the evaluations of several models side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pigeonhole_cli.evaluation import report
from pigeonhole_cli.evaluation.evaluation import Evaluation, format_estimate
from pigeonhole_cli.evaluation.metrics import TITLES


def print_comparison(
    evaluations: Sequence[Evaluation], contents: Sequence[dict[str, Any]], folder: Path, *, as_json: bool
) -> None:
    """Print a table with a column per model, or the content of their results.json files as JSON."""
    if as_json:
        typer.echo(json.dumps(contents, indent=2, ensure_ascii=False))
        return
    table = Table("metric", caption="in brackets: 95 % intervals over samples")
    for evaluation in evaluations:
        table.add_column(Text(evaluation.name))
    for name, title in TITLES.items():
        estimates = [evaluation.estimates.overall.get(name) for evaluation in evaluations]
        if any(estimates):
            table.add_row(title, *(format_estimate(name, estimate) if estimate else "" for estimate in estimates))
    table.add_row("samples", *(f"{evaluation.counts['answered']:,}" for evaluation in evaluations), end_section=True)
    if any(evaluation.counts["faults"] for evaluation in evaluations):
        table.add_row("could not be read", *(f"{evaluation.counts['faults']:,}" for evaluation in evaluations))
    table.add_row("calibrated", *("yes" if evaluation.model.calibrated else "no" for evaluation in evaluations))
    table.add_row("samples/s", *(f"{evaluation.counts['answered'] / evaluation.seconds:,.0f}" for evaluation in evaluations))
    Console().print(table)
    for evaluation in evaluations:
        if faults := evaluation.counts["faults"]:
            typer.echo(
                f"{evaluation.name}: {faults} samples could not be read and are in no metric; the report names them",
                err=True,
            )
        typer.echo(f"{evaluation.name}: {folder / evaluation.name / report.REPORT}")
