"""Turn a SentencePiece model of the kind unigram into a tokenizer of the library `tokenizers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers.utils import sentencepiece_model_pb2_new as protobuf

from pigeonhole.inference.encoders.artifact import ModelUnavailable

SPACE = "▁"  # stands for a space in a piece


def read_unigram_tokenizer(path: Path) -> Tokenizer:
    """Read a SentencePiece model. The tokenizer adds the model's tokens for the start and the end of a text.

    Its ids are those of SentencePiece, which counts neighbouring characters that it doesn't know as one unknown token.

    Raises:
        ModelUnavailable: The file is no SentencePiece model.
    """
    try:
        model: Any = protobuf.ModelProto.FromString(path.read_bytes())  # type: ignore[attr-defined]
    except DecodeError:
        raise ModelUnavailable(f"{path} is no SentencePiece model") from None
    trainer = model.trainer_spec
    tokenizer = Tokenizer(models.Unigram([(piece.piece, piece.score) for piece in model.pieces], unk_id=trainer.unk_id))
    charsmap = model.normalizer_spec.precompiled_charsmap
    spaces = [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence([*([normalizers.Precompiled(charsmap)] if charsmap else []), *spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always")
    ends = [(model.pieces[index].piece, index) for index in (trainer.bos_id, trainer.eos_id)]
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{ends[0][0]} $A {ends[1][0]}", special_tokens=ends)
    return tokenizer
