"""Compare Pigeonhole with what people would run instead, in one run: images per second, with new and with cached labels.

    python -m pip install --no-deps --target build/peers -r benchmarks/peers.txt
    OPENBLAS_NUM_THREADS=1 python benchmarks/peers.py --packages build/peers --write

The packages of peers.txt stand in a folder of their own: beside a torch for CPUs, torchvision would keep transformers from
starting. A side whose package is missing is left out, and the table says so.

- The models have ViT-B/32's shape and random weights (peer_sides.py). The labels are 24, in one template.
- All sides get the same JPEG bytes and decode them. A request has 1, 8 or 32 photos, in one batch where a side has batches.
- "cached" means that a side's users can keep the labels' embeddings. The pipeline of transformers can't.
- The sides take turns, after one round that isn't counted. The figures are medians of the rounds.

The run also measures how near the image tower in fp32 is to the limit of these cores: its floating-point operations per second,
as a share of those of float32 matrix products with as many threads.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPConfig

import document_region
from classify import create_photos, write_random_clip
from gpu import Shape
from jobs import prepare_clip_shape
from machine import describe_run
from peer_plot import draw
from peer_sides import SAME_WEIGHTS, SIDES, Side, Task, use_packages
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.checkpoints import checkpoint
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

ROOT = Path(__file__).resolve().parents[1]
PAGE, PICTURE = ROOT / "docs/performance.md", ROOT / "docs/pictures/peers.svg"
COUNTS = (1, 8, 32)  # photos per request
LABEL_KINDS = ("new", "cached")
OURS = "Pigeonhole"  # the side that the ratios compare with
BUNDLED, SLOWEST = "Pigeonhole, `tiny`", "transformers, a photo per batch"
TOWER_BATCH = 16
MATRIX = 2_048  # the side of the matrices whose product is the limit
MATRIX_RUNS = 8

Case = tuple[str, int, str]  # side, photos per request, kind of labels


@dataclass
class Timings:
    """The measured seconds of requests.

    Attributes:
        seconds: Of each round, by side, photos and labels.
        missing: Why a side was left out, by its name.
        weights: What the table says of each side's weights.
    """

    seconds: dict[Case, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)

    def rates(self, case: Case) -> list[float] | None:
        """Return the images per second of each round, None if this case wasn't measured."""
        seconds = self.seconds.get(case)
        return seconds and [case[1] / each for each in seconds]

    def ratio(self, one: Case, other: Case) -> str:
        """Format how many times as fast one case is as another: the median of the rounds, and their range."""
        ratios = [theirs / ours for ours, theirs in zip(self.seconds[one], self.seconds[other], strict=True)]
        return f"{statistics.median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})"

    def medians(self, count: int, labels: str) -> dict[str, float]:
        """Return the median images per second by side, for the sides that have this case."""
        rates = {name: self.rates((name, count, labels)) for name in self.weights}
        return {name: statistics.median(each) for name, each in rates.items() if each}


def measure(task: Task, sides: Sequence[Side], counts: Sequence[int], rounds: int) -> Timings:
    """Time all sides on all sizes in turns, after one round that isn't counted.

    Raises:
        SystemExit: Sides with the same weights in float32 disagree on the best label of a photo.
    """
    reasons = {side.name: side.missing(task) for side in sides}
    loaded = [(side, side.load(task)) for side in sides if not reasons[side.name]]
    timings = Timings(
        missing={name: why for name, why in reasons.items() if why},
        weights={side.name: side.weights for side, _ in loaded},
    )
    for number in range(rounds + 1):
        for count in counts:
            for labels in LABEL_KINDS:
                turn = [(side, model) for side, model in loaded if side.can_cache or labels == "new"]
                answers = set()
                for side, model in turn:
                    started = time.perf_counter()
                    best = model.classify(count, cached=labels == "cached")
                    if number:
                        timings.seconds.setdefault((side.name, count, labels), []).append(time.perf_counter() - started)
                    if side.weights == SAME_WEIGHTS:
                        answers.add(tuple(best))
                if len(answers) > 1:
                    raise SystemExit(f"sides with the same weights must give the same labels, but gave {answers}")
    return timings


@dataclass(frozen=True)
class TowerShare:
    """How near the image tower in fp32 is to the limit, by round.

    Attributes:
        tower: Floating-point operations per second of the tower.
        limit: Those of matrix products.
    """

    tower: Sequence[float]
    limit: Sequence[float]

    def __str__(self) -> str:
        shares = [tower / limit for tower, limit in zip(self.tower, self.limit, strict=True)]
        return (
            f"The image tower in fp32 does {statistics.median(self.tower) / 1e9:.0f} GFLOP/s, which is "
            f"{statistics.median(shares):.2f} ({min(shares):.2f} to {max(shares):.2f})\n"
            f"of the {statistics.median(self.limit) / 1e9:.0f} GFLOP/s of float32 matrix products with the same threads."
        )


def measure_share(task: Task, artifact: Path, rounds: int, matrix: int = MATRIX) -> TowerShare:
    """Compare a tower with matrix products in turns, each on `task.cores` threads, after a round that isn't counted.

    Args:
        task: The task.
        artifact: The artifact of the task's model, in fp32.
        rounds: Counted rounds.
        matrix: The side of the matrices.
    """
    encoder = registry.load(artifact, threads=1).encoder
    vision = task.config.vision_config
    shape = Shape(vision.image_size, vision.patch_size, vision.hidden_size, vision.num_hidden_layers)
    pixels = np.random.default_rng(0).integers(0, 255, (TOWER_BATCH, shape.side, shape.side, 3), dtype=np.uint8)
    square = np.random.default_rng(0).standard_normal((matrix, matrix), dtype=np.float32)
    other = torch.from_numpy(square)
    product = 2.0 * matrix**3
    pairs = []
    with ThreadPoolExecutor(task.cores) as pool:
        for _ in range(rounds + 1):
            tower_s = _time_on(pool, task.cores, lambda: encoder.encode_image(pixels))
            by_numpy_s = _time_on(pool, task.cores, lambda: np.matmul(square, square))
            by_torch_s = _best_s(lambda: torch.mm(other, other))  # its own threads share a product
            limit = product / min(by_numpy_s / task.cores, by_torch_s)
            pairs.append((TOWER_BATCH * task.cores * shape.image_flops / tower_s, limit))
    tower, limits = zip(*pairs[1:], strict=True)
    return TowerShare(tower, limits)


def _time_on(pool: ThreadPoolExecutor, threads: int, run: Callable[[], object]) -> float:
    """Return the shortest time in which each of some threads runs something once."""
    return _best_s(lambda: [done.result() for done in [pool.submit(run) for _ in range(threads)]])


def _best_s(run: Callable[[], object]) -> float:
    """Return the shortest of some times: the others contain what else the machine did."""
    seconds = []
    for _ in range(MATRIX_RUNS):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def table(timings: Timings, count: int) -> str:
    """Format the requests of one size as a Markdown table."""
    lines = [
        f"| photos per request: {count} | weights | new | Pigeonhole is | cached | Pigeonhole is |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for name, weights in timings.weights.items():
        cells = [cell for labels in LABEL_KINDS for cell in _cells(timings, (name, count, labels))]
        lines.append(f"| {name} | {weights} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cells(timings: Timings, case: Case) -> tuple[str, str]:
    name, count, labels = case
    if (rates := timings.rates(case)) is None:
        return ("-", "-")
    ratio = "" if name == OURS else timings.ratio((OURS, count, labels), case)
    median, lowest, highest = (
        f"{rate:.{1 if rate < 100 else 0}f}" for rate in (statistics.median(rates), min(rates), max(rates))
    )
    return (f"{median} ({lowest} to {highest})", ratio)


def bundled_line(timings: Timings, count: int) -> str:
    """Say how the bundled model compares with the pipeline as people call it, with new labels."""
    ratio = timings.ratio((BUNDLED, count, "new"), (SLOWEST, count, "new"))
    return f"Pigeonhole with `tiny` is {ratio} the pipeline with a photo per batch,\nfor {count} photos and new labels."


def to_markdown(timings: Timings, counts: Sequence[int], share: TowerShare, run: str) -> str:
    """Format everything that was measured as Markdown."""
    missing = [f"- Left out: {name}, because {why}." for name, why in timings.missing.items()]
    bundled = bundled_line(timings, max(counts)) if BUNDLED in timings.weights else ""
    parts = [run, *(table(timings, count) for count in counts), bundled, "\n".join(missing), str(share)]
    return "\n\n".join(part for part in parts if part)


@contextmanager
def random_task(config: CLIPConfig, artifact: Path | None, bundled: Path, cores: int, photos: int) -> Iterator[Task]:
    """Create a model with random weights in a temporary folder, and yield the task.

    Args:
        config: The model's shape.
        artifact: Pigeonhole's artifact of it, None to prepare it.
        bundled: Pigeonhole's artifact of `tiny`.
        cores: The number of cores that each side may use.
        photos: The most photos of a request.
    """
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as name, checkpoint.quiet_transformers():
        source, work = Path(name) / "clip", Path(name) / "work"
        source.mkdir()
        work.mkdir()
        write_random_clip(config, source)
        if artifact is None:
            prepare(str(source), artifact := Path(name) / "artifact")
        yield Task(config, source, artifact, bundled, work, create_photos(photos), cores)


def main() -> None:
    """Run the comparison from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", type=int, default=2, help="cores that each side may use (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds per side (default: %(default)s)")
    parser.add_argument("--packages", type=Path, help="folder with the packages of peers.txt")
    parser.add_argument("--write", action="store_true", help="write the tables and the plot into docs/performance.md")
    args = parser.parse_args()
    use_packages(args.packages)
    bundled = cached_folder("tiny", DEFAULT_CACHE)
    prepare("tiny", bundled)
    artifact = prepare_clip_shape()
    command = f"OPENBLAS_NUM_THREADS=1 python benchmarks/peers.py --packages build/peers --rounds {args.rounds} --write"
    run = describe_run(command)
    with random_task(CLIPConfig(), artifact, bundled, args.cores, max(COUNTS)) as task:
        timings = measure(task, SIDES, COUNTS, args.rounds)
        prepare(str(task.source), task.work / "fp32", precision="fp32")
        report = to_markdown(timings, COUNTS, measure_share(task, task.work / "fp32", args.rounds), run)
    print(report)
    if args.write:
        document_region.fill(PAGE, "peers", report)
        draw({(count, labels): timings.medians(count, labels) for count in COUNTS for labels in LABEL_KINDS}, PICTURE)


if __name__ == "__main__":
    main()
