"""A labelled sample of a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pigeonhole.errors import UnreadableImage
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import Modality


class DataError(Exception):
    """The data can't be used. The message is one line that says where, what, and how to fix it."""


@dataclass(frozen=True)
class Item:
    """One labelled sample.

    Attributes:
        type: Text or image.
        value: The text, or the image's name for messages.
        truth: The names of its true labels.
        where: Its location in the data, for messages.
        data: An image's file, or the file's bytes.
        labels: A label set of its own.
        task: The name of the task that the item belongs to, such as the table's set.
        split: The part of the data that the item belongs to, such as "train" or "dev".
        language: The language of a text, such as "en".
    """

    type: Modality
    value: str
    truth: tuple[str, ...]
    where: str
    data: bytes | Path | None = field(default=None, repr=False)
    labels: tuple[LabelClass, ...] | None = None
    task: str | None = None
    split: str | None = None
    language: str | None = None

    def read(self) -> bytes:
        """Return an image's file, still encoded.

        Raises:
            UnreadableImage: The file is missing or can't be read. The message names it.
        """
        if isinstance(self.data, Path):
            try:
                return self.data.read_bytes()
            except OSError as error:
                raise UnreadableImage(f"{self.data} can't be read: {error.strerror or error}") from None
        return self.data or b""


def word_label(name: str) -> LabelClass:
    """Return the label that is described only by its name."""
    return LabelClass(name, (name,), ())
