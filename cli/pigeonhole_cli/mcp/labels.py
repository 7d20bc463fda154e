"""Labels of an agent as those of the client."""

from __future__ import annotations

from collections.abc import Sequence

from pigeonhole.client.fields import Description
from pigeonhole.contract.labels import Label
from pigeonhole_cli.mcp.folders import Folders
from pigeonhole_cli.mcp.inputs import LabelInput


def to_labels(labels: Sequence[LabelInput], folders: Folders) -> dict[str, list[Description]]:
    """Return the descriptions of each label, by its name.

    Raises:
        FileRefused: An example image can't be read.
    """
    described: dict[str, list[Description]] = {}
    for label in labels:
        described.setdefault(name_of(label), []).extend([*_words_of(label), *read_examples(label, folders)])
    return described


def name_of(label: LabelInput) -> str:
    """Return what the answer calls a label."""
    return label if isinstance(label, str) else label.name


def read_examples(label: LabelInput, folders: Folders) -> list[Description]:
    """Return the example images of a label.

    Raises:
        FileRefused: An image can't be read.
    """
    if isinstance(label, str):
        return []
    sources = [image.source for image in folders.read_images(label.example_images)]
    return [
        Label.model_validate({"type": "image", "value": source}) if isinstance(source, str) else source for source in sources
    ]


def _words_of(label: LabelInput) -> list[str]:
    """Return the words that describe a label: its name where there is nothing else."""
    if isinstance(label, str):
        return [label]
    return label.descriptions or ([] if label.example_images else [label.name])
