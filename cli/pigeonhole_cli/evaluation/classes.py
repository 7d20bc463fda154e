"""The classes of labelled samples, and which of them exclude each other."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pigeonhole.inference.labels.reading import parse_label
from pigeonhole_cli.evaluation.item import DataError, Item
from pigeonhole_cli.evaluation.tasks import sample

# Words that say nothing about the thing in a label: "photo of a car" and "photo of a dog" exclude each other.
COMMON_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "no",
        "not",
        "of",
        "on",
        "or",
        "other",
        "the",
        "this",
        "to",
        "with",
        "without",
        "art",
        "clip",
        "color",
        "colour",
        "cut",
        "image",
        "out",
        "photo",
        "picture",
        "scan",
        "text",
        "view",
    ]
)
MIN_PART = 4  # letters of a word that may be a part of another word: "forest" of "rainforest"


@dataclass(frozen=True)
class Classes:
    """The samples of each class.

    Classes of one set exclude each other. Classes of different sets may mean the same, as "mountain" and "mountain range" do.
    So they exclude each other only if they share no word.

    Attributes:
        samples: The samples of each class, by its name. A name that several sets have is one class.
    """

    samples: dict[str, list[Item]]
    _sets: dict[str, frozenset[str | None]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sets = {name: frozenset(item.task for item in items) for name, items in self.samples.items()}
        object.__setattr__(self, "_sets", sets)

    @classmethod
    def of(cls, items: Iterable[Item]) -> Classes:
        """Sort samples of one label each by their class. Samples whose label negates a thing or means none are left out.

        Raises:
            DataError: A sample has several labels, or fewer than 2 classes are left.
        """
        samples: dict[str, list[Item]] = {}
        for item in items:
            if len(item.truth) != 1:
                raise DataError(f"{item.where}: a suite needs samples of one label each")
            samples.setdefault(item.truth[0], []).append(item)
        plain = {name: samples[name] for name in samples if parse_label(name).kind == "plain"}
        if len(plain) < 2:
            raise DataError("a suite needs samples of at least 2 classes")
        return cls(plain)

    def exclude(self, one: str, other: str) -> bool:
        """Whether no sample of one class belongs to the other."""
        return one != other and (not self._sets[one].isdisjoint(self._sets[other]) or not share_word(one, other))

    def others(self, names: Sequence[str]) -> dict[str, list[Item]]:
        """Return the classes that exclude each of the named ones."""
        return {other: self.samples[other] for other in self.samples if all(self.exclude(name, other) for name in names)}

    def draw(self, count: int, rng: random.Random) -> list[str]:
        """Draw at most `count` classes that exclude each other."""
        drawn: list[str] = []
        first = sample(sorted(self.samples), count, rng)
        for name in first:
            if all(self.exclude(name, other) for other in drawn):
                drawn.append(name)
        if len(drawn) < len(first):
            for name in sample(sorted(set(self.samples) - set(first)), len(self.samples), rng):
                if len(drawn) < count and all(self.exclude(name, other) for other in drawn):
                    drawn.append(name)
        return drawn


def share_word(one: str, other: str) -> bool:
    """Whether two labels share a word, or a word of one is a part of a word of the other. Plurals count as their singulars."""
    pairs = [(word, other_word) for word in _words(one) for other_word in _words(other)]
    return any(a == b or (min(len(a), len(b)) >= MIN_PART and (a in b or b in a)) for a, b in pairs)


def _words(label: str) -> frozenset[str]:
    words = re.findall(r"\w+", label.lower())
    return frozenset(word if len(word) < MIN_PART else word.rstrip("s") for word in words) - COMMON_WORDS
