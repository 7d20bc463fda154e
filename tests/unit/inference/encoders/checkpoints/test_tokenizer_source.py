"""The tokenizer of a model is read as the model was trained, even if its files state other settings."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints import tokenizer_source
from pigeonhole.inference.encoders.tokens import TextTokens
from support import small_models

pytestmark = pytest.mark.torch

SIGLIP_TEXT = SimpleNamespace(max_position_embeddings=64)


def to_ids(tokens: TextTokens, text: str) -> list[int]:
    ((_, ids, _),) = tokens.batches([text])
    return [int(value) for value in ids[0]]


def text_config(**changes: object) -> SimpleNamespace:
    known = {"max_position_embeddings": 512, "pad_token_id": 0, "eos_token_id": None, "model_type": "bert"}
    return SimpleNamespace(**{**known, **changes})


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_siglip_texts_are_lower_case_with_an_end_token_and_padding_to_64(kind: str, model_folders: dict[str, Path]) -> None:
    tokens = tokenizer_source.read_siglip_tokenizer(model_folders[kind], SIGLIP_TEXT)

    ids = to_ids(tokens, "A Photo of a CAT")

    assert ids == to_ids(tokens, "a photo of a cat")
    assert len(ids) == 64
    length, end, padding = tokens.count(["A Photo of a CAT"])[0], 1, {"siglip": 1, "siglip2": 0}[kind]
    assert ids[length - 1 :] == [end] + [padding] * (64 - length)


def test_siglip2_texts_have_no_start_token(model_folders: dict[str, Path]) -> None:
    tokens = tokenizer_source.read_siglip_tokenizer(model_folders["siglip2"], SIGLIP_TEXT)

    assert to_ids(tokens, "cat")[:2] == [tokens._tokenizer.token_to_id("cat"), 1]


def test_a_cut_siglip_text_has_its_end_token(model_folders: dict[str, Path]) -> None:
    for kind in ("siglip", "siglip2"):
        tokens = tokenizer_source.read_siglip_tokenizer(model_folders[kind], SIGLIP_TEXT)

        assert to_ids(tokens, "xyz " * 100)[-1] == 1


def test_special_tokens_may_be_written_as_objects(model_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = small_models.copy_model(model_folders["siglip2"], tmp_path / "copy")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    for name in ("eos_token", "pad_token"):
        settings[name] = {"content": settings[name], "lstrip": False, "__type": "AddedToken"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    assert to_ids(tokenizer_source.read_siglip_tokenizer(folder, SIGLIP_TEXT), "cat")[1:3] == [1, 0]


def test_a_siglip_without_a_padding_token_is_refused(model_folders: dict[str, Path], tmp_path: Path) -> None:
    folder = small_models.copy_model(model_folders["siglip2"], tmp_path / "copy")
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<eos>"}')

    with pytest.raises(ModelUnavailable, match="pad_token"):
        tokenizer_source.read_siglip_tokenizer(folder, SIGLIP_TEXT)


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        (text_config(), 24),  # the tokenizer's own limit is below the model's
        (text_config(max_position_embeddings=20), 20),
        (text_config(max_position_embeddings=20, model_type="xlm-roberta", pad_token_id=1), 18),
    ],
)
def test_texts_are_cut_at_the_lowest_limit(config: SimpleNamespace, limit: int, model_folders: dict[str, Path]) -> None:
    assert tokenizer_source.read_masked_tokenizer(model_folders["dual-encoder"], config).spec.max_tokens == limit


@pytest.mark.parametrize(("end", "pooling"), [(2, "highest id"), (49_407, "eos")])
def test_the_way_to_find_the_end_token_of_a_clip_is_recorded(end: int, pooling: str, model_folders: dict[str, Path]) -> None:
    config = text_config(model_type="clip_text_model", eos_token_id=end)

    assert tokenizer_source.read_masked_tokenizer(model_folders["clip"], config).spec.pooling == pooling


def test_a_tokenizer_is_made_from_a_vocabulary_if_there_is_no_tokenizer_file(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "dog"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')

    assert to_ids(tokenizer_source.read_masked_tokenizer(tmp_path, text_config()), "Cat") == [2, 5, 3]


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')

    with pytest.raises(ModelUnavailable, match=r"has no tokenizer: neither tokenizer\.json nor"):
        tokenizer_source.read_masked_tokenizer(tmp_path, text_config())


def test_a_vocabulary_that_transformers_cannot_read_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "siglip"}')
    (tmp_path / "vocab.json").write_text("{}")

    with pytest.raises(ModelUnavailable, match="gives no tokenizer") as caught:
        tokenizer_source.read_masked_tokenizer(tmp_path, text_config())
    assert "\n" not in str(caught.value)
