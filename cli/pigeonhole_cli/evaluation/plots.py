"""The pictures of a report: how sure answers should have been, what is taken for what, and the surest mistakes as a sheet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pigeonhole.errors import SampleError
from pigeonhole.inference.images.decode import ImageLimits, open_image
from pigeonhole_cli.evaluation import metrics
from pigeonhole_cli.evaluation.data import Item
from pigeonhole_cli.evaluation.evaluation import Evaluation, Mistake, cut, joined, shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
MANY_CLASSES, FEW_CLASSES = 40, 12  # above: no names beside the confusion matrix; up to: numbers in its cells
MISTAKES_IN_A_ROW = 6
TILE, GAP, LINE = 190, 14, 18  # pixels of the sheet of mistakes
RIGHT, WRONG = "#117733", "#aa3311"


def save(figure: Figure, path: Path) -> None:
    """Write a chart."""
    with warnings.catch_warnings():  # a label's character that the font lacks is drawn as a box, which says enough
        warnings.simplefilter("ignore")
        figure.savefig(path, dpi=DPI)


def reliability(evaluation: Evaluation) -> Figure:
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


def confusion(evaluation: Evaluation) -> Figure:
    """The confusion matrix, rows as parts of their class. Many classes have no names, and lie beside those they resemble."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counts = metrics.confusion(evaluation.scored[0])
    names = [cut(label.name, 24) for label in evaluation.readable[0].task.labels]
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


def sheet(wrong: Sequence[Mistake]) -> Image.Image:
    """The pictures of mistakes, each with its truth, the answer and how sure it was."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"  # its DejaVu knows more scripts than Pillow's own font
    plain, bold = (ImageFont.truetype(fonts / name, 12) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
    across = min(MISTAKES_IN_A_ROW, len(wrong))
    height = TILE + 2 * LINE + GAP
    rows = -(-len(wrong) // across)
    page = Image.new("RGB", (GAP + across * (TILE + GAP), GAP + rows * height), "white")
    draw = ImageDraw.Draw(page)
    for place, mistake in enumerate(wrong):
        left, top = GAP + place % across * (TILE + GAP), GAP + place // across * height
        picture = ImageOps.contain(_picture(mistake.item), (TILE, TILE), Image.Resampling.LANCZOS)
        page.paste(picture, (left + (TILE - picture.width) // 2, top + TILE - picture.height))
        sure = f"{mistake.probability:.0%}"
        draw.rectangle((left + TILE - bold.getlength(sure) - 8, top, left + TILE, top + LINE), "white")
        draw.text((left + TILE - 4, top + 1), sure, WRONG, bold, anchor="ra")
        draw.text((left, top + TILE + 3), _within(joined(mistake.truth), plain, TILE), RIGHT, plain)
        draw.text((left, top + TILE + 3 + LINE), _within("→ " + joined(mistake.answer), bold, TILE), WRONG, bold)
    return page


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
