"""The reference engine: any CLIP, SigLIP or dual encoder of transformers, and the bundled kind, in torch."""

from __future__ import annotations

import numpy as np
import torch

from pigeonhole.inference.encoders import background_files, checkpoint, registry, source
from pigeonhole.inference.encoders.checkpoint import Checkpoint
from pigeonhole.inference.encoders.graphs import PaddedText
from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.encoders.tokens import Embeddings, Ids
from pigeonhole.inference.encoders.tower_encoder import ImageTower, Pixels, TextTower, TowerEncoder

ENGINE = "torch"


def load(name: str, *, device: str = "cpu") -> LoadedModel:
    """Load a preset, a folder or a Hugging Face id. `device`: torch's name of where it runs.

    Raises ModelUnavailable.
    """
    found = source.find(name)
    sentence = checkpoint.open_sentence()
    model = checkpoint.open_model(found, sentence)
    towers = encoder(model, device), encoder(sentence, device)
    return LoadedModel(*towers, background_files.embed(*towers), registry.read_calibration(found.folder))


def encoder(opened: Checkpoint, device: str = "cpu") -> TowerEncoder:
    """Make an Encoder of an opened model."""
    text_graph = opened.text.to(device)
    takes_mask = not isinstance(text_graph, PaddedText)

    def run_text(ids: Ids, mask: Ids) -> Embeddings:
        inputs = (ids, mask) if takes_mask else (ids,)
        with torch.inference_mode():
            return _array(text_graph(*(torch.tensor(each, device=device) for each in inputs)))

    text = TextTower(opened.tokens, run_text)
    info = opened.facts.info(ENGINE)
    if opened.image is None or opened.facts.image is None:
        return TowerEncoder(info, text)
    image_graph = opened.image.to(device)

    def run_image(pixels: Pixels) -> Embeddings:
        with torch.inference_mode():
            return _array(image_graph(torch.tensor(pixels, device=device)))

    return TowerEncoder(info, text, ImageTower(opened.facts.image, run_image))


def _array(embeddings: torch.Tensor) -> Embeddings:
    return np.asarray(embeddings.cpu().numpy(), dtype=np.float32)
