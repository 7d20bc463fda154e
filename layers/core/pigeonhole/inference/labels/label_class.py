"""Labels merge by key: all entries of one name describe one class, by words, by example images or by both.

What the words mean is read here, too: a thing, what a thing is not ("not a hotdog"), or none of the other labels ("other").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.inference.labels import negation as label_kinds


class LabelEntry(Protocol):
    """One entry of a request's `labels`."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def value(self) -> str: ...
    @property
    def text(self) -> str | None: ...


@dataclass(frozen=True)
class LabelClass:
    """One class: its name in the answer, the texts and the image values that describe it, without repeats, in order."""

    name: str
    texts: tuple[str, ...]
    images: tuple[str, ...]


def merge(entries: Iterable[LabelEntry]) -> tuple[LabelClass, ...]:
    """Merge entries by name, in the order in which the names first come.

    Exact duplicates (name, type, value) count once. The `text` of an image label describes its class as words do.
    """
    texts: dict[str, dict[str, None]] = {}
    images: dict[str, dict[str, None]] = {}
    for entry in entries:
        of_class = texts.setdefault(entry.name, {}), images.setdefault(entry.name, {})
        if entry.type == "text":
            of_class[0][entry.value] = None
        else:
            of_class[1][entry.value] = None
            if entry.text:
                of_class[0][entry.text] = None
    return tuple(LabelClass(name, tuple(texts[name]), tuple(images[name])) for name in texts)


@dataclass(frozen=True)
class Meaning:
    """What a class's texts mean: `things` that it is, things that it is `not_`, or that it is `none` of the other labels."""

    things: tuple[str, ...]
    not_: tuple[str, ...] = ()
    none: bool = False


def meaning(label: LabelClass) -> Meaning:
    """Read a class's texts. "other" beside other descriptions of the same class says nothing more."""
    readings = [label_kinds.read(text) for text in label.texts]
    things = tuple(reading.text for reading in readings if reading.kind == "plain")
    not_ = tuple(dict.fromkeys(reading.text for reading in readings if reading.kind == "negated"))
    return Meaning(things, not_, none=not (things or not_ or label.images))


_NO_PLURALS = frozenset({"news", "goods", "lens", "species", "series", "physics", "politics", "economics", "mathematics"})


def same_thing(one: str, other: str) -> bool:
    """Whether two texts name one thing. "hot dog" is a "hotdog"."""
    return bare(one).replace(" ", "") == bare(other).replace(" ", "")


def bare(text: str) -> str:
    """A label without what makes no other thing of it: case, hyphens, a leading article, a plural's s, a full stop."""
    words = text.casefold().replace("-", " ").replace("_", " ").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    bare = " ".join(words).rstrip(".!?")
    return bare[:-1] if bare[-1:] == "s" and len(bare) > 3 and bare[-2:] != "ss" and bare not in _NO_PLURALS else bare
