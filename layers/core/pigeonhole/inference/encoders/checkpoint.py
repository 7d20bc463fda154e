"""A model opened in torch: its two towers, its tokenizer, and what its weights and settings say of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoImageProcessor, AutoModel
from transformers.utils import logging

from pigeonhole.inference.encoders import preprocess, source, tokenizer_source
from pigeonhole.inference.encoders.artifact import ImageSpec, ModelFacts, ModelKind, ModelUnavailable
from pigeonhole.inference.encoders.graphs import (
    ImageFeatures,
    ImageGraph,
    MaskedText,
    MeanText,
    PaddedText,
    ProjectedVision,
    TextGraph,
)
from pigeonhole.inference.encoders.source import Source
from pigeonhole.inference.encoders.tokens import TextTokens

IMAGE_TOWER = "pigeonhole-image-tower"
# The prompts that each family is used with. CLIP's are the seven that do slightly better than all eighty of Radford et al. 2021
# (their Prompt_Engineering_for_ImageNet.ipynb); the others are those of the SigLIP model cards and of training/text_targets.py.
CLIP_TEMPLATES = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)
SIGLIP_TEMPLATES = ("this is a photo of {}.",)
TOWER_TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")
# sentence-transformers' MultipleNegativesRankingLoss, with which all-MiniLM-L6-v2 was trained.
SENTENCE_SCALE = 20.0
# Convolutional towers see the picture as a grid of squares of so many pixels.
CONVOLUTION_STRIDE = 32


@dataclass(frozen=True)
class Checkpoint:
    """An opened model. A sentence encoder has no image tower."""

    kind: ModelKind
    facts: ModelFacts
    tokens: TextTokens
    text: TextGraph
    image: ImageGraph | None


def open_sentence(attention: str | None = None) -> Checkpoint:
    """Open the sentence encoder, all-MiniLM-L6-v2. `attention`: transformers' implementation, None for its default.

    Raises ModelUnavailable.
    """
    folder = source.sentence_folder()
    with quiet():
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True)
    tokens = tokenizer_source.sentence(folder)
    text = MeanText(model).eval()
    facts = ModelFacts(
        model_id=source.SENTENCE_ID,
        revision=source.sentence_revision(),
        licence=source.SENTENCE_LICENCE,
        dim=_dim(text, tokens),
        logit_scale=SENTENCE_SCALE,
        logit_bias=0.0,
        activation="softmax",
        templates=("{}",),
        text=tokens.spec,
        image=None,
        image_patches=0,
    )
    return Checkpoint("image-tower", facts, tokens, text, None)


def open_model(found: Source, sentence: Checkpoint, attention: str | None = None) -> Checkpoint:
    """Open an image-text model; the bundled kind shares the text side of `sentence`.

    Raises ModelUnavailable for a model of another kind.
    """
    config = found.config
    found.weights()
    if config.get("model_type") == IMAGE_TOWER:
        return _open_tower(found, config, sentence)
    return _open_transformers(found, config, attention)


def _open_transformers(found: Source, config: dict[str, Any], attention: str | None) -> Checkpoint:
    model_type = str(config.get("model_type"))
    if model_type == "siglip2":
        raise ModelUnavailable(f"{found.model_id} reads pictures of any shape (NaFlex): take a SigLIP 2 of a fixed resolution")
    with quiet():
        try:
            model = AutoModel.from_pretrained(
                found.folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"{found.model_id} can't be opened: {str(error).splitlines()[0]}") from None
    if not all(hasattr(model, name) for name in ("get_text_features", "get_image_features", "logit_scale")):
        raise ModelUnavailable(f"{found.model_id} is a {model_type}, not a CLIP, SigLIP or vision-text dual encoder")
    model.eval()
    spec = _image_spec(found)
    kind: ModelKind
    text: TextGraph
    if model_type == "siglip":
        kind, text, tokens = "siglip", PaddedText(model), tokenizer_source.siglip(found.folder, model.config.text_config)
    else:
        kind = "dual-encoder" if model_type == "vision-text-dual-encoder" else "clip"
        text = MaskedText(model)
        tokens = tokenizer_source.masked(found.folder, model.config.text_config)
    patch = getattr(model.config.vision_config, "patch_size", CONVOLUTION_STRIDE)
    facts = ModelFacts(
        model_id=found.model_id,
        revision=found.revision(),
        licence=found.licence,
        dim=_dim(text.eval(), tokens),
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=float(model.logit_bias.detach()) if hasattr(model, "logit_bias") else 0.0,
        activation="sigmoid" if kind == "siglip" else "softmax",
        templates=SIGLIP_TEMPLATES if kind == "siglip" else CLIP_TEMPLATES,
        text=tokens.spec,
        image=spec,
        image_patches=(spec.side // (patch if isinstance(patch, int) else patch[0])) ** 2,
    )
    return Checkpoint(kind, facts, tokens, text, ImageGraph(ImageFeatures(model), spec).eval())


def _open_tower(found: Source, config: dict[str, Any], sentence: Checkpoint) -> Checkpoint:
    """Open the bundled kind: an image tower that was trained into the sentence encoder's space (training/train.py)."""
    spec = _image_spec(found)
    with quiet():
        vision_config = AutoConfig.for_model(**config["vision_config"])
        vision = AutoModel.from_config(vision_config)  # type: ignore[no-untyped-call]
    weights = {name: value.float() for path in found.weights() for name, value in load_file(path).items()}
    dim, width = weights["projection.weight"].shape
    reads_at, mirrored = int(config.get("reads_at", spec.side)), bool(config.get("mirrored", False))
    anchors, sharpness = len(weights.get("anchors", ())), float(config.get("anchors_sharpness", 1.0))
    tower = ProjectedVision(vision, width, dim, reads_at, mirrored=mirrored, anchors=anchors, sharpness=sharpness)
    missing, unexpected = tower.load_state_dict(weights, strict=False)
    # How many batches a batch norm has seen is only of use in training, and not stored.
    if unexpected or any("num_batches_tracked" not in name for name in missing) or dim != sentence.facts.dim:
        raise ModelUnavailable(f"{found.folder}: its weights don't fit its config.json")
    facts = sentence.facts.model_copy(
        update={
            "model_id": found.model_id,
            "revision": found.revision(),
            "licence": found.licence,
            "logit_scale": float(config["logit_scale"]),
            "templates": TOWER_TEMPLATES,
            "image": spec,
            "image_patches": math.ceil(spec.side / CONVOLUTION_STRIDE) ** 2,
        }
    )
    return Checkpoint("image-tower", facts, sentence.tokens, sentence.text, ImageGraph(tower, spec).eval())


def _image_spec(found: Source) -> ImageSpec:
    try:
        with quiet():
            processor = AutoImageProcessor.from_pretrained(found.folder, backend="pil", local_files_only=True)  # type: ignore[no-untyped-call]
        return preprocess.spec_from(processor.to_dict())
    except (KeyError, OSError, ValueError) as error:
        raise ModelUnavailable(f"{found.model_id} can't be prepared: {error}") from None


def _dim(text: TextGraph, tokens: TextTokens) -> int:
    """Length of an embedding, by making one."""
    _, ids, mask = next(tokens.batches(["a"]))
    inputs = (torch.from_numpy(ids), torch.from_numpy(mask))
    with torch.inference_mode():
        return int(text(*inputs[: 1 if isinstance(text, PaddedText) else 2]).shape[-1])


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' remarks and progress bars out of the caller's terminal; errors are raised all the same."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
