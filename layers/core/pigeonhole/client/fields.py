"""What a caller gives beside the samples: labels, questions and options."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from pigeonhole.contract.labels import Label

if TYPE_CHECKING:
    import os

    import numpy.typing as npt
    from PIL import Image

# Strings, because neither numpy nor Pillow has to be there.
# Of the images of a label, an address needs a `Label`: as a string it would be a text.
Description: TypeAlias = "str | Label | os.PathLike[str] | bytes | Image.Image | npt.NDArray[Any]"
Labels: TypeAlias = "Sequence[str | Label] | Mapping[str, Description | Sequence[Description]]"


class LabelOptions(TypedDict, total=False):
    """How labels are compared and chosen.

    Attributes:
        multiple_labels: Whether every label that fits is chosen, and not only the best one.
        instruction: The subject of the labels, such as `tickets of a bank`.
        threshold: The lowest probability of a chosen label.
        top_k: The most labels per sample.
        prompt_templates: Prompts that replace the model's own, each with `{}` where the label goes.
    """

    multiple_labels: bool
    instruction: str | None
    threshold: float | None
    top_k: int | None
    prompt_templates: Sequence[str] | None


class Options(LabelOptions, total=False):
    """The options of a request.

    Attributes:
        scores: Whether the results have the scores of all labels. Default: true.
    """

    scores: bool


class Question(LabelOptions, total=False):
    """A choice among labels of its own.

    Attributes:
        labels: The labels to choose from.
        label_set: The name of a saved label set, in place of `labels`.
    """

    labels: Labels
    label_set: str


Questions: TypeAlias = "Mapping[str, Question | Labels]"


def with_options(fields: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with those options that the caller gave."""
    return {**fields, **{name: value for name, value in options.items() if value is not None}}


def check_samples(samples: object) -> None:
    """Refuse one sample in place of a list. A string would be read as a list of its letters.

    Raises:
        TypeError: The samples are one string, or the bytes of one file.
    """
    if isinstance(samples, str | bytes):
        found = "string" if isinstance(samples, str) else "bytes object"
        raise TypeError(f"samples must be a list, and not one {found}: put it into brackets")


def to_json(value: object) -> bytes:
    """Encode JSON. Half of a surrogate pair is escaped: the API refuses it with its place."""
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()
