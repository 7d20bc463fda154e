"""Open the multilingual sentence encoder from its package, with what this project trained on top of it."""

from __future__ import annotations

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pigeonhole.inference.encoders import packages, source
from pigeonhole.inference.encoders.artifact import ModelFacts, ModelUnavailable, TextSpec
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint
from pigeonhole.inference.encoders.checkpoints.unigram_tokenizer import read_unigram_tokenizer
from pigeonhole.inference.encoders.checkpoints.universal_sentence_encoder import ResidualHead, UniversalSentenceEncoder
from pigeonhole.inference.encoders.tokens import TextTokens
from pigeonhole.inference.scoring.calibration import SENTENCE_SCALE

# The model reads texts of any length. A longer text is read in windows, which limits the memory of one run.
MAX_TOKENS = 2_048
# Any id, because the mask hides padding. The mask is needed: the convolutions must see zeros beyond the ends of a text.
PAD_ID = 0


def open_multilingual_encoder() -> Checkpoint:
    """Open the multilingual sentence encoder, with this project's head if there is one.

    Raises:
        ModelUnavailable: The package is missing or changed, or the head doesn't fit.
    """
    return open_package_encoder(_open_head())


def open_package_encoder(head: ResidualHead | None = None) -> Checkpoint:
    """Open the encoder of the package.

    Args:
        head: What was trained on top, None if there is nothing.

    Raises:
        ModelUnavailable: The package is missing or changed.
    """
    folder = packages.multilingual_folder()
    with np.load(folder / packages.MULTILINGUAL_WEIGHTS, allow_pickle=False) as arrays:
        weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    text = UniversalSentenceEncoder(weights, head).eval()
    spec = TextSpec(max_tokens=MAX_TOKENS, pad_to="longest", pad_id=PAD_ID, pooling="model", long_texts="windows")
    facts = ModelFacts(
        model_id=packages.MULTILINGUAL_ID,
        revision=source.multilingual_revision(),
        licence=packages.MULTILINGUAL_LICENCE,
        dim=weights["p3"].shape[-1],
        logit_scale=SENTENCE_SCALE,
        logit_bias=0.0,
        activation="softmax",
        templates=("{}",),
        text=spec,
        image=None,
        image_patches=0,
    )
    tokens = TextTokens(read_unigram_tokenizer(folder / packages.MULTILINGUAL_TOKENIZER), spec)
    return Checkpoint("image-tower", facts, tokens, text, None)


def _open_head() -> ResidualHead | None:
    path = source.sentence_parts_folder() / source.MULTILINGUAL_HEAD
    if not path.is_file():
        return None
    try:
        return ResidualHead(load_file(path))
    except (KeyError, RuntimeError, SafetensorError) as error:
        raise ModelUnavailable(f"{path} doesn't fit the multilingual sentence encoder: {error}") from None
