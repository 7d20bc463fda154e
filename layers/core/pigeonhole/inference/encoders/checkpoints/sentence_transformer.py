"""Open any text model of sentence-transformers in torch: its modules, its tokenizer, its limit and its prompts.

The library reads the model's own files: modules.json (transformer, pooling, dense layers, normalisation), the settings of each
module, sentence_bert_config.json (limit, lower case) and config_sentence_transformers.json (prompts). A folder without
modules.json is a transformer whose token states are averaged, as the library has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import tokenizer_source
from pigeonhole.inference.encoders.checkpoints.graphs import SentenceModules
from pigeonhole.inference.encoders.tokens import TextTokens


def open_modules(folder: Path, prefix: str | None, attention: str | None) -> tuple[SentenceModules, TextTokens]:
    """Open a text model.

    Args:
        folder: The model's folder.
        prefix: What precedes each text. None means that the model's own prompts say it.
        attention: The attention implementation of transformers, None for its default.

    Raises:
        ModelUnavailable: The library can't open the folder, or the model reads no texts.
    """
    settings = {"dtype": torch.float32} | ({"attn_implementation": attention} if attention else {})
    try:
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs=settings)
        transformer: Any = model[0]
        tokenizer, config = model.tokenizer.backend_tokenizer, transformer.model.config
    except Exception as error:  # the library's errors have no common base
        reason = (str(error).splitlines() or [""])[0]
        raise ModelUnavailable(f"{folder.name} isn't a text model of sentence-transformers: {reason}") from None
    if prefix is None:
        prefix = choose_prefix(model.prompts, model.default_prompt_name)
    tokens = tokenizer_source.to_sentence_tokens(tokenizer, folder, config, limit=model.max_seq_length, prefix=prefix)
    dim = int(model.get_embedding_dimension() or 0)
    return SentenceModules(model, dim, _prompt_length(tokenizer, prefix)).eval(), tokens


def choose_prefix(prompts: Mapping[str, str | None], default_name: str | None) -> str:
    """Choose what precedes each text, samples and labels alike.

    Classification compares texts of equal rank, so both sides get the same prompt. It is, in this order: the prompt for
    classification; the model's default; the prompt for queries, if passages have one as well. The last rule is E5's: its
    authors recommend "query: " on both sides of every task that isn't retrieval. A prompt for queries alone is an instruction
    for retrieval, and isn't used.

    Args:
        prompts: The prompts of the model by name.
        default_name: The name of the prompt that the model uses by default.
    """
    by_name = {name.casefold(): prompt or "" for name, prompt in prompts.items()}
    if "classification" in by_name:
        return by_name["classification"]
    if default_name:
        return by_name.get(default_name.casefold(), "")
    return by_name.get("query", "") if by_name.get("passage") or by_name.get("document") else ""


def _prompt_length(tokenizer: Tokenizer, prefix: str) -> int:
    """Count the tokens of a prefix with the special tokens before it, as sentence-transformers does."""
    if not prefix:
        return 0
    encoding = tokenizer.encode(prefix)
    return len(encoding.ids) - encoding.special_tokens_mask[-1]
