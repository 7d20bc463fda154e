"""Texts that begin alike are one tree of tokens, and get the embeddings of single texts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.inference.encoders.registry import LoadedModel
from pigeonhole.inference.encoders.token_tree import MAX_NODES, TokenTree, build_trees, cut_at_end

TOKENS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def beginnings(tree: TokenTree) -> list[list[int]]:
    """Return the tokens that each node sees, in the order of their positions."""
    return [tree.ids[sorted(np.flatnonzero(row), key=tree.positions.__getitem__)].tolist() for row in tree.sees]


def test_a_beginning_is_there_once() -> None:
    tree = TokenTree.build([[7, 1, 2, 9], [7, 1, 3, 9], [7, 4, 9]])

    assert tree.ids.tolist() == [7, 1, 2, 9, 3, 9, 4, 9]
    assert tree.positions.tolist() == [0, 1, 2, 3, 2, 3, 1, 2]
    assert tree.ends.tolist() == [3, 5, 7]


@given(st.lists(TOKENS, min_size=1, max_size=12))
def test_each_end_sees_its_text_and_nothing_else(texts: list[list[int]]) -> None:
    tree = TokenTree.build(texts)

    seen = beginnings(tree)

    assert [seen[end] for end in tree.ends] == texts
    assert len({tuple(tokens) for tokens in seen}) == len(seen)


@given(st.lists(TOKENS, max_size=12), st.integers(1, 20))
def test_every_text_is_in_one_tree_of_limited_size(texts: list[list[int]], max_nodes: int) -> None:
    found: dict[int, list[int]] = {}
    for rows, tree in build_trees(texts, max_nodes):
        seen = beginnings(tree)
        found |= {row: seen[end] for row, end in zip(rows, tree.ends, strict=True)}
        assert len(tree.ids) <= max_nodes or len(rows) == 1

    assert found == dict(enumerate(texts))


@pytest.mark.parametrize(
    ("pooling", "ids", "cut"),
    [
        ("eos", [1, 5, 9], [1, 5, 9]),
        ("eos", [1, 5, 9, 6, 9], [1, 5, 9]),  # a text that spells the end token
        ("highest id", [1, 5, 9, 2], [1, 5, 9]),
    ],
)
def test_nothing_is_read_beyond_the_first_end_token(pooling: str, ids: list[int], cut: list[int]) -> None:
    assert cut_at_end(ids, pooling) == cut  # type: ignore[arg-type]


@pytest.mark.torch
def test_a_tree_gives_the_embeddings_of_single_texts(in_onnx: dict[str, LoadedModel], in_torch: dict[str, LoadedModel]) -> None:
    words = ("cat", "dog", "red", "blue", "house", "<|endoftext|>", "")
    texts = [
        f"{start} {word}{end}" for start in ("", "a photo of a", "a photo of the") for word in words for end in ("", " x.")
    ]
    texts += ["a long text " * 50 + word for word in words]

    expected = in_torch["clip"].encoder.encode_text(texts)

    assert np.allclose(in_onnx["clip"].encoder.encode_text(texts), expected, atol=1e-5)
    assert np.allclose(np.concatenate([in_onnx["clip"].encoder.encode_text([text]) for text in texts]), expected, atol=1e-5)


@pytest.mark.torch
def test_more_texts_than_a_tree_holds_are_several_trees(in_onnx: dict[str, LoadedModel]) -> None:
    encoder = in_onnx["clip"].encoder
    texts = [f"{number} red cats" for number in range(MAX_NODES)]

    assert np.allclose(encoder.encode_text(texts)[-3:], encoder.encode_text(texts[-3:]), atol=1e-5)


@pytest.mark.torch
def test_only_clip_has_a_text_tower_of_trees(artifacts: dict[str, Path]) -> None:
    import onnx

    inputs = {
        name: {graph_input.name for graph_input in onnx.load(folder / "text.onnx", load_external_data=False).graph.input}
        for name, folder in artifacts.items()
    }

    with_trees = {name for name, names in inputs.items() if "sees" in names}
    assert with_trees == {"clip", "clip-legacy"}
    assert inputs["clip"] == {"ids", "positions", "sees", "ends"}
