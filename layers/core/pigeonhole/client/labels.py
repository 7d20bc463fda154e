"""The fields of a request that name its labels and options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pigeonhole.client.fields import Description, Labels, with_options
from pigeonhole.client.flow import Flow, read
from pigeonhole.client.images import read_image, to_data_url
from pigeonhole.client.uploads import upload_image
from pigeonhole.contract.labels import Label

MAX_INLINE_BYTES = 250_000  # a larger example image is uploaded, so that it isn't sent with every batch


def to_label_fields(labels: Labels | None, label_set: str | None, options: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Return the fields of a request that name its labels and options. Large example images are uploaded.

    Args:
        labels: The labels.
        label_set: The name of a saved label set, in place of labels.
        options: The options of the request.

    Raises:
        ValueError: Both or none of labels and label set are given.
        SampleError: An example image of a label can't be read.
        ClientError: An upload failed.
    """
    if (labels is None) == (label_set is None):
        raise ValueError("give either `labels` or the name of a `label_set`")
    if labels is None:
        return with_options({"label_set": label_set}, options)
    fields = []
    for key, description in _list_descriptions(labels):
        fields.append((yield from _to_field(key, description)))
    return with_options({"labels": fields}, options)


def _list_descriptions(labels: Labels) -> Iterator[tuple[str | None, Description]]:
    """Yield each description with the key of its label. A label without a key is called by its text."""
    if isinstance(labels, str):
        raise TypeError("labels must be a list of labels, and not one string")
    if not isinstance(labels, Mapping):
        yield from ((None, label) for label in labels)
        return
    for key, given in labels.items():
        descriptions = given if isinstance(given, list | tuple) else (given,)
        yield from ((key, description) for description in descriptions)


def _to_field(key: str | None, description: Description) -> Flow[dict[str, Any]]:
    named = {} if key is None else {"key": key}
    if isinstance(description, str):
        return {**named, "type": "text", "value": description}
    if isinstance(description, Label):
        return {**named, **description.model_dump(exclude_none=True)}
    image = yield from read(lambda: read_image(description))
    return {**named, "type": "image", "value": image if isinstance(image, str) else (yield from _to_address(image))}


def _to_address(data: bytes) -> Flow[str]:
    return to_data_url(data) if len(data) <= MAX_INLINE_BYTES else (yield from upload_image(data))
