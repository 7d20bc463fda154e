"""Find the hyponyms of a label: what a general word names. The hyponyms of "animal" are "cat", "goldfish" and others.

The image tower knows the classes that it was trained on. WordNet says which of them a general word names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

_ARTICLE = re.compile(r"^(?:an?|the)\s+")


class Hyponyms:
    """The trained classes that each general word names."""

    def __init__(self, classes: npt.NDArray[np.float32], words: Mapping[str, Sequence[int]]) -> None:
        """Create the table.

        Args:
            classes: The text embeddings of the trained classes, (classes, dim) float32.
            words: For each general word in lower case, the indices of the classes that it names.

        Raises:
            ValueError: A word names no class, or one that isn't there.
        """
        for word, indices in words.items():
            if {type(index) for index in indices} != {int} or not 0 <= min(indices) <= max(indices) < len(classes):
                raise ValueError(f"the classes of {word!r} must be numbers from 0 to {len(classes) - 1}")
        self.classes = classes
        self.words = words

    @classmethod
    def read(cls, path: Path, classes: npt.NDArray[np.float32]) -> Hyponyms:
        """Read a JSON object that gives each word its list of classes.

        Raises:
            OSError: The file can't be read.
            ValueError: The file is no such object.
        """
        words = json.loads(path.read_bytes())
        if not isinstance(words, dict) or not all(isinstance(indices, list) for indices in words.values()):
            raise ValueError("it must be an object of lists")
        return cls(classes, words)

    def write(self, path: Path) -> None:
        """Write the words. `read` reads them."""
        path.write_text(json.dumps(self.words, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")

    def find(self, texts: Sequence[str]) -> list[int]:
        """Return the indices of the classes that a label's texts name. Most labels name none."""
        return sorted({index for text in texts for word in _forms(text) for index in self.words.get(word, ())})


def _forms(text: str) -> Iterator[str]:
    """Yield how the table may spell a text: without its article, and in the singular."""
    word = _ARTICLE.sub("", text.strip().lower())
    yield word
    for plural, singular in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(plural):
            yield word.removesuffix(plural) + singular
