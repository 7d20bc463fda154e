"""Texts become ids, cut at the limit or read in windows, and padded as the model was trained. All tokens are counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from pigeonhole.inference.encoders import tokens
from pigeonhole.inference.encoders.artifact import TextSpec
from pigeonhole.inference.encoders.tokens import TextTokens
from support import small_models

pytestmark = pytest.mark.torch

LONG = "a very " * 60 + "long text"
SPEC = TextSpec(max_tokens=24, pad_to="longest", pad_id=0, pooling="mean")


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    small_models.sentence(folder)
    return folder / "tokenizer.json"


@pytest.fixture
def words(tokenizer_file: Path) -> TextTokens:
    return TextTokens.from_file(tokenizer_file, SPEC)


@pytest.fixture
def windowed(tokenizer_file: Path) -> TextTokens:
    return TextTokens.from_file(tokenizer_file, SPEC.model_copy(update={"long_texts": "windows"}))


@pytest.mark.parametrize("text", ["", "cat", "a photo of a cat", LONG, LONG * 5])
def test_tokens_are_counted_before_the_cut(text: str, words: TextTokens, windowed: TextTokens, tokenizer_file: Path) -> None:
    uncut = Tokenizer.from_file(str(tokenizer_file))

    assert words.count([text]) == windowed.count([text]) == [len(uncut.encode(text).ids)]


def test_a_long_text_is_cut_and_keeps_its_end_token(words: TextTokens) -> None:
    ((_, ids, mask),) = words.batches([LONG])

    assert ids.shape == (1, 24)
    assert ids[0, -1] == 3
    assert mask.all()


def mean_ids(ids: tokens.Ids, mask: tokens.Ids) -> tokens.Embeddings:
    """Embed windows as a unit vector of which two numbers depend on their ids."""
    inner = ids * mask * (ids > 3)  # without special tokens
    angle = inner.sum(axis=1) / np.maximum((inner > 0).sum(axis=1), 1) / 10
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_a_long_text_is_read_in_windows_that_hold_all_its_tokens(windowed: TextTokens, tokenizer_file: Path) -> None:
    ((rows, ids, mask), *more) = windowed.batches(["cat", LONG])

    assert not more
    assert rows == [1] * 6 + [0]
    whole = Tokenizer.from_file(str(tokenizer_file)).encode(LONG).ids
    windows = [row[row_mask.astype(bool)].tolist() for row, row_mask in zip(ids, mask, strict=True)]
    assert all(window[0] == 2 and window[-1] == 3 for window in windows)
    assert [token for window in windows[:6] for token in window[1:-1]] == whole[1:-1]


def test_the_windows_of_a_text_weigh_as_their_tokens(windowed: TextTokens) -> None:
    ids_of_long = [windowed.batches([part]) for part in ("cat " * 22, "the rocket")]
    (first, second) = (mean_ids(ids, mask)[0] for batches in ids_of_long for _, ids, mask in batches)

    embedded = windowed.embed(["cat " * 22 + "the rocket"], 2, mean_ids)[0]

    expected = 22 * first + 2 * second
    np.testing.assert_allclose(embedded, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_text_of_one_window_has_the_embedding_of_that_window(windowed: TextTokens, words: TextTokens) -> None:
    texts = ["", "cat", "cat " * 22]

    assert (windowed.embed([*texts, LONG], 2, mean_ids)[:3] == words.embed(texts, 2, mean_ids)).all()


def test_texts_are_padded_to_the_longest_of_the_batch(words: TextTokens) -> None:
    ((rows, ids, mask),) = words.batches(["cat", "a photo of a cat"])

    assert rows == [1, 0]  # the longest first
    assert ids.shape == (2, 7)
    assert ids[1].tolist() == [2, ids[1, 1], 3, 0, 0, 0, 0]
    assert mask[1].tolist() == [1, 1, 1, 0, 0, 0, 0]


def test_texts_are_padded_to_the_limit_if_the_model_reads_padding(tokenizer_file: Path) -> None:
    padded = TextTokens.from_file(tokenizer_file, SPEC.model_copy(update={"pad_to": "max_tokens", "pad_id": 5}))

    ((_, ids, _),) = padded.batches(["cat"])

    assert ids.shape == (1, 24)
    assert (ids[0, 3:] == 5).all()


def test_embeddings_have_the_order_of_the_texts_whatever_the_batches(
    words: TextTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "BATCH_TOKENS", 20)
    texts = ["cat", "a photo of the dog", "a", LONG, "", "the flower and the rocket"]
    sizes: list[tuple[int, ...]] = []

    def lengths(ids: tokens.Ids, mask: tokens.Ids) -> tokens.Embeddings:
        sizes.append(ids.shape)
        return mask.sum(axis=1, keepdims=True).astype(np.float32)

    embedded = words.embed(texts, 1, lengths)

    assert embedded[:, 0].tolist() == [min(count, 24) for count in words.count(texts)]
    assert len(sizes) > 2
    assert all(rows == 1 or rows * length <= 20 for rows, length in sizes)


def test_concurrent_threads_share_a_tokenizer(words: TextTokens) -> None:
    texts = [LONG, "cat", "a photo of the dog"] * 20

    with ThreadPoolExecutor(4) as pool:
        counted = list(pool.map(lambda _: words.count(texts), range(8)))

    assert all(counts == counted[0] for counts in counted)


def test_a_prefix_precedes_each_text_and_each_window(tokenizer_file: Path) -> None:
    plain = Tokenizer.from_file(str(tokenizer_file))
    prefixed = TextTokens.from_file(tokenizer_file, SPEC.model_copy(update={"long_texts": "windows", "prefix": "two dog: "}))
    prefix_ids = plain.encode("two dog:", add_special_tokens=False).ids

    ((_, ids, mask),) = prefixed.batches([LONG, "cat"])

    windows = [row[:count].tolist() for row, count in zip(ids, mask.sum(axis=1), strict=True)]
    assert all(len(window) <= SPEC.max_tokens for window in windows)
    assert all(window[1 : 1 + len(prefix_ids)] == prefix_ids for window in windows)
    assert windows[-1] == plain.encode("two dog: cat").ids
    contents = [token for window in windows[:-1] for token in window[1 + len(prefix_ids) : -1]]
    assert sorted(contents) == sorted(plain.encode(LONG, add_special_tokens=False).ids)
    ((_, ids, _),) = prefixed.batches(["cat"])
    assert ids[0].tolist() == plain.encode("two dog: cat").ids
    assert prefixed.count(["cat"]) == [len(plain.encode("two dog: cat").ids)]


@pytest.fixture(scope="module")
def bilingual() -> TextTokens:
    """A tokenizer that has words in Latin and Cyrillic letters, and single letters of other scripts."""
    syllables = [a + b for letters in ("abcdefghijk", "абвгдежзийк") for a in letters for b in letters]
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789", *"абвгдежзийклмнопрст", *"กขคงจฉชซ", *"ابتثجح", "我", "的"]
    pieces = ["[UNK]", "[CLS]", "[SEP]", ".", "!", *syllables, *letters, *(f"##{piece}" for piece in [*syllables, *letters])]
    tokenizer = Tokenizer(models.WordPiece({piece: index for index, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return TextTokens(tokenizer, SPEC)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("a cat", True),
        ("wrold asdfgh", True),  # misspelt
        ("x", True),
        ("2024", True),
        ("не работает", True),
        ("иphone我", True),
        ("กขค Acer", True),
        ("กขค", False),  # spelt by single letters
        ("ابت جح", False),
        ("我的", False),
        ("हिन्दी", False),  # no token at all
        ("...!", False),
        ("", False),
        ("กขค " * 40, False),
        ("กขค " * 40 + "cat", True),  # beyond the limit
    ],
)
def test_a_word_is_known_if_the_vocabulary_has_words_of_its_script(text: str, known: bool, bilingual: TextTokens) -> None:
    assert bilingual.knows_word(text) is known


def test_a_unigram_tokenizer_knows_which_words_it_knows(tmp_path: Path) -> None:
    small_models.multilingual_sentence(tmp_path)
    unigram = TextTokens.from_file(tmp_path / "tokenizer.json", SPEC)

    assert [unigram.knows_word(text) for text in ("cat", "\u732b", "\u732b 42")] == [True, False, True]
