"""Labels merge by key: all entries of one name describe one class, by words, by example images or by both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol


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


def label_name(key: str | int | float | None, value: str) -> str:
    """The name of a label in the answer: its key as a string, else its value."""
    return value if key is None else str(key)


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
