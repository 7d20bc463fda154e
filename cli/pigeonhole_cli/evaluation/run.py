"""Run a task through the classifier that the functions use, and collect every answer.

Only one chunk of images is decoded at a time. An item that can't be read is reported as a fault with its location.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders.base import Encoder
from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.in_process_decoder import make_views
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole_cli.evaluation.item import Item
from pigeonhole_cli.evaluation.tasks import Task

if TYPE_CHECKING:
    from pigeonhole.inference.encoders.base import Pixels

CHUNK_ITEMS = 64
IMAGE_LIMITS = ImageLimits()


@dataclass(frozen=True)
class ItemFault:
    """An item that can't be read.

    Attributes:
        index: Its index in the task's items.
        where: Its location in the data.
        code: The error code (see `pigeonhole.errors`).
        message: The error message.
    """

    index: int
    where: str
    code: str
    message: str


@dataclass(frozen=True)
class Answers:
    """The classifier's answers to a task. Entry i of each field belongs to the item `task.items[answered[i]]`.

    Attributes:
        task: The task.
        answered: The indices of the answered items. The other items are in `faults`.
        truth: The indices of each item's true labels.
        chosen: The indices of each item's chosen labels, best first.
        probabilities: `(answered, labels) float32`.
        faults: The items that can't be read.
        warnings: The classifier's warnings about labels and truncated texts, without repetition.
    """

    task: Task
    answered: tuple[int, ...]
    truth: tuple[tuple[int, ...], ...]
    chosen: tuple[tuple[int, ...], ...]
    probabilities: npt.NDArray[np.float32]
    faults: tuple[ItemFault, ...]
    warnings: tuple[str, ...]


def run_task(
    task: Task,
    classifier: Classifier,
    options: Options,
    *,
    on_progress: Callable[[int], None] = lambda _: None,
    workers: int = 1,
) -> Answers:
    """Classify all items of a task.

    Args:
        task: The task. It says whether several labels may be true.
        classifier: The classifier.
        options: The options of a request.
        on_progress: Called after each chunk with the number of items in it.
        workers: The number of images that are decoded concurrently.

    Raises:
        SampleError: An image that describes a label can't be read.
    """
    options = replace(options, multiple_labels=task.multiple, top_k=None)
    label_pixels = {value: load_pixels(classifier.encoder, data) for value, data in task.images.items()}
    label_indices = {label.name: index for index, label in enumerate(task.labels)}
    answered: list[int] = []
    chosen: list[tuple[int, ...]] = []
    probabilities: list[npt.NDArray[np.float32]] = []
    faults: list[ItemFault] = []
    warnings: dict[str, None] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        for start in range(0, len(task.items), CHUNK_ITEMS):
            chunk = task.items[start : start + CHUNK_ITEMS]
            samples = list(pool.map(lambda item: _read(classifier.encoder, item, every_part=task.multiple), chunk))
            readable = [index for index, sample in enumerate(samples) if not isinstance(sample, ItemFault)]
            faults += [replace(sample, index=start + i) for i, sample in enumerate(samples) if isinstance(sample, ItemFault)]
            if readable:
                result = _classify(classifier, task, options, [samples[index] for index in readable], label_pixels)
                answered += [start + index for index in readable]
                chosen += [tuple(label.index for label in row) for row in result.chosen]
                probabilities.append(_probabilities(result, len(task.labels)))
                items = [chunk[index] for index in readable]
                warnings |= dict.fromkeys(_with_location(warning, items) for warning in result.warnings)
            on_progress(len(chunk))
    truth = tuple(tuple(label_indices[name] for name in task.items[index].truth) for index in answered)
    no_rows = np.zeros((0, len(task.labels)), dtype=np.float32)
    return Answers(
        task,
        tuple(answered),
        truth,
        tuple(chosen),
        np.concatenate([no_rows, *probabilities]),
        tuple(faults),
        tuple(warnings),
    )


def load_pixels(encoder: Encoder, data: bytes) -> Pixels:
    """Decode an image file to the model's input.

    Raises:
        SampleError: The image can't be decoded.
    """
    return np.asarray(encoder.fit(_open(encoder, data)))


def _read(encoder: Encoder, item: Item, *, every_part: bool) -> str | Pixels | ItemFault:
    """Return the classifier's input for an item: its text, or its image's views."""
    if item.type == "text":
        return item.value
    try:
        return make_views(encoder.fit, _open(encoder, item.read()), every_part=every_part)
    except SampleError as error:
        return ItemFault(0, item.where, error.code, error.message)


def _open(encoder: Encoder, data: bytes) -> Image.Image:
    return open_image(data, IMAGE_LIMITS, side=encoder.info.image_side)


def _classify(
    classifier: Classifier, task: Task, options: Options, samples: Sequence[object], label_pixels: Mapping[str, Pixels]
) -> ClassifierResult:
    if task.type == "text":
        return classifier.classify_texts([str(text) for text in samples], task.labels, options, label_pixels)
    return classifier.classify_images([np.asarray(pixels) for pixels in samples], task.labels, options, label_pixels)


def _probabilities(result: ClassifierResult, label_count: int) -> npt.NDArray[np.float32]:
    """Return `(items, labels)` from the ranking of all labels."""
    probabilities = np.zeros((len(result.ranked), label_count), dtype=np.float32)
    for row, ranked in zip(probabilities, result.ranked, strict=True):
        row[[label.index for label in ranked]] = [label.probability for label in ranked]
    return probabilities


def _with_location(warning: str, items: Sequence[Item]) -> str:
    """Replace a position in the chunk by the item's location in the data."""
    return re.sub(r"^dataset\.(\d+)\.value", lambda match: items[int(match[1])].where, warning)
