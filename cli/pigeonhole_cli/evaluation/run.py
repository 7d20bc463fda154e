"""Run a task through the classifier that the functions use, and keep every answer.

Of pictures, one chunk is decoded at a time. What can't be read is kept as a fault, with its place: nothing is dropped unsaid.
"""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.contract.messages import ModelDescription
from pigeonhole.errors import SampleError
from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders.base import Encoder, EncoderInfo
from pigeonhole.inference.image_loader import to_views
from pigeonhole.inference.images.decode import ImageLimits, open_image
from pigeonhole.inference.pipeline import to_model_description
from pigeonhole.inference.scoring.calibration import prior_calibration
from pigeonhole_cli.evaluation.data import Item
from pigeonhole_cli.evaluation.tasks import Task

if TYPE_CHECKING:
    from pigeonhole.inference.encoders.base import Embeddings, Pixels

CHUNK = 64  # items
IMAGES = ImageLimits()
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class ItemFault:
    """An item that couldn't be read. `index`: in the task's items; `code`: of the error, as in errors.py."""

    index: int
    where: str
    code: str
    message: str


@dataclass(frozen=True)
class Answers:
    """What came of a task. Row i of everything is of the item `task.items[answered[i]]`; the other items are in `faults`.

    `truth`, `chosen`: indices into the task's labels, the chosen ones best first; `probabilities`: float32 (answered, labels).
    `warnings`: what the classifier said of the labels and of texts that it cut, each once.
    """

    task: Task
    answered: tuple[int, ...]
    truth: tuple[tuple[int, ...], ...]
    chosen: tuple[tuple[int, ...], ...]
    probabilities: npt.NDArray[np.float32]
    faults: tuple[ItemFault, ...]
    warnings: tuple[str, ...]


def run(
    task: Task,
    classifier: Classifier,
    options: Options,
    *,
    on_done: Callable[[int], None] = lambda _: None,
    workers: int = 1,
) -> Answers:
    """Classify all items of a task, which says whether several labels may be true.

    `on_done`: is told how many more items are done, after each chunk; `workers`: pictures decoded side by side.
    Raises SampleError if the picture of a label can't be read.
    """
    options = replace(options, multiple_labels=task.multiple, top_k=None)
    label_pixels = {value: fit(classifier.encoder, data) for value, data in task.pictures.items()}
    index_of = {label.name: index for index, label in enumerate(task.labels)}
    answered: list[int] = []
    chosen: list[tuple[int, ...]] = []
    rows: list[npt.NDArray[np.float32]] = []
    faults: list[ItemFault] = []
    warnings: dict[str, None] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="decode") as pool:
        for start in range(0, len(task.items), CHUNK):
            chunk = task.items[start : start + CHUNK]
            read = list(pool.map(lambda item: _read(classifier.encoder, item, every_part=task.multiple), chunk))
            good = [index for index, value in enumerate(read) if not isinstance(value, ItemFault)]
            faults += [replace(value, index=start + i) for i, value in enumerate(read) if isinstance(value, ItemFault)]
            if good:
                outcome = _classify(classifier, task, options, [read[index] for index in good], label_pixels)
                answered += [start + index for index in good]
                chosen += [tuple(choice.index for choice in row) for row in outcome.chosen]
                rows.append(_probabilities(outcome, len(task.labels)))
                warnings |= dict.fromkeys(_placed(text, [chunk[index] for index in good]) for text in outcome.warnings)
            on_done(len(chunk))
    truth = tuple(tuple(index_of[name] for name in task.items[index].truth) for index in answered)
    none = np.zeros((0, len(task.labels)), dtype=np.float32)
    return Answers(task, tuple(answered), truth, tuple(chosen), np.concatenate([none, *rows]), tuple(faults), tuple(warnings))


def _read(encoder: Encoder, item: Item, *, every_part: bool) -> str | Pixels | ItemFault:
    """What the classifier takes of an item: its text, or its picture's views."""
    if item.type == "text":
        return item.value
    try:
        return to_views(encoder, _open(encoder, item.read()), every_part=every_part)
    except SampleError as error:
        return ItemFault(0, item.where, error.code, error.message)


def fit(encoder: Encoder, data: bytes) -> Pixels:
    """A picture's file -> the model's input.

    Raises SampleError.
    """
    return encoder.fit(_open(encoder, data))


def _open(encoder: Encoder, data: bytes) -> Image.Image:
    return open_image(data, IMAGES, side=encoder.info.image_side)


def _classify(
    classifier: Classifier, task: Task, options: Options, samples: Sequence[object], label_pixels: Mapping[str, Pixels]
) -> ClassifierResult:
    if task.type == "text":
        return classifier.classify_texts([str(text) for text in samples], task.labels, options, label_pixels)
    return classifier.classify_images([np.asarray(pixels) for pixels in samples], task.labels, options, label_pixels)


def _probabilities(outcome: ClassifierResult, labels: int) -> npt.NDArray[np.float32]:
    """(items, labels), of the ranks of all labels."""
    found = np.zeros((len(outcome.ranked), labels), dtype=np.float32)
    for row, ranked in zip(found, outcome.ranked, strict=True):
        row[[each.index for each in ranked]] = [each.probability for each in ranked]
    return found


def _placed(warning: str, items: Sequence[Item]) -> str:
    """Name the item where a warning has its place in the chunk."""
    return re.sub(r"^dataset\.(\d+)\.value", lambda found: items[int(found[1])].where, warning)


@dataclass
class Remembering:
    """An Encoder that encodes each text and each picture once, however many tasks ask for it.

    Exact: an embedding doesn't depend on what else is in its batch. Kept for the life of the object, 4 bytes * dim each.
    """

    inner: Encoder
    _texts: dict[str, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _pictures: dict[bytes, npt.NDArray[np.float32]] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    @property
    def info(self) -> EncoderInfo:
        return self.inner.info

    def encode_text(self, texts: Sequence[str]) -> Embeddings:
        return self._recall(self._texts, list(texts), lambda missing: self.inner.encode_text([texts[k] for k in missing]))

    def fit(self, image: Image.Image) -> Pixels:
        return self.inner.fit(image)

    def encode_image(self, pixels: Pixels) -> Embeddings:
        keys = [hashlib.sha256(picture.tobytes()).digest() for picture in pixels]
        return self._recall(self._pictures, keys, lambda missing: self.inner.encode_image(pixels[missing]))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self.inner.count_tokens(texts)

    def _recall(
        self, kept: dict[Key, npt.NDArray[np.float32]], keys: Sequence[Key], encode: Callable[[list[int]], Embeddings]
    ) -> Embeddings:
        """Embed what `keys` stand for: (n, dim). `encode`: indices of those that nobody encoded yet -> their rows."""
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        with self._lock:
            missing = {key: index for key, index in first.items() if key not in kept}
        if missing:
            rows = encode(list(missing.values()))
            with self._lock:
                kept.update(zip(missing, rows, strict=True))
        return np.stack([kept[key] for key in keys]) if keys else np.zeros((0, self.info.dim), dtype=np.float32)


def open_classifier(folder: Path, *, workers: int, calibrated: bool = True) -> Classifier:
    """Load an artifact folder behind a classifier as wiring makes it.

    `workers`: batches encoded side by side; `calibrated`: whether to use its calibration, or the prior.

    Raises ModelUnavailable for a folder that is broken or has a calibration of another model.
    """
    from pigeonhole.inference.encoders import registry
    from pigeonhole.inference.encoders.artifact import ModelUnavailable
    from pigeonhole.inference.scoring.calibration import parse_calibration

    model = registry.load(folder)
    try:
        calibration = parse_calibration(model.calibration if calibrated else None, model.encoder.info)
    except ValueError as error:
        raise ModelUnavailable(f"{folder}: {error}") from None
    encoder, sentence = Remembering(model.encoder), Remembering(model.sentence)
    return Classifier(encoder=encoder, sentence=sentence, calibration=calibration, background=model.background, workers=workers)


def description(classifier: Classifier) -> ModelDescription:
    """Say what a classifier runs."""
    calibrated = classifier.calibration.is_measured_for_photos
    return to_model_description(classifier.encoder.info, classifier.sentence.info, calibrated=calibrated)


def on_prior(classifier: Classifier) -> Classifier:
    """The same classifier without its model's calibration; what either of them encodes, both remember."""
    other = copy.copy(classifier)
    other.calibration = prior_calibration(classifier.encoder.info)
    return other
