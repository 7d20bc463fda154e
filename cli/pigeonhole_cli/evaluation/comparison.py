"""Print the evaluations of several models side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pigeonhole_cli.evaluation import report
from pigeonhole_cli.evaluation.evaluation import Evaluation, format_estimate, mean_title
from pigeonhole_cli.evaluation.metrics import TITLES, Estimate
from pigeonhole_cli.evaluation.run import Answers


def print_comparison(evaluations: Sequence[Evaluation], folder: Path) -> None:
    """Print a table with a column per model, and where the reports are."""
    groups = list(dict.fromkeys(group for evaluation in evaluations for group in evaluation.estimates.groups))
    if groups:
        _print_sets(evaluations, groups)
    table = Table("metric", caption="in brackets: 95 % intervals over samples")
    for evaluation in evaluations:
        table.add_column(Text(evaluation.name))
    for group in groups if len(groups) > 1 else [None]:
        for name, title in TITLES.items():
            estimates = [
                (evaluation.estimates.overall if group is None else evaluation.estimates.groups.get(group, {})).get(name)
                for evaluation in evaluations
            ]
            if any(estimates):
                row = (format_estimate(name, estimate) if estimate else "" for estimate in estimates)
                table.add_row(Text(f"{title}, {group}" if group else title), *row)
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


def _print_sets(evaluations: Sequence[Evaluation], groups: Sequence[str]) -> None:
    """Print the balanced accuracy of each set, or the macro F1 if several labels may be right."""
    metric = next(name for name in ("balanced_accuracy", "macro_f1") if name in evaluations[0].estimates.overall)
    table = Table("set", "labels", "samples", title=TITLES[metric])
    for evaluation in evaluations:
        table.add_column(Text(evaluation.name))
    for group in sorted(groups):
        columns = [dict(_by_name(evaluation, group)) for evaluation in evaluations]
        sets = {name: answers for column in columns for name, (answers, _) in column.items()}
        for name, answers in sets.items():
            row = [format_estimate(metric, column[name][1][metric]) if name in column else "" for column in columns]
            table.add_row(Text(name), str(len(answers.task.labels)), f"{len(answers.answered):,}", *row)
        table.add_section()
        means = [evaluation.estimates.groups.get(group, {}).get(metric) for evaluation in evaluations]
        row = [format_estimate(metric, mean) if mean else "" for mean in means]
        samples = sum(len(answers.answered) for answers in sets.values())
        table.add_row(Text(mean_title(group, len(sets))), "", f"{samples:,}", *row, style="bold", end_section=True)
    Console().print(table)


def _by_name(evaluation: Evaluation, group: str) -> Iterator[tuple[str, tuple[Answers, Mapping[str, Estimate]]]]:
    for answers, estimates in evaluation.grouped.get(group, ()):
        yield answers.task.name, (answers, estimates)
