"""Measure `pigeonhole bulk local` against the loop that a user would write, and against the bare encoder, in one run.

    python benchmarks/bulk.py photos                     # ViT-B/32's shape, random weights; needs torch
    python benchmarks/bulk.py bundled --model FOLDER     # the bundled model: photos and texts
    python benchmarks/bulk.py memory --model FOLDER      # resident memory over 100,000 lines
    python benchmarks/bulk.py planner                    # megabytes of manifest per second, on one core

- The loop opens each file with Pillow and gives batches to transformers' zero-shot-image-classification pipeline, which has as
  many threads as there are cores. The table has its best batch size.
- The bare encoder is Pigeonhole's ONNX graph on pixels that are already in memory, one thread per core.
- `bulk local` reads the same files from a folder and writes its results.

All sides take turns, after one round that isn't counted. The figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from packaged_photos import LABELS, PHOTOS
from pigeonhole.bulk.manifest import SpanLimits, plan_spans
from pigeonhole.contract.bulk import BulkOptions, OutputFormat
from pigeonhole.contract.bulk_results import ResultsManifest
from pigeonhole.inference.encoders import registry
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole_cli.bulk.local_input import FileSource, LocalInput
from pigeonhole_cli.bulk.local_job import load_model, run_locally

if TYPE_CHECKING:
    from transformers import CLIPConfig

TEMPLATE = "a photo of a {}."
BATCHES = (1, 8, 32)
ENCODE_BATCH = 8
WORDS = (
    "The parcel arrived late and the box was torn.",
    "I could eat here every day.",
    "Stocks fell after the bank raised rates.",
)


@dataclass
class QuietBar:
    """A progress bar that records the process's resident memory.

    Attributes:
        memory_bytes: Resident memory by the number of samples that were done.
    """

    is_drawn: bool = True
    memory_bytes: dict[int, int] = field(default_factory=dict)

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        """Record the memory."""
        self.memory_bytes[done] = resident_bytes()

    def say(self, line: str) -> None:
        """Print nothing."""


def resident_bytes() -> int:
    """Return the resident memory of this process and its decode processes."""
    pages = 0
    for pid in [os.getpid(), *_children()]:
        pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _children() -> list[int]:
    children: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended meanwhile
            children += map(int, (task / "children").read_text().split())
    return children


def write_photos(folder: Path, count: int) -> list[Path]:
    """Write real photos as JPEG files of their own size, repeated."""
    folder.mkdir()
    paths = [folder / f"{k:06d}.jpg" for k in range(count)]
    for k, path in enumerate(paths):
        if k < len(PHOTOS):
            with Image.open(PHOTOS[k]) as image:
                image.convert("RGB").save(path, quality=90)
        else:
            path.hardlink_to(paths[k % len(PHOTOS)])
    return paths


def write_texts(path: Path, count: int) -> None:
    """Write a manifest of short texts, all of them distinct."""
    with path.open("w") as file:
        for k in range(count):
            value = f"{WORDS[k % len(WORDS)]} {k}"
            file.write(json.dumps({"custom_id": str(k), "type": "text", "value": value}) + "\n")


def run_bulk(loaded: Any, path: Path, threads: int, bar: QuietBar | None = None, **options: object) -> ResultsManifest:
    """Classify a manifest or a folder into a new folder."""
    labels = [{"type": "text", "value": label} for label in LABELS]
    bulk_options = BulkOptions.model_validate({"labels": labels, **options})
    with tempfile.TemporaryDirectory() as out:
        return run_locally(
            loaded, LocalInput(path), Path(out), bulk_options, OutputFormat.JSONL, threads=threads, bar=bar or QuietBar()
        )


def run_loop(pipe: Any, paths: Sequence[Path], batch: int) -> None:
    """Classify photos as a user would: a batch of files at a time."""
    for start in range(0, len(paths), batch):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + batch]]
        pipe(images, candidate_labels=list(LABELS), hypothesis_template=TEMPLATE, batch_size=batch)


def run_encoder(encode: Callable[[Any], Any], batches: Sequence[Any], cores: int) -> None:
    """Encode batches that are in memory, one thread per core."""
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(encode, batches))


def time_sides(sides: dict[str, Callable[[], object]], count: int, rounds: int) -> dict[str, float]:
    """Return the samples per second of each side, which take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds + 1):
        for name, run in sides.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: count / statistics.median(values[1:]) for name, values in seconds.items()}


def to_batches(encoder: Encoder, paths: Sequence[Path]) -> list[Any]:
    """Return the pixels of photos for the encoder, in batches."""
    pixels = [np.asarray(encoder.fit(Image.open(path).convert("RGB"))) for path in paths]
    return [np.stack(pixels[start : start + ENCODE_BATCH]) for start in range(0, len(pixels), ENCODE_BATCH)]


def print_rates(rates: dict[str, float], noun: str) -> None:
    """Print the samples per second of each side, and the ratio of `bulk local` to it."""
    print(f"| | {noun}/s | bulk local is |\n|---|---:|---:|")
    for name, rate in rates.items():
        print(f"| {name} | {rate:.1f} | {rates['bulk local'] / rate:.2f} x |")


def measure_photos(args: argparse.Namespace, config: CLIPConfig | None = None) -> None:
    """Compare the three sides on a CLIP with random weights. Its shape is `config`, by default that of ViT-B/32."""
    import torch
    from transformers import CLIPConfig, pipeline

    from classify import write_random_clip
    from pigeonhole.inference.encoders.checkpoints import checkpoint
    from pigeonhole.inference.encoders.prepare import prepare

    torch.set_num_threads(args.cores)
    with tempfile.TemporaryDirectory() as name, checkpoint.quiet_transformers():
        folder = Path(name)
        (source := folder / "clip").mkdir()
        write_random_clip(config or CLIPConfig(), source)
        prepare(str(source), artifact := folder / "artifact")
        paths = write_photos(folder / "photos", args.count)
        loaded = load_model(artifact, LocalInput(folder / "photos"))
        encoder = registry.load(artifact, threads=1).encoder
        pipe = pipeline("zero-shot-image-classification", model=str(source), device="cpu")
        sides: dict[str, Callable[[], object]] = {
            **{f"the loop, batches of {batch}": partial(run_loop, pipe, paths, batch) for batch in BATCHES},
            "the bare encoder": partial(run_encoder, encoder.encode_image, to_batches(encoder, paths), args.cores),
            "bulk local": partial(run_bulk, loaded, folder / "photos", args.cores, prompt_templates=[TEMPLATE]),
        }
        print_rates(time_sides(sides, args.count, args.rounds), "photos")


def measure_bundled(args: argparse.Namespace) -> None:
    """Compare `bulk local` with the bare encoders of a prepared model, on photos and on texts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_photos(folder / "photos", args.count)
        write_texts(folder / "texts.jsonl", args.count)
        model = registry.load(args.model, threads=1)
        loaded = load_model(args.model, LocalInput(folder / "photos"))
        image_sides: dict[str, Callable[[], object]] = {
            "the bare encoder": partial(run_encoder, model.encoder.encode_image, to_batches(model.encoder, paths), args.cores),
            "bulk local": partial(run_bulk, loaded, folder / "photos", args.cores),
        }
        print_rates(time_sides(image_sides, args.count, args.rounds), "photos")
        texts = [json.loads(line)["value"] for line in (folder / "texts.jsonl").read_text().splitlines()]
        batches = [texts[start : start + ENCODE_BATCH] for start in range(0, len(texts), ENCODE_BATCH)]
        encode_text: Callable[[Any], Any] = model.sentence.encode_text  # type: ignore[union-attr]
        text_sides: dict[str, Callable[[], object]] = {
            "the bare encoder": partial(run_encoder, encode_text, batches, args.cores),
            "bulk local": partial(run_bulk, loaded, folder / "texts.jsonl", args.cores),
        }
        print_rates(time_sides(text_sides, args.count, args.rounds), "texts")


def measure_memory(args: argparse.Namespace) -> None:
    """Print the resident memory over a long manifest of texts and photos."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "photos", len(PHOTOS))
        write_texts(folder / "in.jsonl", args.lines)
        with (folder / "in.jsonl").open("a") as file:  # a few photos, so that decode processes run as well
            file.writelines(json.dumps({"type": "image", "value": str(path)}) + "\n" for path in photos)
        bar = QuietBar()
        run_bulk(load_model(args.model, LocalInput(folder / "in.jsonl")), folder / "in.jsonl", args.cores, bar)
    print("| lines done | resident MB |\n|---:|---:|")
    for share in range(1, 11):
        done = min(bar.memory_bytes, key=lambda done: abs(done - share * args.lines // 10))
        print(f"| {done} | {bar.memory_bytes[done] / 1e6:.0f} |")


def measure_planner(args: argparse.Namespace) -> None:
    """Print how fast a manifest is divided into spans."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "in.jsonl"
        write_texts(path, args.lines)
        size = path.stat().st_size
        rates = []
        for _ in range(args.rounds + 1):
            started = time.perf_counter()
            spans = sum(1 for _ in plan_spans(FileSource(path).read(), SpanLimits()))
            rates.append(size / (time.perf_counter() - started) / 1e6)
    print(f"{size / 1e6:.0f} MB, {args.lines} lines, {spans} spans: {statistics.median(rates[1:]):.0f} MB/s")


MEASURES: dict[str, Callable[[argparse.Namespace], None]] = {
    "photos": measure_photos,
    "bundled": measure_bundled,
    "memory": measure_memory,
    "planner": measure_planner,
}


def main() -> None:
    """Run one of the measures from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measure", choices=MEASURES)
    parser.add_argument("--model", type=Path, default=Path("~/.cache/pigeonhole/models/tiny").expanduser())
    parser.add_argument("--cores", type=int, default=2, help="cores that each side may use (default: %(default)s)")
    parser.add_argument("--count", type=int, default=128, help="samples of a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="counted rounds per side (default: %(default)s)")
    parser.add_argument("--lines", type=int, default=100_000, help="lines of the manifest (default: %(default)s)")
    args = parser.parse_args()
    MEASURES[args.measure](args)


if __name__ == "__main__":
    main()
