"""The report of one model on some tasks: results.json for programs; report.md and its pictures for people."""

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

from pigeonhole_cli.evaluation import metrics, plots
from pigeonhole_cli.evaluation.evaluation import Evaluation, Mistake, cut, joined, mistakes, shown
from pigeonhole_cli.evaluation.metrics import Estimate, Scored
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
SHOWN_PAIRS, SHOWN_CLASSES, SHOWN_FAULTS = 15, 50, 20  # lines in report.md; results.json has all of them


def missing_package() -> str | None:
    """Name what isn't installed and how to get it, before any work is done; None where all is there."""
    if importlib.util.find_spec("matplotlib"):
        return None
    return "the report's charts need matplotlib: pip install -e '.[eval]'"


def write(folder: Path, evaluation: Evaluation) -> dict[str, Any]:
    """Write the report into `folder`, in place of an earlier one, and give what results.json holds.

    The files are made elsewhere and moved there at the end, so that whoever stops this half-way has the earlier report or none.
    """
    found, wrong = results(evaluation), mistakes(evaluation)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        (partial / RESULTS).write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        plots.save(plots.reliability(evaluation), partial / RELIABILITY)
        if evaluation.has_confusion:
            plots.save(plots.confusion(evaluation), partial / CONFUSION)
        if of_pictures := [mistake for mistake in wrong if mistake.item.type == "image"]:
            plots.sheet(of_pictures).save(partial / MISTAKES)
        (partial / REPORT).write_text(_markdown(evaluation, wrong), encoding="utf-8")
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (partial / name).exists():
                (partial / name).replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def results(evaluation: Evaluation) -> dict[str, Any]:
    """What results.json holds. Metrics are fractions, not percentages; intervals are of 95 %."""
    options = asdict(evaluation.options)
    del options["multiple_labels"], options["top_k"]  # a task says whether there are several labels; all of them are ranked
    measured = dict(
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
        "data": {"path": evaluation.data, "limit": evaluation.limit, "seed": evaluation.seed},
        "counts": evaluation.counts,
        "seconds": round(evaluation.seconds, 3),
        "metrics": _plain(evaluation.estimates.overall),
        "tasks": [_task(it, *measured.get(id(it), (None, {}))) for it in evaluation.answers],
    }


def _task(it: Answers, scored: Scored | None, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        "name": it.task.name,
        "multiple_labels": it.task.multiple,
        "counts": {"items": len(it.task.items), "answered": len(it.answered), "faults": len(it.faults)},
        "metrics": _plain(estimates),
        "classes": list(_classes(it, scored)) if scored else [],
        "faults": [asdict(fault) for fault in it.faults],
        "warnings": list(it.warnings),
    }


def _plain(estimates: Mapping[str, Estimate]) -> dict[str, dict[str, float]]:
    return {name: {part: round(value, 6) for part, value in asdict(each).items()} for name, each in estimates.items()}


def _classes(it: Answers, scored: Scored) -> Iterator[dict[str, Any]]:
    found = metrics.per_class(scored)
    for index, label in enumerate(it.task.labels):
        yield {
            "label": label.name,
            "precision": round(float(found.precision[index]), 6),
            "recall": round(float(found.recall[index]), 6),
            "f1": round(float(found.f1[index]), 6),
            "support": int(found.support[index]),
        }


def _markdown(evaluation: Evaluation, wrong: Sequence[Mistake]) -> str:
    parts = [*_head(evaluation), *_figures(evaluation), *_mistakes_of(wrong), *_tables(evaluation), *_trouble(evaluation)]
    return "\n".join(parts) + "\n"


def _head(evaluation: Evaluation) -> Iterator[str]:
    counts, model, options = evaluation.counts, evaluation.model, evaluation.options
    yield f"# {_cell(evaluation.name)} on {_cell(Path(evaluation.data).name)}\n"
    yield from _table(
        ("metric", "value (95 % interval)"),
        [(metrics.TITLES[name], shown(name, each)) for name, each in evaluation.estimates.overall.items()],
    )
    many = f"Means over {counts['tasks']} tasks. " if counts["tasks"] > 1 else ""
    unread = f"; **{counts['faults']} could not be read** and are in no figure" if counts["faults"] else ""
    yield f"{many}{counts['answered']} of {counts['items']} samples{unread}. {evaluation.seconds:.1f} s."
    yield "Intervals: percentile bootstrap over samples. Calibration error: 15 bins of equal width.\n"
    facts = {
        "model": f"{model.model_id}, revision {model.revision}, {'calibrated' if model.calibrated else 'not calibrated'}",
        "engine": model.engine,
        "text encoder": model.text_encoder,
        "data": evaluation.data + (f", {evaluation.limit} drawn with seed {evaluation.seed}" if evaluation.limit else ""),
        "templates": ", ".join(options.templates) if options.templates else "the model's own",
        "instruction": options.instruction or "none",
        "threshold": "the calibration's" if options.threshold is None else f"{options.threshold:g}",
    }
    yield from _table(("what", "value"), [(name, _cell(value)) for name, value in facts.items()])
    yield f"```sh\n{evaluation.command}\n```\n"


def _figures(evaluation: Evaluation) -> Iterator[str]:
    yield f"## Calibration\n\n![How often answers of each probability are right]({RELIABILITY})\n"
    if not evaluation.has_confusion:
        return
    yield f"## Confusion\n\n![Each class's answers]({CONFUSION})\n"
    counts, labels = metrics.confusion(evaluation.scored[0]), evaluation.readable[0].task.labels
    wrong = counts - np.diag(np.diag(counts))
    share = wrong / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    order = np.argsort(-(wrong + share / 2), axis=None, kind="stable")[:SHOWN_PAIRS]  # by samples, then by their share
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


def _mistakes_of(wrong: Sequence[Mistake]) -> Iterator[str]:
    if not wrong:
        return
    yield "## The surest mistakes\n"
    if any(mistake.item.type == "image" for mistake in wrong):
        yield f"Green: the truth. Red: the answer, and its probability.\n\n![The pictures]({MISTAKES})\n"
    if texts := [mistake for mistake in wrong if mistake.item.type == "text"]:
        yield from _table(
            ("text", "truth", "answer", "probability"),
            [
                (_cell(it.item.value), _cell(joined(it.truth)), _cell(joined(it.answer)), f"{it.probability:.2f}")
                for it in texts
            ],
        )


def _tables(evaluation: Evaluation) -> Iterator[str]:
    measured = list(zip(evaluation.readable, evaluation.scored, evaluation.estimates.tasks, strict=True))
    if len(measured) > 1:
        yield "## Tasks\n"
        columns = list(evaluation.estimates.overall)
        yield from _table(
            ("task", "samples", "labels", *(metrics.TITLES[name] for name in columns)),
            [
                (
                    _cell(it.task.name),
                    str(len(it.answered)),
                    str(len(it.task.labels)),
                    *(shown(name, estimates[name]) if name in estimates else "" for name in columns),
                )
                for it, _, estimates in measured
            ],
        )
        return
    yield "## Classes, the hardest first\n"
    classes = sorted(_classes(*measured[0][:2]), key=lambda each: each["f1"])
    yield from _table(
        ("label", "precision", "recall", "F1", "samples"),
        [
            (_cell(it["label"]), *(f"{100 * it[part]:.1f} %" for part in ("precision", "recall", "f1")), str(it["support"]))
            for it in classes[:SHOWN_CLASSES]
        ],
    )
    if len(classes) > SHOWN_CLASSES:
        yield f"{len(classes) - SHOWN_CLASSES} more are in {RESULTS}.\n"


def _trouble(evaluation: Evaluation) -> Iterator[str]:
    faults = [fault for it in evaluation.answers for fault in it.faults]
    if faults:
        yield f"## {len(faults)} samples that could not be read\n"
        yield from _table(("where", "why"), [(_cell(it.where), _cell(it.message)) for it in faults[:SHOWN_FAULTS]])
    said = list(dict.fromkeys(warning for it in evaluation.answers for warning in it.warnings))
    if said:
        yield f"## {len(said)} warnings\n"
        yield from (f"- {_cell(warning)}" for warning in said[:SHOWN_FAULTS])
        yield ""
    if max(len(faults), len(said)) > SHOWN_FAULTS:
        yield f"All of them are in {RESULTS}.\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _cell(text: str) -> str:
    """A text as Markdown shows it: on one line, cut, and no character of it taken for markup."""
    return "".join(f"\\{each}" if each in "\\|`*_<>[]" else each for each in cut(text, 200))
