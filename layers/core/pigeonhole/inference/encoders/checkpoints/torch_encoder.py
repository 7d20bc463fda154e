"""The reference engine, torch: it runs any CLIP, SigLIP or dual encoder of transformers, and the bundled kind."""

from __future__ import annotations

import numpy as np
import torch

from pigeonhole.inference.encoders import background_files, registry, source
from pigeonhole.inference.encoders.checkpoints import checkpoint
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint, PairCheckpoint
from pigeonhole.inference.encoders.checkpoints.graphs import PaddedText
from pigeonhole.inference.encoders.checkpoints.multilingual import open_multilingual_encoder
from pigeonhole.inference.encoders.pair_encoder import CrossEncoder
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.encoders.tokens import Embeddings, Ids
from pigeonhole.inference.encoders.tower_encoder import ImageTower, Pixels, TextTower, TowerEncoder

ENGINE = "torch"


def load(name: str, *, sentence: str = registry.BUNDLED_SENTENCE, device: str = "cpu") -> LoadedModel:
    """Load a model.

    Args:
        name: A preset, a folder or a Hugging Face id.
        sentence: The sentence encoder: a preset, a folder or a Hugging Face id.
        device: The torch device that runs the model.

    Raises:
        ModelUnavailable: The model can't be found or opened.
    """
    model_source = source.find_model(name, sentence)
    opened, opened_sentence = checkpoint.open_models(model_source)
    encoder, text_model = to_encoder(opened, device), to_text_model(opened_sentence, device)
    multilingual = to_encoder(open_multilingual_encoder(), device) if model_source.sentence.is_bundled else None
    background = background_files.embed(encoder, text_model, multilingual, opened.generic_photos, opened.hyponyms)
    calibration = registry.read_calibration(model_source.folder)
    return LoadedModel(encoder, text_model, background, calibration, multilingual)


def to_text_model(opened: Checkpoint | PairCheckpoint, device: str = "cpu") -> TowerEncoder | CrossEncoder:
    """Create what compares texts with texts from an opened model."""
    if isinstance(opened, Checkpoint):
        return to_encoder(opened, device)
    graph = opened.graph.to(device)

    def run(ids: Ids, mask: Ids, types: Ids) -> Embeddings:
        with torch.inference_mode():
            return _to_array(graph(*(torch.tensor(values, device=device) for values in (ids, mask, types))))

    return CrossEncoder(opened.facts.to_info(ENGINE), opened.tokens, run)


def to_encoder(opened: Checkpoint, device: str = "cpu") -> TowerEncoder:
    """Create an Encoder from an opened model."""
    text_graph = opened.text.to(device)
    takes_mask = not isinstance(text_graph, PaddedText)

    def run_text(ids: Ids, mask: Ids) -> Embeddings:
        inputs = (ids, mask) if takes_mask else (ids,)
        with torch.inference_mode():
            return _to_array(text_graph(*(torch.tensor(values, device=device) for values in inputs)))

    dim = opened.facts.dim
    text = TextTower(opened.tokens, lambda texts: opened.tokens.embed(texts, dim, run_text))
    info = opened.facts.to_info(ENGINE)
    if opened.image is None or opened.facts.image is None:
        return TowerEncoder(info, text)
    image_graph = opened.image.to(device)

    def run_image(pixels: Pixels) -> Embeddings:
        with torch.inference_mode():
            return _to_array(image_graph(torch.tensor(pixels, device=device)))

    return TowerEncoder(info, text, ImageTower(opened.facts.image, run_image))


def _to_array(embeddings: torch.Tensor) -> Embeddings:
    return np.asarray(embeddings.cpu().numpy(), dtype=np.float32)
