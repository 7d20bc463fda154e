"""Open a cross-encoder for natural language inference in torch: whether a text entails a hypothesis.

Yin et al. 2019 ("Benchmarking Zero-shot Text Classification", arXiv 1909.00161) classify texts so: the text is the premise, and
"This text is about LABEL." is the hypothesis.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from pigeonhole.inference.encoders.artifact import ModelUnavailable, TextSpec
from pigeonhole.inference.encoders.checkpoints import tokenizer_source
from pigeonhole.inference.encoders.checkpoints.graphs import EntailmentOdds
from pigeonhole.inference.encoders.pair_encoder import PairTokens

ARCHITECTURE = "ForSequenceClassification"


def is_cross_encoder(config: dict[str, Any]) -> bool:
    """Return whether a config.json is that of a model for the classification of texts."""
    return any(str(name).endswith(ARCHITECTURE) for name in config.get("architectures") or ())


def open_pairs(folder: Path, attention: str | None) -> tuple[EntailmentOdds, PairTokens]:
    """Open a cross-encoder.

    Args:
        folder: The model's folder.
        attention: The attention implementation of transformers, None for its default.

    Raises:
        ModelUnavailable: The model can't be opened, or none of its classes is entailment.
    """
    try:
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelUnavailable(f"{folder.name} can't be opened: {str(error).splitlines()[0]}") from None
    classes = {int(index): str(name).casefold() for index, name in model.config.id2label.items()}
    entailment = [index for index, name in classes.items() if name.startswith("entail")]
    if len(entailment) != 1 or len(classes) < 2:
        names = ", ".join(classes.values())
        raise ModelUnavailable(
            f"{folder.name} isn't a model of natural language inference: none of its classes is entailment ({names})"
        )
    tokenizer, limit, pad_id = tokenizer_source.read_pair_tokenizer(folder, model.config)
    spec = TextSpec(max_tokens=limit, pad_to="longest", pad_id=pad_id, pooling="model")
    return EntailmentOdds(model, entailment[0]).eval(), PairTokens(tokenizer, spec)
