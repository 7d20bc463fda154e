"""Merge a request's labels by name, and read what the texts of a label mean.

All entries of one name describe one class: by words, by example images, or by both. A text names a thing, negates a thing
("not a hotdog"), or means none of the other labels ("other").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.inference.labels.negation import parse_label


class LabelEntry(Protocol):
    """One entry of a request's `labels`."""

    @property
    def name(self) -> str:
        """The name of the class: the entry's key or else its value."""
        ...

    @property
    def type(self) -> str:
        """The type: "text" or "image"."""
        ...

    @property
    def value(self) -> str:
        """The text, or the image's address or data."""
        ...

    @property
    def text(self) -> str | None:
        """A further text of an image's class."""
        ...


@dataclass(frozen=True)
class LabelClass:
    """One class of a request.

    Attributes:
        name: The name of the class in the answer.
        texts: The texts that describe the class, without repeats, in the order of the request.
        images: The values of its example images, without repeats, in the order of the request.
    """

    name: str
    texts: tuple[str, ...]
    images: tuple[str, ...]


def merge_labels(entries: Iterable[LabelEntry]) -> tuple[LabelClass, ...]:
    """Merge entries by name, in the order in which the names first occur.

    Exact duplicates (name, type, value) count once. The `text` of an image label is one more text of its class.
    """
    texts: dict[str, dict[str, None]] = {}
    images: dict[str, dict[str, None]] = {}
    for entry in entries:
        class_texts, class_images = texts.setdefault(entry.name, {}), images.setdefault(entry.name, {})
        if entry.type == "text":
            class_texts[entry.value] = None
        else:
            class_images[entry.value] = None
            if entry.text:
                class_texts[entry.text] = None
    return tuple(LabelClass(name, tuple(texts[name]), tuple(images[name])) for name in texts)


@dataclass(frozen=True)
class Meaning:
    """What the texts of a class mean.

    Attributes:
        things: Texts that name what the class is.
        negated: Texts that name what the class is not.
        is_none: Whether the class stands for none of the other labels.
    """

    things: tuple[str, ...]
    negated: tuple[str, ...] = ()
    is_none: bool = False


def parse_meaning(label: LabelClass) -> Meaning:
    """Read the texts of a class.

    A text such as "other" is ignored if the class has another text or an example image.
    """
    readings = [parse_label(text) for text in label.texts]
    things = tuple(reading.text for reading in readings if reading.kind == "plain")
    negated = tuple(dict.fromkeys(reading.text for reading in readings if reading.kind == "negated"))
    return Meaning(things, negated, is_none=not (things or negated or label.images))


_NO_PLURALS = frozenset({"news", "goods", "lens", "species", "series", "physics", "politics", "economics", "mathematics"})


def is_same_thing(first: str, second: str) -> bool:
    """Return whether two texts name the same thing, as "hot dog" and "hotdog" do."""
    return normalize(first).replace(" ", "") == normalize(second).replace(" ", "")


def normalize(text: str) -> str:
    """Remove from a label what doesn't change its meaning: case, hyphens, a leading article, a plural's s, a full stop."""
    words = text.casefold().replace("-", " ").replace("_", " ").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    phrase = " ".join(words).rstrip(".!?")
    is_plural = phrase[-1:] == "s" and len(phrase) > 3 and phrase[-2:] != "ss" and phrase not in _NO_PLURALS
    return phrase[:-1] if is_plural else phrase
