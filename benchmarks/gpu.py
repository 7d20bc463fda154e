"""Measure the engine of GPU workers against the limit of the card: images per second, from pixels and from JPEG files.

    python benchmarks/gpu.py [--batches 32 64 128 256 512] [--photos 4096] [--seconds 5] [--matrix 8192]

The model has ViT-B/32's shape and random weights. All figures are of one run on one machine:

- The limit is what the card gets from one large product of matrices in the same precision (torch.matmul). A share of it is the
  floating-point operations of the model in these images, per second, divided by the limit.
- "From pixels": batches of pixels in the machine's memory, copied to the card and encoded as a worker does, on two threads.
- "Compiled": the same with torch.compile, which a worker doesn't use. Its start takes a minute or so.
- "From JPEG": files in memory, decoded in processes and encoded, as a worker does with the files that it has fetched.

Without a card, the same program runs on the CPU, in the sizes that you give it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from pigeonhole.inference.encoders import preprocess
from pigeonhole.inference.encoders.checkpoints import cuda_engine
from pigeonhole.inference.encoders.checkpoints.cuda_engine import ImageRunner, InPrecision
from pigeonhole.inference.encoders.checkpoints.graphs import ClipImageFeatures, ImageGraph
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.limits import ImageLimits

BATCHES = (32, 64, 128, 256, 512)
GROUPS = 4  # that a worker has at a time: two spans with two threads each
PHOTO_SIZE = (1_600, 1_200)
CHANNEL_MEAN, CHANNEL_STD = (0.48, 0.46, 0.41), (0.27, 0.26, 0.28)


@dataclass(frozen=True)
class Shape:
    """The shape of a vision transformer.

    Attributes:
        side: The side of an image in pixels.
        patch: The side of a patch in pixels.
        width: The width of a token.
        layers: The number of layers.
        matrix: The side of the matrices whose product is the limit.
    """

    side: int = 224
    patch: int = 32
    width: int = 768
    layers: int = 12
    matrix: int = 8_192

    @property
    def image_flops(self) -> float:
        """The floating-point operations of one image: 8.2 billion for ViT-B/32, whose last layer runs for one token."""
        patches = (self.side // self.patch) ** 2
        tokens = patches + 1
        layer = 24 * tokens * self.width**2 + 4 * tokens**2 * self.width  # projections and perceptron, attention
        last = (4 * tokens + 20) * self.width**2 + 4 * tokens * self.width  # keys and values of all, the rest of one
        return (self.layers - 1) * layer + last + 2 * patches * 3 * self.patch**2 * self.width

    @property
    def spec(self) -> ImageSpec:
        """How a photo becomes the model's input."""
        return ImageSpec(
            side=self.side, resize="shortest_edge", edge=self.side, resample="bicubic", mean=CHANNEL_MEAN, std=CHANNEL_STD
        )


@dataclass(frozen=True)
class Row:
    """Images per second at a size of batches.

    Attributes:
        batch: The number of images in a batch.
        from_pixels: Of pixels in memory.
        compiled: The same with torch.compile, None if that isn't measured.
        from_jpeg: Of JPEG files in memory.
    """

    batch: int
    from_pixels: float
    compiled: float | None
    from_jpeg: float


def build_graph(shape: Shape, device: torch.device, dtype: torch.dtype) -> ImageGraph:
    """Build an image tower with random weights, as the engine has it."""
    vision = {
        "image_size": shape.side,
        "patch_size": shape.patch,
        "hidden_size": shape.width,
        "intermediate_size": 4 * shape.width,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": max(1, shape.width // 64),
    }
    model = CLIPModel(CLIPConfig(vision_config=vision, text_config={"num_hidden_layers": 1})).to(dtype)
    return ImageGraph(InPrecision(ClipImageFeatures(model), dtype), shape.spec).eval().to(device)


def measure_limit(shape: Shape, device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """Return the floating-point operations per second of a large product of matrices."""
    left, right = (torch.randn(shape.matrix, shape.matrix, device=device, dtype=dtype) for _ in range(2))
    rate = measure(lambda: _finish(torch.matmul(left, right)), 1, seconds)
    return rate * 2 * shape.matrix**3


def measure(run: Callable[[], object], count: int, seconds: float) -> float:
    """Return how much of something a call does per second, after two calls that aren't counted.

    Args:
        run: The call.
        count: How much one call does.
        seconds: For how long it is repeated.
    """
    run()
    run()
    began, done = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        run()
        done += count
    return done / (time.perf_counter() - began)


def measure_pixels(runner: ImageRunner, shape: Shape, batch: int, seconds: float) -> float:
    """Return the images per second of pixels in memory, on two threads."""
    pixels = np.random.default_rng(0).integers(0, 256, (batch, shape.side, shape.side, 3), dtype=np.uint8)
    with ThreadPoolExecutor(cuda_engine.STREAMS) as pool:
        rounds = [pixels] * (2 * cuda_engine.STREAMS)
        return measure(lambda: list(pool.map(runner.run, rounds)), batch * len(rounds), seconds)


def measure_jpeg(runner: ImageRunner, shape: Shape, photos: Sequence[bytes], batch: int, cores: int) -> float:
    """Return the images per second of JPEG files in memory."""
    decoder = DecodePool(partial(preprocess.fit, spec=shape.spec), ImageLimits(), side=shape.side)
    groups = [photos[start : start + batch] for start in range(0, len(photos), batch)]
    with ThreadPoolExecutor(cores) as decoders, ThreadPoolExecutor(GROUPS) as pool:

        def process(group: Sequence[bytes]) -> int:
            views = list(decoders.map(decoder.decode, group))
            return len(runner.run(np.concatenate(views)))

        list(decoders.map(decoder.decode, photos[: 4 * cores]))  # the processes start
        began = time.perf_counter()
        done = sum(pool.map(process, groups))
        return done / (time.perf_counter() - began)


def make_photos(count: int, size: tuple[int, int]) -> list[bytes]:
    """Make JPEG files of a few different images."""
    random, files = np.random.default_rng(0), []
    for _ in range(min(count, 16)):
        coarse = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        buffer = BytesIO()
        Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
        files.append(buffer.getvalue())
    return [files[number % len(files)] for number in range(count)]


def to_table(device: str, dtype: torch.dtype, limit: float, shape: Shape, rows: Sequence[Row]) -> str:
    """Write the figures as a Markdown table."""

    def share(rate: float) -> str:
        return f"{rate:,.0f} ({100 * rate * shape.image_flops / limit:.0f} %)"

    lines = [
        f"{device}, {str(dtype).removeprefix('torch.')}: {limit / 1e12:.1f} TFLOP/s of matrix products",
        "",
        "| batch | from pixels | compiled | from JPEG |",
        "|---:|---:|---:|---:|",
    ]
    for row in rows:
        compiled = share(row.compiled) if row.compiled is not None else "unmeasured"
        lines.append(f"| {row.batch} | {share(row.from_pixels)} | {compiled} | {row.from_jpeg:,.0f} |")
    return "\n".join(lines)


def run(shape: Shape, *, batches: Sequence[int], photos: int, photo_size: tuple[int, int], seconds: float) -> str:
    """Measure all figures, and return the table."""
    is_cuda = cuda_engine.is_available()
    device = torch.device("cuda" if is_cuda else "cpu")
    dtype = cuda_engine.best_dtype() if is_cuda else torch.bfloat16
    name = torch.cuda.get_device_name() if is_cuda else "CPU"
    cores = len(os.sched_getaffinity(0))
    graph, files = build_graph(shape, device, dtype), make_photos(photos, photo_size)
    with torch.inference_mode():
        limit = measure_limit(shape, device, dtype, seconds)
    runner, rows = ImageRunner(graph, device), []
    for batch in batches:
        compiled = None
        if is_cuda:
            compiled = measure_pixels(ImageRunner(torch.compile(graph), device), shape, batch, seconds)
        pixels = measure_pixels(runner, shape, batch, seconds)
        rows.append(Row(batch, pixels, compiled, measure_jpeg(runner, shape, files, batch, cores)))
    return to_table(f"{name}, {cores} cores", dtype, limit, shape, rows)


def _finish(product: torch.Tensor) -> None:
    """Wait for a product."""
    if product.is_cuda:
        torch.cuda.synchronize()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--photos", type=int, default=4_096)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--matrix", type=int, default=8_192, help="side of the matrices; on a CPU, 1024 is enough")
    options = parser.parse_args()
    print(
        run(
            Shape(matrix=options.matrix),
            batches=options.batches,
            photos=options.photos,
            photo_size=PHOTO_SIZE,
            seconds=options.seconds,
        )
    )


if __name__ == "__main__":
    main()
