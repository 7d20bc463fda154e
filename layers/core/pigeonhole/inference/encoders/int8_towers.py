"""Replace the towers of an artifact by towers in int8, each only if it is close enough to the one in float32."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pigeonhole.inference.encoders import onnx_encoder, quantize
from pigeonhole.inference.encoders.artifact import IMAGE, TEXT, TOKENIZER, ArtifactInfo, FileFacts, Int8Parity, Precision
from pigeonhole.inference.encoders.quantize import Feed
from pigeonhole.inference.encoders.tokens import Embeddings
from pigeonhole.inference.labels.background_concepts import PHOTO_CONCEPTS
from pigeonhole.inference.labels.prompts import build_prompts


def quantize_towers(folder: Path, artifact_info: ArtifactInfo, photos: Path, concepts: Embeddings) -> ArtifactInfo:
    """Quantize the image tower and the text tower of an artifact.

    Args:
        folder: The artifact folder, whose towers are in float32.
        artifact_info: Its description.
        photos: The folder of the photos that calibrate and check.
        concepts: The embeddings of the background concepts, (concepts, dim) float32.

    Returns:
        The description with the precision of each tower, and how close int8 was. artifact.json isn't written.

    Raises:
        ModelUnavailable: The photos can't be read, or ONNX Runtime can't quantize a tower.
    """
    facts = artifact_info.encoder
    image = onnx_encoder.load_image_tower(folder / IMAGE, facts, threads=1)
    calibration, checked = quantize.open_crops(photos, image.spec)
    calibration_texts, checked_texts = _concept_prompts(facts.templates)
    text = onnx_encoder.load_text_tower(folder, (TEXT, TOKENIZER), facts, threads=1)
    photo_embeddings, text_embeddings = quantize.in_batches(image.run, checked), text.encode(checked_texts)

    def image_parity(path: Path) -> Int8Parity:
        quantized = quantize.in_batches(onnx_encoder.load_image_tower(path, facts, threads=1).run, checked)
        scores, exact_scores = quantized @ concepts.T, photo_embeddings @ concepts.T
        return quantize.measure_parity(quantized, photo_embeddings, scores, exact_scores, facts.logit_scale)

    def text_parity(path: Path) -> Int8Parity:
        quantized = onnx_encoder.load_text_tower(folder, (path.name, TOKENIZER), facts, threads=1).encode(checked_texts)
        scores, exact_scores = photo_embeddings @ quantized.T, photo_embeddings @ text_embeddings.T
        return quantize.measure_parity(quantized, text_embeddings, scores, exact_scores, facts.logit_scale)

    text_feeds = onnx_encoder.text_feeds(folder, (TEXT, TOKENIZER), facts, calibration_texts)
    precision, parity = _replace(folder / IMAGE, quantize.pixel_feeds(calibration), image_parity)
    text_precision, text_int8_parity = _replace(folder / TEXT, text_feeds, text_parity)
    changes: dict[str, Any] = {
        "precision": precision,
        "int8_parity": parity,
        "text_precision": text_precision,
        "text_int8_parity": text_int8_parity,
        "files": {name: FileFacts.from_file(folder / name) for name in artifact_info.files},
    }
    return artifact_info.model_copy(update=changes)


def _concept_prompts(templates: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return prompts of background concepts for the calibration and, every third, for the check."""
    prompts = [build_prompts(concept, templates) for concept in PHOTO_CONCEPTS]
    # Each concept is in one of its templates.
    texts = [of_concept[index % len(of_concept)] for index, of_concept in enumerate(prompts)]
    return [text for index, text in enumerate(texts) if index % 3 != 2], texts[2::3]


def _replace(graph: Path, feeds: Iterable[Feed], measure: Callable[[Path], Int8Parity]) -> tuple[Precision, Int8Parity]:
    """Quantize a graph, and replace it if the result is close enough to it. Return what it is then, and how close int8 was."""
    quantized = graph.with_name(f"int8_{graph.name}")
    quantize.quantize(graph, quantized, feeds)
    parity = measure(quantized)
    if parity.holds:
        quantized.replace(graph)
        return "int8", parity
    quantized.unlink()
    return "fp32", parity
