"""torch to ONNX: make an artifact folder of a model, whole or not at all.

The files are made in a folder beside the target and renamed into place, so that a killed run leaves nothing half done. Every
graph is held to torch, on inputs of other shapes than it was traced with, before it counts.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx  # noqa: F401 - torch.onnx.export needs it, and says so only when its work is done
import torch

from pigeonhole.inference.encoders import artifact, background_files, checkpoint, registry, source, torch_encoder
from pigeonhole.inference.encoders.artifact import (
    IMAGE,
    SENTENCE,
    SENTENCE_TOKENIZER,
    TEXT,
    TOKENIZER,
    Artifact,
    ModelUnavailable,
)
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.encoders.checkpoint import Checkpoint
from pigeonhole.inference.encoders.graphs import ImageGraph, PaddedText, TextGraph
from pigeonhole.inference.encoders.source import Source
from pigeonhole.inference.encoders.tokens import TextTokens

OPSET = 18
# transformers' fused attention is exported as the same operations with more detours; this one is the plainest graph.
ATTENTION = "eager"
LEAST_COSINE = 0.9999
PARTIAL = ".partial"
TRACED_TEXTS = ("a cat", "a photo of two dogs on a sofa")
CHECKED_TEXTS = (
    "red",
    "A photo of a cat.",
    "Numbers like 42, and a longer text whose words fill more of the row than the others do.",
)


def export(found: Source, out: Path) -> Artifact:
    """Make the artifact folder `out` of a model; what was there before stays until the new one is whole. One run at a time.

    Raises ModelUnavailable.
    """
    with _replaced(out) as folder:
        sentence = checkpoint.open_sentence(ATTENTION)
        model = checkpoint.open_model(found, sentence, ATTENTION)
        if model.image is None or model.facts.image is None:
            raise ModelUnavailable(f"{found.model_id} has no image tower")
        _export_image(model.image, model.facts.image.side, folder / IMAGE)
        _export_text(model.text, model.tokens, folder / TEXT)
        model.tokens.save(folder / TOKENIZER)
        background_files.write(folder, background_files.embed(torch_encoder.encoder(model), torch_encoder.encoder(sentence)))
        one_text_model = model.text is sentence.text
        if not one_text_model:
            _export_text(sentence.text, sentence.tokens, folder / SENTENCE)
            sentence.tokens.save(folder / SENTENCE_TOKENIZER)
        made = Artifact(
            kind=model.kind,
            reading=source.READING,
            hub_revision=found.hub_revision,
            encoder=model.facts,
            sentence=sentence.facts,
            one_text_model=one_text_model,
            files={path.name: artifact.facts_of(path) for path in sorted(folder.iterdir())},
        )
        artifact.write(folder, made)
        registry.copy_calibration(found.calibrations, folder, model.facts.revision)
        _hold_to_torch(folder, (model, sentence))
    return made


def _export_image(graph: ImageGraph, side: int, path: Path) -> None:
    pixels = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    _trace(graph, {"pixels": pixels}, {"pixels": {0: "n"}}, path)


def _export_text(graph: TextGraph, tokens: TextTokens, path: Path) -> None:
    _, ids, mask = next(tokens.batches(TRACED_TEXTS))
    fixed = tokens.spec.pad_to == "max_tokens"
    axes = {0: "n"} if fixed else {0: "n", 1: "length"}
    inputs = {"ids": torch.from_numpy(ids)} | ({} if isinstance(graph, PaddedText) else {"mask": torch.from_numpy(mask)})
    _trace(graph, inputs, dict.fromkeys(inputs, axes), path)


def _trace(graph: torch.nn.Module, inputs: dict[str, torch.Tensor], axes: dict[str, dict[int, str]], path: Path) -> None:
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracing exporter is the old one, and says so; the new one takes 30 times as long for a larger graph.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # transformers asks of shapes and masks what tracing can't follow; `_hold_to_torch` shows that nothing went wrong.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message="Exporting aten::index operator", category=UserWarning)
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=["embeddings"],
            dynamic_axes={**axes, "embeddings": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _hold_to_torch(folder: Path, opened: Sequence[Checkpoint]) -> None:
    """Compare the artifact with the modules that it was made of.

    Raises ModelUnavailable if they differ.
    """
    loaded = registry.load(folder)
    for made, origin in zip((loaded.encoder, loaded.sentence), opened, strict=True):
        reference = torch_encoder.encoder(origin)
        _compare(made.encode_text(CHECKED_TEXTS), reference.encode_text(CHECKED_TEXTS), made)
        if origin.image is not None:
            side = made.info.image_side
            pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
            _compare(made.encode_image(pixels), reference.encode_image(pixels), made)


def _compare(made: np.ndarray, reference: np.ndarray, encoder: Encoder) -> None:
    worst = float((made * reference).sum(axis=1).min())
    if not worst >= LEAST_COSINE:
        raise ModelUnavailable(f"{encoder.info.model_id} doesn't survive the export: cosine {worst:.5f} to its original")


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """Give an empty folder to fill; at the end it takes the place of `out`, at an error it goes."""
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= artifact.FILES):
        raise ModelUnavailable(f"{out} exists and is no model artifact: give another folder")
    _clear_partial(out)  # of a run that was killed
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=PARTIAL))
    try:
        partial.chmod(0o755)  # an image's user is another than its builder
        yield partial
        if out.exists():
            out.rename(partial.with_name(f"{partial.stem}.old{PARTIAL}"))
        partial.rename(out)
    finally:
        _clear_partial(out)


def _clear_partial(out: Path) -> None:
    for path in out.parent.iterdir():
        if path.name.startswith(f".{out.name}.") and path.name.endswith(PARTIAL):
            shutil.rmtree(path)
