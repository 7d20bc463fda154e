"""Encode texts that begin alike as one tree of tokens, in a text tower whose tokens see only what precedes them.

The labels of a request share their templates: "a photo of a cat." and "a photo of a dog." begin with the same five tokens. In a
causal tower such as CLIP's, the states of these tokens don't depend on what follows. So the tree has each distinct beginning
once, and a token sees itself and its ancestors. The embeddings are those of single texts, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.encoders.tokens import Embeddings, Ids, TextTokens

# Each node is compared with all nodes of its tree. With 256 nodes, that is 8 % of the work of ViT-B/32's text tower. Twice as
# many nodes gain less.
MAX_NODES = 256
TREE_INPUTS = frozenset({"ids", "positions", "sees", "ends"})  # of an exported text tower, the attributes of TokenTree


@dataclass(frozen=True)
class TokenTree:
    """The tokens of several texts. Each node stands for a text's beginning up to its token.

    Attributes:
        ids: The token of each node, (nodes,) int64. Parents precede their children.
        positions: Its position in the text, (nodes,) int64.
        sees: Whether a node (row) sees another one (column): itself and its ancestors, (nodes, nodes) bool.
        ends: The node whose state is the embedding of each text, (texts,) int64.
    """

    ids: Ids
    positions: Ids
    sees: npt.NDArray[np.bool_]
    ends: Ids

    @classmethod
    def build(cls, texts: Sequence[Sequence[int]]) -> TokenTree:
        """Build the tree of texts, each of which is its token ids up to the end token."""
        nodes: dict[tuple[int, int], int] = {}  # by parent and token
        positions: list[int] = []
        parents: list[int] = []
        ends = []
        for ids in texts:
            node = -1
            for position, token in enumerate(ids):
                parent, node = node, nodes.setdefault((node, token), len(nodes))
                if node == len(parents):
                    positions.append(position)
                    parents.append(parent)
            ends.append(node)
        sees = np.eye(len(nodes), dtype=np.bool_)
        for node, parent in enumerate(parents):
            if parent >= 0:
                sees[node] |= sees[parent]
        return cls(
            ids=np.array([token for _, token in nodes], dtype=np.int64),
            positions=np.array(positions, dtype=np.int64),
            sees=sees,
            ends=np.array(ends, dtype=np.int64),
        )

    @property
    def inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The inputs of the exported text tower, by name."""
        return {"ids": self.ids, "positions": self.positions, "sees": self.sees, "ends": self.ends}


def embed(tokens: TextTokens, texts: Sequence[str], dim: int, run: Callable[[TokenTree], Embeddings]) -> Embeddings:
    """Embed texts.

    Args:
        tokens: The tokenizer. It cuts long texts.
        texts: (n,) texts.
        dim: The length of an embedding.
        run: Runs the text tower on a tree of m texts -> (m, dim) float32.

    Returns:
        Embeddings in the order of the texts, (n, dim) float32.
    """
    embeddings = np.empty((len(texts), dim), dtype=np.float32)
    for rows, tree in build_trees([cut_at_end(tokens.encode(text), tokens.spec.pooling) for text in texts]):
        embeddings[rows] = run(tree)
    return embeddings


def cut_at_end(ids: list[int], pooling: Literal["eos", "highest id", "last", "mean", "model"]) -> list[int]:
    """Cut a text's token ids after its first end token. No earlier token sees what follows, and the rest isn't read.

    Args:
        ids: The token ids. The last one is the end token.
        pooling: How the end token is found: it is the last one, or that of the highest id (TextSpec).
    """
    end = max(ids) if pooling == "highest id" else ids[-1]
    return ids[: ids.index(end) + 1]


def build_trees(texts: Sequence[list[int]], max_nodes: int = MAX_NODES) -> Iterator[tuple[list[int], TokenTree]]:
    """Divide texts among trees so that texts that begin alike are in the same one.

    Args:
        texts: The token ids of each text.
        max_nodes: The largest number of nodes in a tree. A longer text has a tree of its own.

    Yields:
        The rows in `texts` of the texts of a tree, and the tree.
    """
    rows: list[int] = []
    nodes = 0
    before: list[int] = []
    for row in sorted(range(len(texts)), key=lambda row: texts[row]):
        added = len(texts[row]) - _shared(before, texts[row])
        if rows and nodes + added > max_nodes:
            yield rows, TokenTree.build([texts[row] for row in rows])
            rows, nodes, added = [], 0, len(texts[row])
        rows.append(row)
        nodes, before = nodes + added, texts[row]
    if rows:
        yield rows, TokenTree.build([texts[row] for row in rows])


def _shared(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two texts share at their beginnings."""
    shared = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        shared += 1
    return shared
