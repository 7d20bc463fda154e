"""The figures of a report: the reliability diagram, the confusion matrix, and a sheet of mistaken images."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from pigeonhole.errors import SampleError
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole_cli.evaluation.breakdowns import confusion_matrix, measure_reliability
from pigeonhole_cli.evaluation.evaluation import Evaluation, Mistake, format_estimate, join_labels, shorten
from pigeonhole_cli.evaluation.item import Item
from pigeonhole_cli.evaluation.metrics import BINS, Ints

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
# Of the confusion matrix: the most classes whose names are printed, and the most classes with numbers in the cells.
MAX_NAMED_CLASSES, MAX_NUMBERED_CLASSES = 40, 12
MISTAKES_PER_ROW = 6
TILE, GAP, LINE = 190, 14, 18  # of the sheet of mistakes, in pixels
RIGHT, WRONG = "#117733", "#aa3311"


def save(figure: Figure, path: Path) -> None:
    """Write a chart as a PNG file."""
    with warnings.catch_warnings():  # a character that the font lacks is drawn as a box, and matplotlib warns
        warnings.simplefilter("ignore")
        figure.savefig(path, dpi=DPI)


def plot_reliability(evaluation: Evaluation) -> Figure:
    """Plot the share of true claims by their probability, and below it the number of claims."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    bins = measure_reliability(evaluation.scored)
    middles, width = (np.arange(BINS) + 0.5) / BINS, 1 / BINS
    filled = bins.counts > 0
    figure = Figure(figsize=(6, 6.6), layout="constrained")
    above, below = figure.subplots(2, height_ratios=(3, 1), sharex=True)
    above.plot((0, 1), (0, 1), color="0.4", linestyle="--", linewidth=1, label="perfectly calibrated")
    above.bar(middles[filled], bins.accuracy[filled], width * 0.92, color="#4477aa", label="measured")
    gaps = bins.confidence - bins.accuracy
    above.bar(
        middles[filled], gaps[filled], width * 0.92, bins.accuracy[filled], color="#ee667744", edgecolor="#cc3311", label="gap"
    )
    above.set(ylabel="share of right answers", ylim=(0, 1), xlim=(0, 1))
    error = evaluation.estimates.overall["calibration_error"]
    above.set_title(
        f"{evaluation.name}: calibration error {format_estimate('calibration_error', error)}", fontsize=11, parse_math=False
    )
    above.legend(loc="upper left", frameon=False)
    below.bar(middles, bins.counts / bins.counts.sum(), width * 0.92, color="0.6")
    below.set(xlabel="probability of the answer", ylabel="share of all answers")
    for axes in (above, below):
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.spines[["top", "right"]].set_visible(False)
    below.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def plot_confusion(evaluation: Evaluation) -> Figure:
    """Plot the confusion matrix, each row as shares of its class. Many classes are sorted by similarity, without names."""
    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    counts = confusion_matrix(evaluation.scored[0])
    names = [shorten(label.name, 24) for label in evaluation.readable[0].task.labels]
    is_named, is_numbered = len(names) <= MAX_NAMED_CLASSES, len(names) <= MAX_NUMBERED_CLASSES
    order = np.arange(len(names)) if is_named else _similarity_order(counts)
    rates = (counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))[np.ix_(order, order)]
    side = max(4.5, 2.5 + 0.26 * len(names)) if is_named else 9.0
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    # The square root makes rare confusions visible beside the diagonal.
    image = axes.imshow(rates, cmap="Blues", norm=PowerNorm(0.5, 0, 1), interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.7, format=PercentFormatter(1, decimals=0), label="share of the class's samples")
    axes.set(xlabel="answer", ylabel="truth")
    if is_named:
        axes.set_title(evaluation.name, parse_math=False)
        axes.set_xticks(range(len(names)), names, rotation=90, parse_math=False)
        axes.set_yticks(range(len(names)), names, parse_math=False)
    else:
        axes.set(xticks=[], yticks=[], title=f"{evaluation.name}: {len(names)} classes, sorted by similarity")
    for row, column in np.ndindex(rates.shape) if is_numbered else ():
        colour = "white" if rates[row, column] > 0.4 else "black"
        axes.text(column, row, f"{100 * rates[row, column]:.0f}", ha="center", va="center", color=colour, fontsize=9)
    return figure


def _similarity_order(counts: Ints) -> Ints:
    """Order classes so that confused classes are neighbours: by the Fiedler vector of their confusions.

    Spectral envelope reduction, Barnard, Pothen & Simon 1995.
    """
    shared = (counts + counts.T).astype(np.float64) + 1e-3  # the constant connects classes without any confusion
    np.fill_diagonal(shared, 0)
    roots = 1 / np.sqrt(shared.sum(axis=1))
    _, vectors = np.linalg.eigh(np.eye(len(shared)) - roots[:, None] * shared * roots)
    return np.argsort(vectors[:, 1] * roots, kind="stable")


def draw_mistakes(mistakes: Sequence[Mistake]) -> Image.Image:
    """Draw a sheet of mistaken images, each with its truth, the answer and the answer's probability."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts/ttf"  # DejaVu has more scripts than Pillow's own font
    plain, bold = (ImageFont.truetype(fonts / name, 12) for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"))
    across = min(MISTAKES_PER_ROW, len(mistakes))
    height = TILE + 2 * LINE + GAP
    rows = -(-len(mistakes) // across)
    page = Image.new("RGB", (GAP + across * (TILE + GAP), GAP + rows * height), "white")
    draw = ImageDraw.Draw(page)
    for index, mistake in enumerate(mistakes):
        left, top = GAP + index % across * (TILE + GAP), GAP + index // across * height
        image = ImageOps.contain(_thumbnail(mistake.item), (TILE, TILE), Image.Resampling.LANCZOS)
        page.paste(image, (left + (TILE - image.width) // 2, top + TILE - image.height))
        probability = f"{mistake.probability:.0%}"
        draw.rectangle((left + TILE - bold.getlength(probability) - 8, top, left + TILE, top + LINE), "white")
        draw.text((left + TILE - 4, top + 1), probability, WRONG, bold, anchor="ra")
        draw.text((left, top + TILE + 3), _fit_text(join_labels(mistake.truth), plain, TILE), RIGHT, plain)
        draw.text((left, top + TILE + 3 + LINE), _fit_text("→ " + join_labels(mistake.answer), bold, TILE), WRONG, bold)
    return page


def _thumbnail(item: Item) -> Image.Image:
    try:
        return open_image(item.read(), ImageLimits(), side=TILE)
    except SampleError:  # the classifier has read it, so the file was moved since
        return Image.new("RGB", (TILE, TILE), "#dddddd")


def _fit_text(text: str, font: ImageFont.FreeTypeFont, max_pixels: float) -> str:
    """Shorten a text to a width."""
    text = " ".join(text.split())
    while font.getlength(text) > max_pixels:
        text = text.removesuffix("…")[:-1].rstrip() + "…"
    return text
