"""Read a model's tokenizer, its limits and its padding from the files of the model's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer, normalizers, processors

from pigeonhole.inference.encoders.artifact import ModelUnavailable, TextSpec
from pigeonhole.inference.encoders.tokens import TextTokens

# Models whose first position isn't 0, as in fairseq. They have fewer positions for tokens.
SHIFTED_POSITIONS = ("roberta", "camembert", "xmod")
# tokenizer_config.json states "no limit" as a number far above this one.
NO_LIMIT = 100_000
VOCABULARIES = ("vocab.txt", "vocab.json")


def read_masked_tokenizer(folder: Path, text_config: Any) -> TextTokens:
    """Read the tokenizer of a model that takes a mask. Texts are padded to the longest, and the mask hides the padding.

    Args:
        folder: The model's folder.
        text_config: The text settings of transformers.
    """
    pad_id = int(text_config.pad_token_id or 0)
    limit = _read_limit(folder, text_config, pad_id)
    pooling: Literal["model", "eos", "highest id"] = "model"
    if text_config.model_type == "clip_text_model":
        # transformers' CLIPTextModel: checkpoints from before its fix name 2 as the end token, and mean the highest id.
        pooling = "highest id" if text_config.eos_token_id == 2 else "eos"
    spec = TextSpec(max_tokens=limit, pad_to="longest", pad_id=pad_id, pooling=pooling)
    return TextTokens(_read(folder), spec)


def read_siglip_tokenizer(folder: Path, text_config: Any) -> TextTokens:
    """Read the tokenizer of a SigLIP: lower case, an end token, and padding on the right to the full length.

    SigLIP was trained so (big_vision: `lower`, `tokenize(max_len=64, eos="sticky")`). The files of SigLIP 2 have the settings
    of Gemma's tokenizer, which keeps capitals. So both transformers and this function need the settings of the training.

    Args:
        folder: The model's folder.
        text_config: The text settings of transformers.

    Raises:
        ModelUnavailable: The settings name no end token or padding token of the vocabulary.
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


def read_sentence_tokenizer(folder: Path) -> TextTokens:
    """Read the tokenizer of a sentence-transformers folder."""
    limit = json.loads((folder / "sentence_bert_config.json").read_bytes())["max_seq_length"]
    spec = TextSpec(max_tokens=limit, pad_to="longest", pad_id=0, pooling="mean", long_texts="windows")
    return TextTokens(_read(folder), spec)


def to_sentence_tokens(tokenizer: Tokenizer, folder: Path, text_config: Any, *, limit: int | None, prefix: str) -> TextTokens:
    """Limit the tokenizer of a sentence-transformers model.

    Args:
        tokenizer: The tokenizer.
        folder: The model's folder.
        text_config: The text settings of transformers.
        limit: The number of tokens that the model's own files state, None if they state none.
        prefix: What precedes each text.
    """
    pad_id = int(text_config.pad_token_id or 0)
    limit = min(limit or NO_LIMIT, _read_limit(folder, text_config, pad_id))
    spec = TextSpec(max_tokens=limit, pad_to="longest", pad_id=pad_id, pooling="model", long_texts="windows", prefix=prefix)
    return TextTokens(tokenizer, spec)


def read_pair_tokenizer(folder: Path, text_config: Any) -> tuple[Tokenizer, int, int]:
    """Read the tokenizer of a cross-encoder, the number of tokens that the model reads, and the id of the padding token."""
    pad_id = int(text_config.pad_token_id or 0)
    return _read(folder), _read_limit(folder, text_config, pad_id), pad_id


def _read_limit(folder: Path, text_config: Any, pad_id: int) -> int:
    """Return the number of tokens that a model reads: its positions, or fewer if the settings of its tokenizer say so."""
    positions = int(getattr(text_config, "max_position_embeddings", NO_LIMIT))
    if any(name in text_config.model_type for name in SHIFTED_POSITIONS):
        positions -= pad_id + 1
    stated = _settings(folder).get("model_max_length") or NO_LIMIT
    return min(positions, int(stated)) if stated < NO_LIMIT else positions


def _read(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    if path.is_file():
        return Tokenizer.from_file(str(path))
    # Without a vocabulary, transformers creates an empty tokenizer and raises no error.
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ModelUnavailable(f"{folder} has no tokenizer: neither tokenizer.json nor {' nor '.join(VOCABULARIES)}")
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    except (AttributeError, ImportError, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelUnavailable(f"{folder}: its vocabulary gives no tokenizer: {reason}") from None


def _settings(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            content |= json.loads((folder / name).read_bytes())
    return content


def _token(settings: dict[str, Any], name: str) -> str | None:
    token = settings.get(name)
    return token["content"] if isinstance(token, dict) else token
