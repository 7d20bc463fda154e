"""Quantize an image tower to 8-bit integers, and compare it with the tower in float32.

The quantization is static: calibration photos fix the range of each activation once. With dynamic quantization the range would
depend on the batch, and so would an answer. Weights have a scale per channel, activations one scale per tensor.

Weights use 7 of their 8 bits. Processors without VNNI add two products of 8 x 8 bits in 16 bits, which overflows with 8 bits.
See https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "reduce_range".
"""

from __future__ import annotations

import random
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image, ImageOps

from pigeonhole.inference.encoders import preprocess
from pigeonhole.inference.encoders.artifact import Int8Parity, ModelUnavailable
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.encoders.tower_encoder import ImageTower

Pixels = npt.NDArray[np.uint8]

BATCH = 8  # calibration keeps the activations of one batch
CALIBRATION_CROPS = 48
CHECKED_CROPS = 96
NEAR_TIE = 0.2  # log-odds, at most 5 points of probability
MIN_PHOTOS = 3  # two for calibration and one for the check
MIN_SCALE = 0.5  # of a photo's shorter side
QUANTIZED_OPERATIONS = ("Conv", "Gemm", "MatMul")
PHOTO_ENDINGS = frozenset({".jpeg", ".jpg", ".png", ".webp"})


class _Batches(CalibrationDataReader):  # type: ignore[misc]
    """Gives ONNX Runtime the calibration photos in batches."""

    def __init__(self, pixels: Pixels) -> None:
        self._batches = ({"pixels": pixels[start : start + BATCH]} for start in range(0, len(pixels), BATCH))

    def get_next(self) -> dict[str, Pixels] | None:
        return next(self._batches, None)


def open_crops(folder: Path, spec: ImageSpec) -> tuple[Pixels, Pixels]:
    """Cut random squares from the photos of a folder, the same ones each time.

    Every third photo is for the check, so that no photo is in both parts. At most CALIBRATION_CROPS + CHECKED_CROPS photos are
    read, the first ones by name.

    Args:
        folder: A folder with at least MIN_PHOTOS photos (JPEG, PNG, WebP).
        spec: How a square becomes the model's input.

    Returns:
        CALIBRATION_CROPS squares for the calibration and CHECKED_CROPS for the check, (n, side, side, 3) uint8 each.

    Raises:
        ModelUnavailable: The folder has too few photos, or one can't be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in PHOTO_ENDINGS)
    if len(paths) < MIN_PHOTOS:
        raise ModelUnavailable(f"{folder} has {len(paths)} photos (JPEG, PNG, WebP): give a folder with at least {MIN_PHOTOS}")
    checked = paths[2::3]
    calibration = [path for index, path in enumerate(paths) if index % 3 != 2]
    return _stack(_crops(calibration, CALIBRATION_CROPS), spec), _stack(_crops(checked, CHECKED_CROPS), spec)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, Image.DecompressionBombError) as error:
        raise ModelUnavailable(f"the calibration photo {path} can't be read: {error}") from None


def _crops(photos: Sequence[Path], count: int) -> Iterator[Image.Image]:
    """Yield `count` squares of several sizes, half of them mirrored. One photo at a time is in memory."""
    rng = random.Random(0)  # noqa: S311 - no secret
    for number in range(count):
        photo = _open(photos[number % len(photos)])
        side = int(min(photo.size) * rng.uniform(MIN_SCALE, 1))
        left, top = rng.randint(0, photo.width - side), rng.randint(0, photo.height - side)
        crop = photo.crop((left, top, left + side, top + side))
        yield ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def _stack(crops: Iterable[Image.Image], spec: ImageSpec) -> Pixels:
    return np.stack([np.asarray(preprocess.fit(crop, spec)) for crop in crops])


def quantize(graph: Path, out: Path, pixels: Pixels) -> None:
    """Write the image tower `graph` to `out`, with 8-bit integers in place of float32.

    Args:
        graph: The image tower, as artifact.py describes it.
        out: The file to write.
        pixels: The calibration photos, (n, side, side, 3) uint8.

    Raises:
        ModelUnavailable: ONNX Runtime can't quantize the graph.
    """
    try:
        _quantize(graph, out, pixels)
    except Exception as error:  # onnx and onnxruntime raise bare Exceptions
        fault = f"{type(error).__name__}: {error}"
        raise ModelUnavailable(f"the image tower can't be quantized ({fault}): use --precision fp32") from None


def _quantize(graph: Path, out: Path, pixels: Pixels) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # A channel of weights that are all zero, which is quantized to zeros.
        warnings.filterwarnings("ignore", category=RuntimeWarning, message="invalid value encountered")
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(graph, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            out,
            _Batches(pixels),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTIZED_OPERATIONS),
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                # A product of two activations, as in attention, stays in float32: only a product with weights is large.
                "MatMulConstBOnly": True,
                # Float32 follows a product: the addition of the bias. Rounding it to int8 before would cost 6 % of the speed.
                "OpTypesToExcludeOutputQuantization": ["MatMul"],
            },
        )


def measure_parity(int8: ImageTower, fp32: ImageTower, pixels: Pixels, concepts: Embeddings, logit_scale: float) -> Int8Parity:
    """Compare the embeddings that two towers give to the same photos.

    Two concepts within NEAR_TIE log-odds of each other count as the same one: any rounding can swap them.

    Args:
        int8: The quantized tower.
        fp32: The tower in float32.
        pixels: The photos, (n, side, side, 3) uint8.
        concepts: Embeddings of label texts, (concepts, dim) float32 with unit rows.
        logit_scale: The factor from a cosine to log-odds.
    """
    batches = [pixels[start : start + BATCH] for start in range(0, len(pixels), BATCH)]
    quantized, exact = (np.concatenate([tower.run(batch) for batch in batches]) for tower in (int8, fp32))
    best = (quantized @ concepts.T).argmax(axis=1, keepdims=True)
    log_odds = logit_scale * exact @ concepts.T
    loss = log_odds.max(axis=1) - np.take_along_axis(log_odds, best, axis=1)[:, 0]
    return Int8Parity(cosine=float((quantized * exact).sum(axis=1).mean()), same_label=float((loss <= NEAR_TIE).mean()))
