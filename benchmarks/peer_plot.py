"""The plot of benchmarks/peers.py: a row of bars per side, one panel per size of requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib

NEW, CACHED = "#9a8f83", "#0f766e"
BAR = 0.38  # of the distance between two sides


def draw(medians: Mapping[tuple[int, str], Mapping[str, float]], path: Path) -> None:
    """Draw images per second as an SVG file, the same for the same figures.

    Args:
        medians: Images per second by side, by photos per request and "new" or "cached".
        path: The file.
    """
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none"})
    from matplotlib import pyplot

    counts = sorted({count for count, _ in medians})
    names = [*next(iter(medians.values()))]
    figure, panels = pyplot.subplots(1, len(counts), figsize=(11, 0.55 * len(names) + 1.2), sharey=True, squeeze=False)
    for panel, count in zip(panels[0], counts, strict=True):
        for offset, labels, colour in ((-BAR / 2, "new", NEW), (BAR / 2, "cached", CACHED)):
            rates = medians[count, labels]
            rows = [index for index, name in enumerate(names) if name in rates]
            bars = panel.barh(
                [row + offset for row in rows],
                [rates[names[row]] for row in rows],
                height=BAR,
                color=colour,
                label=f"{labels} labels",
            )
            panel.bar_label(bars, fmt="%.1f", padding=3, fontsize=8)
        panel.set_title(f"{count} photo{'s' if count > 1 else ''} per request", fontsize=10)
        panel.set_xlabel("images per second")
        panel.margins(x=0.2)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(axis="y", length=0)
    panels[0][0].set_yticks(range(len(names)), [name.replace("`", "") for name in names])
    panels[0][0].invert_yaxis()
    panels[0][-1].legend(frameon=False, fontsize=8, loc="upper right")
    figure.patch.set_facecolor("white")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
