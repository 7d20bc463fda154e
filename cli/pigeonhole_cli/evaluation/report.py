"""The report of one model: results.json for programs, report.md and its figures for people."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pigeonhole_cli.evaluation import plots
from pigeonhole_cli.evaluation.breakdowns import confusion_matrix, measure_classes
from pigeonhole_cli.evaluation.evaluation import (
    Evaluation,
    Mistake,
    find_mistakes,
    format_estimate,
    join_labels,
    mean_title,
    shorten,
)
from pigeonhole_cli.evaluation.metrics import TITLES, Estimate, Scored
from pigeonhole_cli.evaluation.run import Answers

SCHEMA_VERSION = 1
RESULTS, REPORT, RELIABILITY, CONFUSION, MISTAKES = (
    "results.json",
    "report.md",
    "reliability.png",
    "confusion.png",
    "mistakes.png",
)
FILES = (RELIABILITY, CONFUSION, MISTAKES, REPORT, RESULTS)
# The most lines of report.md's tables; results.json has all entries.
MAX_PAIRS, MAX_CLASSES, MAX_FAULTS = 15, 50, 20


def missing_package() -> str | None:
    """Return how to install what the report needs, or None if it is installed."""
    if importlib.util.find_spec("matplotlib"):
        return None
    return "the report's charts need matplotlib: pip install -e '.[eval]'"


def write(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Write the report into `folder`, in place of an earlier one, and return the content of results.json.

    The files are written to a temporary folder and moved at the end. An interruption leaves the earlier report or none.
    """
    content, mistakes = results_content(evaluation), find_mistakes(evaluation)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        (partial / RESULTS).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        plots.save(plots.plot_reliability(evaluation), partial / RELIABILITY)
        if evaluation.has_confusion:
            plots.save(plots.plot_confusion(evaluation), partial / CONFUSION)
        if image_mistakes := [mistake for mistake in mistakes if mistake.item.type == "image"]:
            plots.draw_mistakes(image_mistakes).save(partial / MISTAKES)
        (partial / REPORT).write_text(_markdown(evaluation, mistakes), encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (partial / name).exists():
                (partial / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return content


def results_content(evaluation: Evaluation) -> dict[str, Any]:
    """Return the content of results.json. Metrics are fractions, not percentages. Intervals are 95 % intervals."""
    options = asdict(evaluation.options)
    # Each task says whether several labels may be true, and all labels are ranked.
    del options["multiple_labels"], options["top_k"]
    by_answers = dict(
        zip(map(id, evaluation.readable), zip(evaluation.scored, evaluation.estimates.tasks, strict=True), strict=True)
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "made_by": f"pigeonhole {version('pigeonhole')}",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": evaluation.command,
        "name": evaluation.name,
        "model": {
            "folder": evaluation.folder,
            **evaluation.model.model_dump(exclude={"version", "input_pixels", "max_text_tokens"}),
        },
        "options": options,
        "data": {"path": _paths(evaluation), "limit": evaluation.limit, "seed": evaluation.seed},
        "counts": evaluation.counts,
        "seconds": round(evaluation.seconds, 3),
        "metrics": _round(evaluation.estimates.overall),
        "groups": [
            {"name": group, "tasks": len(tasks), "metrics": _round(evaluation.estimates.groups[group])}
            for group, tasks in evaluation.grouped.items()
            if group is not None
        ],
        "tasks": [_task_content(answers, *by_answers.get(id(answers), (None, {}))) for answers in evaluation.answers],
    }


def _task_content(answers: Answers, scored: Scored | None, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        "name": answers.task.name,
        "group": answers.task.group,
        "multiple_labels": answers.task.multiple,
        "counts": {
            "items": len(answers.task.items),
            "answered": len(answers.answered),
            "faults": len(answers.faults),
        },
        "metrics": _round(estimates),
        "classes": list(_class_contents(answers, scored)) if scored else [],
        "faults": [asdict(fault) for fault in answers.faults],
        "warnings": list(answers.warnings),
    }


def _round(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: {part: round(value, 6) for part, value in asdict(estimate).items()} for name, estimate in estimates.items()}


def _class_contents(answers: Answers, scored: Scored) -> Iterator[dict[str, Any]]:
    class_metrics = measure_classes(scored)
    for index, label in enumerate(answers.task.labels):
        yield {
            "label": label.name,
            "precision": round(float(class_metrics.precision[index]), 6),
            "recall": round(float(class_metrics.recall[index]), 6),
            "f1": round(float(class_metrics.f1[index]), 6),
            "support": int(class_metrics.support[index]),
        }


def _markdown(evaluation: Evaluation, mistakes: Sequence[Mistake]) -> str:
    parts = [
        *_head(evaluation),
        *_figures(evaluation),
        *_mistakes(mistakes),
        *_classes_or_tasks(evaluation),
        *_faults_and_warnings(evaluation),
    ]
    return "\n".join(parts) + "\n"


def _head(evaluation: Evaluation) -> Iterator[str]:
    counts, model, options = evaluation.counts, evaluation.model, evaluation.options
    yield f"# {_cell(evaluation.name)} on {_cell(', '.join(path.name for path in evaluation.data))}\n"
    yield from _metrics(evaluation)
    means = f"Means over {counts['tasks']} tasks. " if counts["tasks"] > 1 else ""
    unread = f"; **{counts['faults']} could not be read** and are not counted in any metric" if counts["faults"] else ""
    yield f"{means}{counts['answered']} of {counts['items']} samples{unread}. {evaluation.seconds:.1f} s."
    yield "Intervals: percentile bootstrap over samples. Calibration error: 15 bins of equal width.\n"
    facts = {
        "model": f"{model.model_id}, revision {model.revision}, {'calibrated' if model.calibrated else 'not calibrated'}",
        "engine": model.engine,
        "text encoder": model.text_encoder,
        "data": _paths(evaluation) + (f", {evaluation.limit} drawn with seed {evaluation.seed}" if evaluation.limit else ""),
        "templates": ", ".join(options.templates) if options.templates else "the model's own",
        "instruction": options.instruction or "none",
        "threshold": "the calibration's" if options.threshold is None else f"{options.threshold:g}",
    }
    yield from _table(("what", "value"), [(name, _cell(value)) for name, value in facts.items()])
    yield f"```sh\n{evaluation.command}\n```\n"


def _metrics(evaluation: Evaluation) -> Iterator[str]:
    """Write the means over all tasks, or those of each group of sets if there are several."""
    groups = evaluation.estimates.groups
    columns = groups if len(groups) > 1 else {"": evaluation.estimates.overall}
    yield from _table(
        ("metric", *(f"{_cell(group)} (95 % interval)" if group else "value (95 % interval)" for group in columns)),
        [
            (TITLES[name], *(format_estimate(name, column[name]) if name in column else "" for column in columns.values()))
            for name in evaluation.estimates.overall
        ],
    )


def _paths(evaluation: Evaluation) -> str:
    return ", ".join(map(str, evaluation.data))


def _figures(evaluation: Evaluation) -> Iterator[str]:
    yield f"## Calibration\n\n![How often answers of each probability are right]({RELIABILITY})\n"
    if not evaluation.has_confusion:
        return
    yield f"## Confusion\n\n![Each class's answers]({CONFUSION})\n"
    counts, labels = confusion_matrix(evaluation.scored[0]), evaluation.readable[0].task.labels
    wrong = counts - np.diag(np.diag(counts))
    share = wrong / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    order = np.argsort(-(wrong + share / 2), axis=None, kind="stable")[
        :MAX_PAIRS
    ]  # by the number of samples, then by their share of the class
    pairs = [(row, column) for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True) if wrong[row, column]]
    yield from _table(
        ("truth", "taken for", "samples", "of the class"),
        [
            (
                _cell(labels[row].name),
                _cell(labels[column].name),
                str(wrong[row, column]),
                f"{100 * share[row, column]:.0f} %",
            )
            for row, column in pairs
        ],
    )


def _mistakes(mistakes: Sequence[Mistake]) -> Iterator[str]:
    if not mistakes:
        return
    yield "## Mistakes with the highest probabilities\n"
    if any(mistake.item.type == "image" for mistake in mistakes):
        yield f"Green: the truth. Red: the answer, and its probability.\n\n![The mistaken images]({MISTAKES})\n"
    if texts := [mistake for mistake in mistakes if mistake.item.type == "text"]:
        yield from _table(
            ("text", "truth", "answer", "probability"),
            [
                (
                    _cell(mistake.item.value),
                    _cell(join_labels(mistake.truth)),
                    _cell(join_labels(mistake.answer)),
                    f"{mistake.probability:.2f}",
                )
                for mistake in texts
            ],
        )


def _classes_or_tasks(evaluation: Evaluation) -> Iterator[str]:
    if len(evaluation.readable) > 1:
        yield from _tasks(evaluation)
        return
    yield "## Classes, the lowest F1 first\n"
    classes = sorted(_class_contents(evaluation.readable[0], evaluation.scored[0]), key=lambda content: content["f1"])
    yield from _table(
        ("label", "precision", "recall", "F1", "samples"),
        [
            (
                _cell(content["label"]),
                *(f"{100 * content[part]:.1f} %" for part in ("precision", "recall", "f1")),
                str(content["support"]),
            )
            for content in classes[:MAX_CLASSES]
        ],
    )
    if len(classes) > MAX_CLASSES:
        yield f"{len(classes) - MAX_CLASSES} more are in {RESULTS}.\n"


def _tasks(evaluation: Evaluation) -> Iterator[str]:
    """Write the metrics of each task. Those of sets are sorted by group, with the means below them."""
    yield "## Tasks\n"
    columns = list(evaluation.estimates.overall)

    def cells(estimates: Mapping[str, Estimate]) -> Iterator[str]:
        return (format_estimate(name, estimates[name]) if name in estimates else "" for name in columns)

    rows = []
    for group, tasks in evaluation.grouped.items():
        for answers, estimates in tasks:
            row = (_cell(answers.task.name), str(len(answers.answered)), str(len(answers.task.labels)), *cells(estimates))
            rows.append(row)
        if group is not None:
            samples = str(sum(len(answers.answered) for answers, _ in tasks))
            title = f"**{_cell(mean_title(group, len(tasks)))}**"
            rows.append((title, samples, "", *cells(evaluation.estimates.groups[group])))
    yield from _table(("task", "samples", "labels", *(TITLES[name] for name in columns)), rows)


def _faults_and_warnings(evaluation: Evaluation) -> Iterator[str]:
    faults = [fault for answers in evaluation.answers for fault in answers.faults]
    if faults:
        yield f"## {len(faults)} samples that could not be read\n"
        yield from _table(("where", "why"), [(_cell(fault.where), _cell(fault.message)) for fault in faults[:MAX_FAULTS]])
    warnings = list(dict.fromkeys(warning for answers in evaluation.answers for warning in answers.warnings))
    if warnings:
        yield f"## {len(warnings)} warnings\n"
        yield from (f"- {_cell(warning)}" for warning in warnings[:MAX_FAULTS])
        yield ""
    if max(len(faults), len(warnings)) > MAX_FAULTS:
        yield f"All of them are in {RESULTS}.\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _cell(text: str) -> str:
    """Return a text for a Markdown table: on one line, shortened, with markup characters escaped."""
    return "".join(f"\\{char}" if char in "\\|`*_<>[]" else char for char in shorten(text, 200))
