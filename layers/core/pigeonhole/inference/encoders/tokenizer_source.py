"""A model's tokenizer, limits and padding, from the files of its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer, normalizers, processors

from pigeonhole.inference.encoders.artifact import ModelUnavailable, TextSpec
from pigeonhole.inference.encoders.tokens import TextTokens

# Models whose position 0 is not the first one (fairseq's habit): so many positions fewer hold tokens.
SHIFTED_POSITIONS = ("roberta", "camembert", "xmod")
# "No limit" as tokenizer_config.json writes it is a number far beyond this.
NO_LIMIT = 100_000
VOCABULARIES = ("vocab.txt", "vocab.json")


def masked(folder: Path, text_config: Any) -> TextTokens:
    """The tokenizer of a model that takes a mask: padded to the longest, which the mask (or a causal one) hides."""
    positions = int(text_config.max_position_embeddings)
    pad_id = int(text_config.pad_token_id or 0)
    if any(name in text_config.model_type for name in SHIFTED_POSITIONS):
        positions -= pad_id + 1
    stated = _settings(folder).get("model_max_length") or NO_LIMIT
    limit = min(positions, int(stated)) if stated < NO_LIMIT else positions
    pooling: Literal["model", "eos", "highest id"] = "model"
    if text_config.model_type == "clip_text_model":
        # transformers' CLIPTextModel: checkpoints from before its fix say that 2 is the end, and mean the highest id.
        pooling = "highest id" if text_config.eos_token_id == 2 else "eos"
    spec = TextSpec(max_tokens=limit, pad_to="longest", pad_id=pad_id, pooling=pooling)
    return TextTokens(_read(folder), spec)


def siglip(folder: Path, text_config: Any) -> TextTokens:
    """The tokenizer of a SigLIP: lower case, an end at the end, and always the full length of padding, on the right.

    So it was trained (big_vision: `lower`, `tokenize(max_len=64, eos="sticky")`). SigLIP 2's files say Gemma's settings
    instead, whose tokenizer keeps capitals: transformers has to be told, and so has ours.
    """
    tokenizer, settings = _read(folder), _settings(folder)
    end, padding = (_token(settings, name) for name in ("eos_token", "pad_token"))
    end_id, pad_id = (tokenizer.token_to_id(token) if token else None for token in (end, padding))
    if end is None or end_id is None or pad_id is None:
        raise ModelUnavailable(f"{folder}: tokenizer_config.json names no eos_token or pad_token of its vocabulary")
    lower = normalizers.Lowercase()
    tokenizer.normalizer = normalizers.Sequence([lower, tokenizer.normalizer]) if tokenizer.normalizer else lower
    if tokenizer.encode("a").ids[-1:] != [end_id] or len(tokenizer.encode("").ids) != 1:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {end}", special_tokens=[(end, end_id)])
    length = int(text_config.max_position_embeddings)
    spec = TextSpec(max_tokens=length, pad_to="max_tokens", pad_id=pad_id, pooling="last")
    return TextTokens(tokenizer, spec)


def sentence(folder: Path) -> TextTokens:
    """The tokenizer of a sentence-transformers folder."""
    limit = json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"]
    return TextTokens(_read(folder), TextSpec(max_tokens=limit, pad_to="longest", pad_id=0, pooling="mean"))


def _read(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    # Without a vocabulary transformers makes an empty tokenizer, and no error.
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelUnavailable(f"{folder} has no tokenizer: neither tokenizer.json nor {' nor '.join(VOCABULARIES)}")
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    except (AttributeError, ImportError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelUnavailable(f"{folder}: no tokenizer can be made of its vocabulary: {reason}") from None


def _settings(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            content |= json.loads((folder / name).read_bytes())
    return content


def _token(settings: dict[str, Any], name: str) -> str | None:
    token = settings.get(name)
    return token["content"] if isinstance(token, dict) else token
