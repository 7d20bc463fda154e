"""Export a model from torch to ONNX, as an artifact folder.

The files are made in a folder beside the target, which is then renamed. So a killed run leaves no incomplete artifact. Every
graph is compared with torch before the rename, on inputs of other shapes than those of the trace. The image tower is then
quantized, if int8 is asked for and is close enough to float32. At last, all graphs are optimized for fast starts.
"""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx  # noqa: F401 - torch.onnx.export needs it, and would fail without it only at its end
import torch

from pigeonhole.inference.encoders import artifact, background_files, onnx_encoder, optimize, quantize, registry, source
from pigeonhole.inference.encoders.artifact import (
    IMAGE,
    MULTILINGUAL,
    MULTILINGUAL_TOKENIZER,
    SENTENCE,
    SENTENCE_TOKENIZER,
    TEXT,
    TOKENIZER,
    ArtifactInfo,
    FileFacts,
    ModelUnavailable,
    Precision,
)
from pigeonhole.inference.encoders.base import Encoder, PairEncoder, is_encoder
from pigeonhole.inference.encoders.checkpoints import checkpoint, torch_encoder
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint, PairCheckpoint
from pigeonhole.inference.encoders.checkpoints.graphs import CausalText, MaskedText, PaddedText, TextGraph
from pigeonhole.inference.encoders.checkpoints.multilingual import open_multilingual_encoder
from pigeonhole.inference.encoders.source import ModelSource
from pigeonhole.inference.encoders.token_tree import TokenTree
from pigeonhole.inference.encoders.tokens import TextTokens

OPSET = 18
# The fused attention of transformers is exported as the same operations with extra steps. This one gives the simplest graph.
ATTENTION = "eager"
MIN_COSINE = 0.9999
MAX_DIFFERENCE = 0.01  # of log-odds
PARTIAL = ".partial"  # ending of a folder that isn't complete
CALIBRATION_PHOTOS = registry.repository_folder("calibration_photos")
TRACED_TEXTS = ("a cat", "a photo of two dogs on a sofa")
CHECKED_TEXTS = (
    "red",
    "A photo of a cat.",
    "Numbers like 42, and a longer text whose words fill more of the row than the others do.",
)


def export_model(
    model_source: ModelSource, out: Path, *, precision: Precision | None = None, photos: Path | None = None
) -> ArtifactInfo:
    """Make the artifact folder of a model. Only one process at a time may export to a folder.

    Args:
        model_source: The model's files.
        out: The artifact folder. An existing one stays until the new one is complete.
        precision: That of the image tower, None for the default of its kind. It stays in float32 where int8 isn't close to it.
        photos: A folder of photos for the calibration of int8, None for those of this repository.

    Raises:
        ModelUnavailable: The model can't be opened, its ONNX graphs differ from torch, or the photos can't be read.
    """
    with _replace_folder(out) as folder:
        model, sentence = checkpoint.open_models(model_source, ATTENTION)
        multilingual = open_multilingual_encoder() if model_source.sentence.is_bundled else None
        export_image(model, folder / IMAGE)
        _export_text(model.text, model.tokens, folder / TEXT)
        model.tokens.save(folder / TOKENIZER)
        encoder, text_model = torch_encoder.to_encoder(model), torch_encoder.to_text_model(sentence)
        multilingual_encoder = torch_encoder.to_encoder(multilingual) if multilingual else None
        background = background_files.embed(encoder, text_model, multilingual_encoder, model.generic_photos, model.hyponyms)
        background_files.write(folder, background)
        one_text_model = isinstance(sentence, Checkpoint) and model.text is sentence.text
        if isinstance(sentence, PairCheckpoint):
            _export_pairs(sentence, folder / SENTENCE)
        elif not one_text_model:
            _export_text(sentence.text, sentence.tokens, folder / SENTENCE)
        if not one_text_model:
            sentence.tokens.save(folder / SENTENCE_TOKENIZER)
        if multilingual:
            _export_text(multilingual.text, multilingual.tokens, folder / MULTILINGUAL)
            multilingual.tokens.save(folder / MULTILINGUAL_TOKENIZER)
        artifact_info = ArtifactInfo(
            kind=model.kind,
            reading=source.READING_VERSION,
            hub_revision=model_source.hub_revision,
            sentence_hub_revision=model_source.sentence.hub_revision,
            sentence_digest=model_source.sentence.digest,
            encoder=model.facts,
            sentence=sentence.facts,
            multilingual=multilingual.facts if multilingual else None,
            one_text_model=one_text_model,
            files={path.name: FileFacts.from_file(path) for path in sorted(folder.iterdir())},
        )
        artifact.write_info(folder, artifact_info)
        registry.copy_calibration(model_source.calibration_folders, folder, model.facts.revision)
        _compare_with_torch(folder, model, sentence, multilingual)
        if (precision or artifact.default_precision(model.kind)) == "int8":
            artifact_info = _quantize_image(folder, artifact_info, photos or CALIBRATION_PHOTOS, background.photos)
        artifact_info = _optimize(folder, artifact_info)
    return artifact_info


def _quantize_image(folder: Path, artifact_info: ArtifactInfo, photos: Path, concepts: np.ndarray) -> ArtifactInfo:
    """Replace the image tower of an artifact by one in int8 if that is close enough to it."""
    facts, quantized = artifact_info.encoder, folder / f"int8_{IMAGE}"
    exact = onnx_encoder.load_image_tower(folder / IMAGE, facts)
    calibration, checked = quantize.open_crops(photos, exact.spec)
    quantize.quantize(folder / IMAGE, quantized, calibration)
    tower = onnx_encoder.load_image_tower(quantized, facts)
    parity = quantize.measure_parity(tower, exact, checked, concepts, facts.logit_scale)
    if parity.holds:
        quantized.replace(folder / IMAGE)
        files = artifact_info.files | {IMAGE: FileFacts.from_file(folder / IMAGE)}
        changes = {"precision": "int8", "int8_parity": parity, "files": files}
    else:
        quantized.unlink()
        changes = {"int8_parity": parity}
    artifact_info = artifact_info.model_copy(update=changes)
    artifact.write_info(folder, artifact_info)
    return artifact_info


def _optimize(folder: Path, artifact_info: ArtifactInfo) -> ArtifactInfo:
    """Optimize all graphs of an artifact for fast starts."""
    for graph in artifact.GRAPHS:
        if graph in artifact_info.files:
            optimize.optimize(folder / graph)
    names = [
        *artifact_info.files,
        *(name for name in map(artifact.weights_of, artifact_info.files) if (folder / name).exists()),
    ]
    files = {name: FileFacts.from_file(folder / name) for name in sorted(names)}
    artifact_info = artifact_info.model_copy(update={"files": files})
    artifact.write_info(folder, artifact_info)
    return artifact_info


def export_image(model: Checkpoint, path: Path) -> None:
    """Write the image tower of a model to an ONNX file, in float32 and before any optimization.

    Raises:
        ModelUnavailable: The model has no image tower.
    """
    if model.image is None or model.facts.image is None:
        raise ModelUnavailable(f"{model.facts.model_id} has no image tower")
    side = model.facts.image.side
    pixels = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    _trace(model.image, {"pixels": pixels}, {"pixels": {0: "n"}}, path)


def _export_text(graph: TextGraph, tokens: TextTokens, path: Path) -> None:
    if isinstance(graph, MaskedText) and tokens.spec.pooling in ("eos", "highest id"):
        _export_causal_text(CausalText(graph.model), tokens, path)
        return
    _, ids, mask = next(tokens.batches(TRACED_TEXTS))
    fixed = tokens.spec.pad_to == "max_tokens"
    axes = {0: "n"} if fixed else {0: "n", 1: "length"}
    inputs = {"ids": torch.from_numpy(ids)} | ({} if isinstance(graph, PaddedText) else {"mask": torch.from_numpy(mask)})
    _trace(graph, inputs, dict.fromkeys(inputs, axes), path)


def _export_causal_text(graph: CausalText, tokens: TextTokens, path: Path) -> None:
    tree = TokenTree.build([tokens.encode(text) for text in TRACED_TEXTS])
    axes = {"ids": {0: "nodes"}, "positions": {0: "nodes"}, "sees": {0: "nodes", 1: "nodes"}, "ends": {0: "n"}}
    _trace(graph, {name: torch.from_numpy(array) for name, array in tree.inputs.items()}, axes, path)


def _export_pairs(opened: PairCheckpoint, path: Path) -> None:
    _, *arrays = next(opened.tokens.pair_batches(TRACED_TEXTS[:1], TRACED_TEXTS))
    inputs = {name: torch.from_numpy(array) for name, array in zip(("ids", "mask", "types"), arrays, strict=True)}
    _trace(opened.graph, inputs, {name: {0: "n", 1: "length"} for name in inputs}, path, output="log_odds")


def _trace(
    graph: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    axes: dict[str, dict[int, str]],
    path: Path,
    *,
    output: str = "embeddings",
) -> None:
    with warnings.catch_warnings(), torch.inference_mode():
        # The tracing exporter is deprecated. The new exporter takes 30 times as long and gives a larger graph.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # transformers checks shapes and masks in ways that tracing can't follow. `_compare_with_torch` detects any harm.
        warnings.filterwarnings("ignore", category=torch.jit.TracerWarning)  # type: ignore[attr-defined]
        warnings.filterwarnings("ignore", message="Exporting aten::index operator", category=UserWarning)
        # ONNX Runtime folds these constants when it loads the graph: the margins of padded convolutions.
        warnings.filterwarnings("ignore", message="Constant folding", category=UserWarning)
        warnings.filterwarnings("ignore", message="To copy construct from a tensor", category=UserWarning)  # DeBERTa
        torch.onnx.export(
            graph,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={**axes, output: {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _compare_with_torch(
    folder: Path, model: Checkpoint, sentence: Checkpoint | PairCheckpoint, multilingual: Checkpoint | None
) -> None:
    """Compare an artifact with the torch modules that it was exported from.

    Raises:
        ModelUnavailable: They differ.
    """
    loaded = registry.load(folder)
    reference, exported = torch_encoder.to_encoder(model), loaded.encoder
    _compare(exported.encode_text(CHECKED_TEXTS), reference.encode_text(CHECKED_TEXTS), exported)
    side = exported.info.image_side
    pixels = np.random.default_rng(0).integers(0, 256, (3, side, side, 3), dtype=np.uint8)
    _compare(exported.encode_image(pixels), reference.encode_image(pixels), exported)
    _compare_text_models(loaded.sentence, torch_encoder.to_text_model(sentence))
    if loaded.multilingual and multilingual:
        _compare_text_models(loaded.multilingual, torch_encoder.to_encoder(multilingual))


def _compare_text_models(exported: Encoder | PairEncoder, reference: Encoder | PairEncoder) -> None:
    if is_encoder(exported) and is_encoder(reference):
        _compare(exported.encode_text(CHECKED_TEXTS), reference.encode_text(CHECKED_TEXTS), exported)
    elif not is_encoder(exported) and not is_encoder(reference):
        odds, expected = (encoder.log_odds(CHECKED_TEXTS, CHECKED_TEXTS) for encoder in (exported, reference))
        worst = float(np.abs(odds - expected).max())
        if not worst <= MAX_DIFFERENCE:
            raise ModelUnavailable(f"{exported.info.model_id} can't be exported: its log-odds differ by {worst:.5f}")


def _compare(exported: np.ndarray, reference: np.ndarray, encoder: Encoder) -> None:
    worst = float((exported * reference).sum(axis=1).min())
    if not worst >= MIN_COSINE:
        raise ModelUnavailable(f"{encoder.info.model_id} can't be exported: its cosine with the original is {worst:.5f}")


@contextmanager
def _replace_folder(out: Path) -> Iterator[Path]:
    """Provide an empty folder, which replaces `out` at the end and is deleted after an error."""
    if out.exists() and not (out.is_dir() and {path.name for path in out.iterdir()} <= artifact.FILES):
        raise ModelUnavailable(f"{out} exists and is no model artifact: give another folder")
    _delete_partial(out)  # of a run that was killed
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=PARTIAL))
    try:
        partial.chmod(0o755)  # The user of an image isn't the user who built it.
        yield partial
        if out.exists():
            out.rename(partial.with_name(f"{partial.stem}.old{PARTIAL}"))
        partial.rename(out)
    finally:
        _delete_partial(out)


def _delete_partial(out: Path) -> None:
    for path in out.parent.iterdir():
        if path.name.startswith(f".{out.name}.") and path.name.endswith(PARTIAL):
            shutil.rmtree(path)
