"""The report of one model on some tasks: results.json for programs; report.md and its pictures for people."""

from __future__ import annotations

import importlib.util
import json
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pigeonhole.classifier import Options
from pigeonhole.errors import SampleError
from pigeonhole.images import ImageLimits, open_image
from pigeonhole.messages import ModelDescription
from pigeonhole_cli.quality import metrics
from pigeonhole_cli.quality.data import Item
from pigeonhole_cli.quality.metrics import Estimate, Estimates, Scored
from pigeonhole_cli.quality.run import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA_VERSION = 1
RESULTS, REPORT, RELIABILITY, CONFUSION, MISTAKES = (
    "results.json",
    "report.md",
    "reliability.png",
    "confusion.png",
    "mistakes.png",
)
FILES = (RELIABILITY, CONFUSION, MISTAKES, REPORT, RESULTS)
DPI = 120
MANY_CLASSES, FEW_CLASSES = 40, 12  # above: no names beside the confusion matrix; up to: numbers in its cells
SHOWN_PAIRS, SHOWN_CLASSES, SHOWN_FAULTS = 15, 50, 20  # lines in report.md; results.json has all of them
SHOWN_MISTAKES, MISTAKES_IN_A_ROW = 24, 6
TILE, GAP, LINE = 190, 14, 18  # pixels of the sheet of mistakes
RIGHT, WRONG = "#117733", "#aa3311"


@dataclass(frozen=True)
class Evaluation:
    """One model's answers, and what led to them. `name`: the model's, among those that are compared; `seconds`: of running."""

    name: str
    folder: str
    model: ModelDescription
    options: Options
    data: str
    limit: int | None
    seed: int
    answers: tuple[Answers, ...]
    seconds: float
    command: str

    @cached_property
    def scored(self) -> tuple[Scored, ...]:
        """The answers of each of `readable`, as the metrics take them."""
        return tuple(
            Scored(
                metrics.matrix(it.truth, len(it.task.labels)),
                metrics.matrix(it.chosen, len(it.task.labels)),
                it.probabilities,
                it.task.multiple,
            )
            for it in self.readable
        )

    @cached_property
    def readable(self) -> tuple[Answers, ...]:
        """The tasks of which at least one item could be read."""
        return tuple(it for it in self.answers if it.answered)

    @cached_property
    def estimates(self) -> Estimates:
        """Metrics and intervals; `tasks` are those of `readable`."""
        return metrics.estimate(self.scored)

    @property
    def counts(self) -> dict[str, int]:
        """Tasks, items, and how many of the items were answered or couldn't be read."""
        items, answered = sum(len(it.task.items) for it in self.answers), sum(len(it.answered) for it in self.answers)
        return {"tasks": len(self.answers), "items": items, "answered": answered, "faults": items - answered}


@dataclass(frozen=True)
class Mistake:
    """A wrong answer. `probability`: that of the best wrong label; where labels are only missing, how sure it was of that."""

    item: Item
    truth: tuple[str, ...]
    answer: tuple[str, ...]
    probability: float


def missing_package() -> str | None:
    """Name what isn't installed and how to get it, before any work is done; None where all is there."""
    if importlib.util.find_spec("matplotlib"):
        return None
    return "the report's charts need matplotlib: pip install -e '.[eval]'"


def shown(name: str, estimate: Estimate) -> str:
    """A metric with its interval, for people: a percentage, but for the Brier score."""
    if name == "brier":
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.1%} ({100 * estimate.low:.1f} to {100 * estimate.high:.1f})".replace("%", " %")


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
        _save(_reliability(evaluation), partial / RELIABILITY)
        if _one_task_of_one_label(evaluation):
            _save(_confusion(evaluation), partial / CONFUSION)
        if pictures := [mistake for mistake in wrong if mistake.item.type == "image"]:
            _sheet(pictures).save(partial / MISTAKES)
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


def mistakes(evaluation: Evaluation) -> list[Mistake]:
    """The wrong answers of which the model was surest, at most SHOWN_MISTAKES."""
    found: list[tuple[float, Answers, int]] = []
    for it, scored in zip(evaluation.readable, evaluation.scored, strict=True):
        extra, missing = scored.chosen & ~scored.truth, scored.truth & ~scored.chosen
        surest = np.where(extra, it.probabilities, 0).max(axis=1)
        surest = np.where(extra.any(axis=1), surest, np.where(missing, 1 - it.probabilities, 0).max(axis=1))
        found += [(float(surest[row]), it, int(row)) for row in np.flatnonzero(~scored.right)]
    found.sort(key=lambda each: -each[0])
    return [
        Mistake(
            it.task.items[it.answered[row]],
            tuple(it.task.labels[index].name for index in it.truth[row]),
            tuple(it.task.labels[index].name for index in it.chosen[row]),
            probability,
        )
        for probability, it, row in found[:SHOWN_MISTAKES]
    ]


def _one_task_of_one_label(evaluation: Evaluation) -> bool:
    """Whether there is a confusion matrix: several labels at once, and several tasks, have none."""
    return len(evaluation.readable) == 1 and not evaluation.readable[0].task.multiple


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():  # a label's character that the font lacks is drawn as a box, which says enough
        warnings.simplefilter("ignore")
        figure.savefig(path, dpi=DPI)


def _reliability(evaluation: Evaluation) -> Figure:
    """Of how many claims of some probability are true, above; how many there are, below."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    bins = metrics.reliability(evaluation.scored)
    middles, width = (np.arange(metrics.BINS) + 0.5) / metrics.BINS, 1 / metrics.BINS
    some = bins.counts > 0
    figure = Figure(figsize=(6, 6.6), layout="constrained")
    above, below = figure.subplots(2, height_ratios=(3, 1), sharex=True)
    above.plot((0, 1), (0, 1), color="0.4", linestyle="--", linewidth=1, label="as it should be")
    above.bar(middles[some], bins.accuracy[some], width * 0.92, color="#4477aa", label="as it is")
    gaps = bins.confidence - bins.accuracy
    above.bar(
        middles[some], gaps[some], width * 0.92, bins.accuracy[some], color="#ee667744", edgecolor="#cc3311", label="the gap"
    )
    above.set(ylabel="of these, right", ylim=(0, 1), xlim=(0, 1))
    error = evaluation.estimates.overall["calibration_error"]
    above.set_title(f"{evaluation.name}: calibration error {shown('calibration_error', error)}", fontsize=11, parse_math=False)
    above.legend(loc="upper left", frameon=False)
    below.bar(middles, bins.counts / bins.counts.sum(), width * 0.92, color="0.6")
    below.set(xlabel="probability of the answer", ylabel="of all answers")
    for axes in (above, below):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.spines[["top", "right"]].set_visible(False)
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def _confusion(evaluation: Evaluation) -> Figure:
    """The confusion matrix, rows as parts of their class. Many classes have no names, and lie beside those they resemble."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counts = metrics.confusion(evaluation.scored[0])
    names = [_cut(label.name, 24) for label in evaluation.readable[0].task.labels]
    many, few = len(names) > MANY_CLASSES, len(names) <= FEW_CLASSES
    order = _neighbours(counts) if many else np.arange(len(names))
    rates = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[np.ix_(order, order)]
    side = 9.0 if many else max(4.5, 2.5 + 0.26 * len(names))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    # The root makes a class's rare confusions visible beside its diagonal.
    image = axes.imshow(rates, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.7, format=PercentFormatter(1, decimals=0), label="of the class's samples")
    axes.set(xlabel="answer", ylabel="truth")
    if many:
        axes.set(xticks=[], yticks=[], title=f"{evaluation.name}: {len(names)} classes, beside those that they are taken for")
    else:
        axes.set_title(evaluation.name, parse_math=False)
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    for row, column in np.ndindex(rates.shape) if few else ():
        colour = "white" if rates[row, column] > 0.4 else "black"
        axes.text(column, row, f"{100 * rates[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=9)
    return figure


def _neighbours(counts: metrics.Ints) -> metrics.Ints:
    """Order classes so that those which are confused lie side by side: by the Fiedler vector of what they share.

    Barnard, Pothen & Simon 1995, spectral envelope reduction. The small constant connects classes that nothing connects.
    """
    shared = (counts + counts.T).astype(np.float64) + 1e-3
    np.fill_diagonal(shared, 0)
    roots = 1 / np.sqrt(shared.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(shared)) - roots[:, None] * shared * roots)
    return np.argsort(vectors[:, 1] * roots, kind="stable")


def _sheet(wrong: Sequence[Mistake]) -> Image.Image:
    """The pictures of mistakes, each with its truth, the answer and how sure it was."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"  # its DejaVu knows more scripts than Pillow's own font
    plain, bold = (ImageFont.truetype(fonts / name, 12) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
    across = min(MISTAKES_IN_A_ROW, len(wrong))
    height = TILE + 2 * LINE + GAP
    rows = -(-len(wrong) // across)
    sheet = Image.new("RGB", (GAP + across * (TILE + GAP), GAP + rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place, mistake in enumerate(wrong):
        left, top = GAP + place % across * (TILE + GAP), GAP + place // across * height
        picture = ImageOps.contain(_picture(mistake.item), (TILE, TILE), Image.Resampling.LANCZOS)
        sheet.paste(picture, (left + (TILE - picture.width) // 2, top + TILE - picture.height))
        sure = f"{mistake.probability:.0%}"
        draw.rectangle((left + TILE - bold.getlength(sure) - 8, top, left + TILE, top + LINE), "white")
        draw.text((left + TILE - 4, top + 1), sure, WRONG, bold, anchor="ra")
        draw.text((left, top + TILE + 3), _within(_names(mistake.truth), plain, TILE), RIGHT, plain)
        draw.text((left, top + TILE + 3 + LINE), _within("→ " + _names(mistake.answer), bold, TILE), WRONG, bold)
    return sheet


def _picture(item: Item) -> Image.Image:
    try:
        return open_image(item.read(), ImageLimits(), side=TILE)
    except SampleError:  # it was read a moment ago, so somebody has moved it
        return Image.new("RGB", (TILE, TILE), "#dddddd")


def _within(text: str, font: ImageFont.FreeTypeFont, pixels: float) -> str:
    """Cut a text to a width."""
    text = " ".join(text.split())
    while font.getlength(text) > pixels:
        text = text.removesuffix("…")[:-1].rstrip() + "…"
    return text


def _names(names: Sequence[str]) -> str:
    return " + ".join(names) or "none"


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
    if not _one_task_of_one_label(evaluation):
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
                (_cell(it.item.value), _cell(_names(it.truth)), _cell(_names(it.answer)), f"{it.probability:.2f}")
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
    return "".join(f"\\{each}" if each in "\\|`*_<>[]" else each for each in _cut(text, 200))


def _cut(text: str, characters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1] + "…"
