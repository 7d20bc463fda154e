"""Compare the engines that can run an image tower on a CPU: ONNX Runtime and OpenVINO, in float32 and in int8.

    python -m pip install openvino==2026.4.1 nncf==3.4.0
    python benchmarks/engines.py --write

The model has the shape of ViT-B/32 and random weights. Each engine has one thread, as an encode worker has. The same squares of
real photos calibrate both kinds of int8, and other squares are encoded. Without OpenVINO and NNCF, only ONNX Runtime is
measured.

The figures are medians of the rounds, in which the engines take turns.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
from transformers import CLIPConfig

import document_region
from classify import write_random_clip
from machine import describe_run, to_region
from pigeonhole.inference.encoders import export, onnx_encoder, optimize, quantize, source
from pigeonhole.inference.encoders.artifact import ModelFacts
from pigeonhole.inference.encoders.checkpoints import checkpoint

Pixels = npt.NDArray[np.uint8]
Embeddings = npt.NDArray[np.float32]
Encode = Callable[[Pixels], Embeddings]

BATCHES = (1, 8, 32)
PAGE = Path(__file__).resolve().parents[1] / "docs/models.md"
PEERS = ("openvino", "nncf")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        engine: The engine and its precision.
        images_per_s: Images per second for each batch size, round by round.
        cosine: The mean cosine of the embeddings with those of ONNX Runtime in float32.
    """

    engine: str
    images_per_s: Sequence[Sequence[float]]
    cosine: float

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells: medians of the rounds, with the lowest and the highest."""
        rates = [f"{statistics.median(rounds):.1f} ({min(rounds):.1f} to {max(rounds):.1f})" for rounds in self.images_per_s]
        return (self.engine, *rates, f"{self.cosine:.4f}")


def open_engines(config: CLIPConfig, folder: Path) -> tuple[dict[str, Encode], Pixels]:
    """Create a model with random weights, and open it in each engine.

    Args:
        config: The model's shape.
        folder: An empty folder for the graphs.

    Returns:
        What encodes in each engine, the one in float32 of ONNX Runtime first, and the photos to encode.
    """
    (clip := folder / "clip").mkdir()
    with checkpoint.quiet_transformers():
        write_random_clip(config, clip)
        model, _ = checkpoint.open_models(source.find_model(str(clip)), export.ATTENTION)
        exported, fp32, int8 = (folder / f"{name}.onnx" for name in ("exported", "fp32", "int8"))
        export.export_image(model, exported)
    shutil.copyfile(exported, fp32)
    spec = onnx_encoder.load_image_tower(exported, model.facts).spec
    calibration, photos = quantize.open_crops(export.CALIBRATION_PHOTOS, spec)
    quantize.quantize(exported, int8, calibration)
    engines = {
        "ONNX Runtime, fp32": _in_onnx_runtime(fp32, model.facts),
        "ONNX Runtime, int8 with 7-bit weights": _in_onnx_runtime(int8, model.facts),
    }
    if all(find_spec(peer) for peer in PEERS):
        engines |= _in_openvino(exported, calibration)
    return engines, photos


def _in_onnx_runtime(graph: Path, facts: ModelFacts) -> Encode:
    optimize.optimize(graph)
    return onnx_encoder.load_image_tower(graph, facts).run


def _in_openvino(graph: Path, calibration: Pixels) -> dict[str, Encode]:
    import nncf
    import openvino

    model = openvino.Core().read_model(graph)
    batches = [calibration[start : start + quantize.BATCH] for start in range(0, len(calibration), quantize.BATCH)]
    int8 = nncf.quantize(model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER, subset_size=len(batches))
    name = f"OpenVINO {version('openvino')}"
    return {f"{name}, fp32": _compile(model), f"{name}, int8 by NNCF {version('nncf')}": _compile(int8)}


def _compile(model: Any) -> Encode:
    import openvino

    options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(model, "CPU", options)
    return lambda pixels: np.asarray(compiled(pixels)[0])


def measure(engines: dict[str, Encode], photos: Pixels, *, rounds: int, batches: Sequence[int] = BATCHES) -> list[Row]:
    """Time the engines in turns, after one round that isn't counted.

    Args:
        engines: What encodes in each engine, the reference first.
        photos: The photos, (n, side, side, 3) uint8.
        rounds: Counted rounds.
        batches: Photos per batch, each measured separately.
    """
    rates: dict[str, list[list[float]]] = {name: [[] for _ in batches] for name in engines}
    for counted in range(-1, rounds):
        for number, batch in enumerate(batches):
            for name, encode in engines.items():
                started = time.perf_counter()
                for start in range(0, max(batches), batch):
                    encode(photos[start : start + batch])
                if counted >= 0:
                    rates[name][number].append(max(batches) / (time.perf_counter() - started))
    embeddings = {name: encode(photos[: max(batches)]) for name, encode in engines.items()}
    exact = next(iter(embeddings.values()))
    return [Row(name, rates[name], float((embeddings[name] * exact).sum(axis=1).mean())) for name in engines]


def table(rows: Sequence[Row], batches: Sequence[int] = BATCHES) -> str:
    """Format the rows as a Markdown table, in images per second."""
    head = ("engine, one core", *(f"batch of {batch}" for batch in batches), "mean cosine")
    lines = [head, ("---", *["---:"] * (len(head) - 1)), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/models.md")
    args = parser.parse_args()
    run = describe_run(f"python benchmarks/engines.py --rounds {args.rounds} --write")
    with TemporaryDirectory() as folder:
        engines, photos = open_engines(CLIPConfig(), Path(folder))
        report = f"{run}\n\n{table(measure(engines, photos, rounds=args.rounds))}"
    print(report)
    if args.write:
        document_region.fill(PAGE, to_region("engines"), report)


if __name__ == "__main__":
    main()
