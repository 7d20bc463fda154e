"""Merge a request's labels by name, and read what the texts of a label mean.

All entries of one name describe one class: by words, by example images, or by both. A text names a thing, negates a thing
("not a hotdog"), or means none of the other labels ("other").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.inference.labels.emoji_names import spell_emoji
from pigeonhole.inference.labels.reading import parse_label


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
        denials: The texts in which the class negates these, in the same order: "not interested" for "interested".
        is_none: Whether the class stands for none of the other labels.
    """

    things: tuple[str, ...]
    negated: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    is_none: bool = False


def parse_meanings(labels: Sequence[LabelClass]) -> tuple[Meaning, ...]:
    """Read the texts of all classes of a request. The names and texts of the other classes decide a doubtful reading.

    A text such as "other" is ignored if its class has another text or an example image.
    """
    named = [tuple(dict.fromkeys((label.name, *label.texts))) for label in labels]
    return tuple(
        _parse_meaning(label, [text for other, texts in enumerate(named) if other != index for text in texts])
        for index, label in enumerate(labels)
    )


def _parse_meaning(label: LabelClass, beside: Sequence[str]) -> Meaning:
    readings = {text: parse_label(text, beside) for text in label.texts}
    things = tuple(dict.fromkeys(reading.text for reading in readings.values() if reading.kind == "plain"))
    negated = {reading.text: spell_emoji(text) for text, reading in readings.items() if reading.kind == "negated"}
    return Meaning(things, tuple(negated), tuple(negated.values()), is_none=not (things or negated or label.images))
