"""Measure what it costs to decode images in processes of their own: CPU time per photo, against decoding in this process.

    python benchmarks/decode_pool.py [--rounds 25] [--model FOLDER]

CPU time of both processes counts, so the result hardly depends on what else the machine does. Linux only.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

import skimage.data
from PIL import Image

from pigeonhole.inference.encoders import preprocess, registry
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.in_process_decoder import InProcessDecoder, Pixels
from pigeonhole.inference.images.limits import ImageLimits

SIDE = 224  # of the model's input
PHOTOS: dict[str, tuple[str, tuple[int, int], dict[str, int]]] = {
    "JPEG, 12 megapixels": ("JPEG", (4_000, 3_000), {"quality": 90}),
    "JPEG, 2 megapixels": ("JPEG", (1_600, 1_200), {"quality": 85}),
    "WebP, 2 megapixels": ("WEBP", (1_600, 1_200), {"quality": 80}),
    "PNG, 2 megapixels": ("PNG", (1_600, 1_200), {}),
    "JPEG, 0.3 megapixels": ("JPEG", (640, 480), {"quality": 85}),
}


@dataclass(frozen=True)
class Row:
    """CPU time per photo, the median of all rounds.

    Attributes:
        name: The kind of photo.
        in_process_s: Decoding in this process.
        in_pool_s: Decoding in a process of its own, and both ways there.
        embedding_s: Embedding the decoded photo, 0 if that isn't measured.
    """

    name: str
    in_process_s: float
    in_pool_s: float
    embedding_s: float

    @property
    def ratio(self) -> float:
        """How many times as long a photo takes with a process of its own."""
        return (self.in_pool_s + self.embedding_s) / (self.in_process_s + self.embedding_s)


def make_photo(kind: str, size: tuple[int, int], options: dict[str, int]) -> bytes:
    """Return a photo of scikit-image in another size and format."""
    file = BytesIO()
    photo = Image.open(Path(skimage.data.data_dir) / "coffee.png").convert("RGB")
    photo.resize(size, Image.Resampling.LANCZOS).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def children_cpu_s() -> float:
    """Return the CPU time so far of the living processes that this process started. Linux only."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    # The clock of another process, as clock_getcpuclockid(3) makes it.
    return sum(time.clock_gettime(~int(child) << 3 | 2) for child in children)


def measure(name: str, data: bytes, *, rounds: int, embed: Callable[[Pixels], object] | None = None) -> Row:
    """Decode a photo `rounds` times in both ways in turn, after a first time that isn't counted."""
    spec = ImageSpec(side=SIDE, resize="shortest_edge", edge=SIDE, resample="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
    fit = partial(preprocess.fit, spec=spec)
    in_process, pool = InProcessDecoder(fit, ImageLimits(), SIDE), DecodePool(fit, ImageLimits(), side=SIDE)
    views = in_process.decode(data)
    pool.decode(data)
    times = [
        [
            _cpu_time_s(partial(in_process.decode, data)),
            _cpu_time_s(partial(pool.decode, data)),
            _cpu_time_s(partial(embed, views)) if embed else 0.0,
        ]
        for _ in range(rounds)
    ]
    return Row(name, *map(median, zip(*times, strict=True)))


def _cpu_time_s(run: Callable[[], object]) -> float:
    started = time.process_time() + children_cpu_s()
    run()
    return time.process_time() + children_cpu_s() - started


def main() -> None:
    """Print a row per kind of photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="photos of each kind")
    parser.add_argument(
        "--model", type=Path, help="folder of a prepared model, whose embedding counts as part of a photo's time"
    )
    options = parser.parse_args()
    embed = registry.load(options.model).encoder.encode_image if options.model else None
    print(f"{'photo':24}{'in process':>12}{'in pool':>12}{'embedding':>12}{'ratio':>8}")
    for name, (kind, size, settings) in PHOTOS.items():
        row = measure(name, make_photo(kind, size, settings), rounds=options.rounds, embed=embed)
        times = "".join(f"{1_000 * seconds:9.1f} ms" for seconds in (row.in_process_s, row.in_pool_s, row.embedding_s))
        print(f"{row.name:24}{times}{row.ratio:8.3f}", flush=True)


if __name__ == "__main__":
    main()
