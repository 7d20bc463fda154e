"""Open a model in torch: its two towers, its tokenizer, and the facts that its weights and settings state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModel, CLIPModel
from transformers.utils import logging

from pigeonhole.inference.encoders import packages, source
from pigeonhole.inference.encoders.artifact import HYPONYMS, ModelFacts, ModelKind, ModelUnavailable, TextSpec
from pigeonhole.inference.encoders.checkpoints import cross_encoder, efficientnet, image_tower, text_delta, tokenizer_source
from pigeonhole.inference.encoders.checkpoints.graphs import (
    ClipImageFeatures,
    EntailmentOdds,
    ImageFeatures,
    ImageGraph,
    MaskedText,
    MeanText,
    PaddedText,
    TextGraph,
)
from pigeonhole.inference.encoders.checkpoints.image_processor import parse_image_spec
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.encoders.pair_encoder import PairTokens
from pigeonhole.inference.encoders.source import ModelSource, SentenceSource
from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens
from pigeonhole.inference.labels.background_concepts import TEXTS
from pigeonhole.inference.labels.hyponyms import Hyponyms
from pigeonhole.inference.scoring.calibration import SENTENCE_SCALE

# The templates of each model family. CLIP's seven do slightly better than all eighty of Radford et al. 2021 (their
# Prompt_Engineering_for_ImageNet.ipynb). The others are from the SigLIP model cards and from training/.
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
# The hypothesis of a cross-encoder, as its authors have it, and the largest log-odds of a pair: p = 1 - 2e-9.
HYPOTHESIS = "This text is about {}."
PAIR_SCALE = 20.0
# The side in pixels of the squares into which convolutional towers divide an image.
CONVOLUTION_STRIDE = 32


@dataclass(frozen=True)
class Checkpoint:
    """An opened model.

    Attributes:
        kind: The kind of the model.
        facts: What artifact.json says of the encoder.
        tokens: The tokenizer.
        text: The text tower.
        image: The image tower, None for a sentence encoder.
        generic_photos: Embeddings of photos of many kinds, (photos, dim) float32. None if the model brings none.
        hyponyms: What general words name, None if the model doesn't say.
    """

    kind: ModelKind
    facts: ModelFacts
    tokens: TextTokens
    text: TextGraph
    image: ImageGraph | None
    generic_photos: Embeddings | None = None
    hyponyms: Hyponyms | None = None


@dataclass(frozen=True)
class PairCheckpoint:
    """An opened cross-encoder.

    Attributes:
        facts: What artifact.json says of it.
        tokens: The tokenizer.
        graph: The model.
    """

    facts: ModelFacts
    tokens: PairTokens
    graph: EntailmentOdds


def open_bundled_sentence(attention: str | None = None) -> Checkpoint:
    """Open all-MiniLM-L6-v2, with this project's text delta if there is one.

    Args:
        attention: The attention implementation of transformers, None for its default.

    Raises:
        ModelUnavailable: The sentence encoder is missing or changed, or the text delta doesn't fit it.
    """
    sentence_source = source.find_sentence()
    folder = sentence_source.open_folder()
    with quiet_transformers():
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True)
    if (delta := source.sentence_parts_folder() / source.TEXT_DELTA).is_file():
        text_delta.apply(model, delta)
    tokens = tokenizer_source.read_sentence_tokenizer(folder)
    return _to_sentence(sentence_source, MeanText(model).eval(), tokens, SENTENCE_SCALE, 0.0)


def open_sentence(
    sentence_source: SentenceSource, bundled: Checkpoint, attention: str | None = None
) -> Checkpoint | PairCheckpoint:
    """Open a text model of sentence-transformers, or a cross-encoder.

    No file of a model of sentence-transformers states the scale of its cosines. E5's lie between 0.7 and 1, for example. So
    scale and bias are chosen such that scale * cosine + bias has, over the pairs of the generic texts, the mean and the spread
    that it has in the bundled sentence encoder. The coefficients of that encoder then suit the model (scoring/calibration.py).

    Args:
        sentence_source: The model's files.
        bundled: The bundled sentence encoder.
        attention: The attention implementation of transformers, None for its default.

    Raises:
        ModelUnavailable: The model is broken, or of another kind.
    """
    folder = sentence_source.open_folder()
    if cross_encoder.is_cross_encoder(source.read_config(folder)):
        with quiet_transformers():
            graph, pair_tokens = cross_encoder.open_pairs(folder, attention)
        facts = _to_facts(sentence_source, 1, PAIR_SCALE, 0.0, pair_tokens.spec)
        facts = facts.model_copy(update={"templates": (HYPOTHESIS,), "reads_pairs": True})
        return PairCheckpoint(facts, pair_tokens, graph)
    # Imported late: the library takes many seconds, and the bundled sentence encoder doesn't need it.
    from pigeonhole.inference.encoders.checkpoints import sentence_transformer

    with quiet_transformers():
        text, tokens = sentence_transformer.open_modules(folder, sentence_source.prefix, attention)
    mean, spread = _measure_cosines(text, tokens)
    bundled_mean, bundled_spread = _measure_cosines(bundled.text, bundled.tokens)
    scale = SENTENCE_SCALE * bundled_spread / spread
    return _to_sentence(sentence_source, text, tokens, scale, SENTENCE_SCALE * bundled_mean - scale * mean)


def _to_sentence(sentence_source: SentenceSource, text: TextGraph, tokens: TextTokens, scale: float, bias: float) -> Checkpoint:
    facts = _to_facts(sentence_source, _dim(text, tokens), scale, bias, tokens.spec)
    return Checkpoint("image-tower", facts, tokens, text, None)


def _to_facts(sentence_source: SentenceSource, dim: int, scale: float, bias: float, spec: TextSpec) -> ModelFacts:
    return ModelFacts(
        model_id=sentence_source.model_id,
        revision=sentence_source.compute_revision(),
        licence=sentence_source.licence,
        dim=dim,
        logit_scale=scale,
        logit_bias=bias,
        activation="softmax",
        templates=("{}",),
        text=spec,
        image=None,
        image_patches=0,
    )


def _measure_cosines(text: TextGraph, tokens: TextTokens) -> tuple[float, float]:
    """Return the mean and the standard deviation of the cosines between each two of the generic texts."""

    def run(ids: Ids, mask: Ids) -> Embeddings:
        with torch.inference_mode():
            return np.asarray(text(torch.from_numpy(ids), torch.from_numpy(mask)).numpy())

    vectors = tokens.embed(TEXTS, _dim(text, tokens), run)
    cosines = (vectors @ vectors.T)[np.triu_indices(len(vectors), k=1)]
    return float(cosines.mean()), float(cosines.std())


def open_models(model_source: ModelSource, attention: str | None = None) -> tuple[Checkpoint, Checkpoint | PairCheckpoint]:
    """Open an image-text model and what compares texts with texts beside it.

    Args:
        model_source: The files of both.
        attention: The attention implementation of transformers, None for its default.

    Returns:
        The image-text model and the sentence encoder. They share the text tower if both have the bundled sentence encoder.

    Raises:
        ModelUnavailable: A model is broken, or of another kind.
    """
    bundled = open_bundled_sentence(attention)
    is_bundled = model_source.sentence.is_bundled
    sentence = bundled if is_bundled else open_sentence(model_source.sentence, bundled, attention)
    config = model_source.config
    model_source.find_weights()
    if config.get("model_type") == source.IMAGE_TOWER:
        # The tower was trained into the space of the bundled sentence encoder, whichever compares texts.
        return _open_tower(model_source, config, bundled), sentence
    return _open_transformers(model_source, config, attention), sentence


def _open_transformers(model_source: ModelSource, config: dict[str, Any], attention: str | None) -> Checkpoint:
    model_type = str(config.get("model_type"))
    if model_type == "siglip2":
        raise ModelUnavailable(
            f"{model_source.model_id} reads images of any shape (NaFlex), which isn't supported: "
            "use a SigLIP 2 model of a fixed resolution"
        )
    with quiet_transformers():
        try:
            model = AutoModel.from_pretrained(
                model_source.folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise ModelUnavailable(f"{model_source.model_id} can't be opened: {str(error).splitlines()[0]}") from None
    if not all(hasattr(model, name) for name in ("get_text_features", "get_image_features", "logit_scale")):
        raise ModelUnavailable(f"{model_source.model_id} is a {model_type}, not a CLIP, SigLIP or vision-text dual encoder")
    model.eval()
    spec = _image_spec(model_source)
    kind: ModelKind
    text: TextGraph
    if model_type == "siglip":
        kind, text, tokens = (
            "siglip",
            PaddedText(model),
            tokenizer_source.read_siglip_tokenizer(model_source.folder, model.config.text_config),
        )
    else:
        kind = "dual-encoder" if model_type == "vision-text-dual-encoder" else "clip"
        text = MaskedText(model)
        tokens = tokenizer_source.read_masked_tokenizer(model_source.folder, model.config.text_config)
    patch = getattr(model.config.vision_config, "patch_size", CONVOLUTION_STRIDE)
    facts = ModelFacts(
        model_id=model_source.model_id,
        revision=model_source.compute_revision(),
        licence=model_source.licence,
        dim=_dim(text.eval(), tokens),
        logit_scale=float(model.logit_scale.detach().exp()),
        logit_bias=float(model.logit_bias.detach()) if hasattr(model, "logit_bias") else 0.0,
        activation="sigmoid" if kind == "siglip" else "softmax",
        templates=SIGLIP_TEMPLATES if kind == "siglip" else CLIP_TEMPLATES,
        text=tokens.spec,
        image=spec,
        image_patches=(spec.side // (patch if isinstance(patch, int) else patch[0])) ** 2,
    )
    features = (ClipImageFeatures if isinstance(model, CLIPModel) else ImageFeatures)(model)
    return Checkpoint(kind, facts, tokens, text, ImageGraph(features, spec).eval())


def _open_tower(model_source: ModelSource, config: dict[str, Any], sentence: Checkpoint) -> Checkpoint:
    """Open a model of the bundled kind: an image tower into the sentence encoder's space."""
    spec = _image_spec(model_source)
    if config.get("backbone") != packages.BACKBONE:
        raise ModelUnavailable(f"{model_source.model_id} has an unknown backbone: config.json must name {packages.BACKBONE}")
    backbone = efficientnet.load(packages.backbone_weights())
    tower = image_tower.load(model_source.find_weights(), config, backbone, sentence.facts.dim)
    facts = sentence.facts.model_copy(
        update={
            "model_id": model_source.model_id,
            "revision": model_source.compute_revision(),
            "licence": model_source.licence,
            "logit_scale": float(config["logit_scale"]),
            "templates": TOWER_TEMPLATES,
            "image": spec,
            "image_patches": math.ceil(spec.side / CONVOLUTION_STRIDE) ** 2,
        }
    )
    graph = ImageGraph(tower, spec).eval()
    hyponyms = _read_hyponyms(model_source, tower)
    return Checkpoint("image-tower", facts, sentence.tokens, sentence.text, graph, tower.generic_photos, hyponyms)


def _read_hyponyms(model_source: ModelSource, tower: image_tower.ImageTower) -> Hyponyms | None:
    path = model_source.folder / HYPONYMS
    if tower.class_embeddings is None or not path.is_file():
        return None
    try:
        return Hyponyms.read(path, tower.class_embeddings)
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{path}: {error}") from None


def _image_spec(model_source: ModelSource) -> ImageSpec:
    try:
        with quiet_transformers():
            processor = AutoImageProcessor.from_pretrained(model_source.folder, backend="pil", local_files_only=True)  # type: ignore[no-untyped-call]
        return parse_image_spec(processor.to_dict())
    except (KeyError, OSError, ValueError) as error:
        raise ModelUnavailable(f"{model_source.model_id} can't be prepared: {error}") from None


def _dim(text: TextGraph, tokens: TextTokens) -> int:
    """Return the length of an embedding, by encoding a text."""
    _, ids, mask = next(tokens.batches(["a"]))
    inputs = (torch.from_numpy(ids), torch.from_numpy(mask))
    with torch.inference_mode():
        return int(text(*inputs[: 1 if isinstance(text, PaddedText) else 2]).shape[-1])


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Suppress the messages and progress bars of transformers. Errors are still raised."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
