"""The core: samples, labels and options in, ranked labels out.

A text sample meets a text label in the sentence encoder, every other pair in the image-text encoder. All labels are embedded
before any sample is scored, and every sample is scored on its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from pigeonhole import prompts, scoring
from pigeonhole.labels import LabelClass
from pigeonhole.ports import Encoder
from pigeonhole.scoring import Calibration, Floats, Modality, Pair, Ranked

Pixels = npt.NDArray[np.uint8]

MAX_COUNTED_NAME = 512  # characters of a label's name that `output_tokens` counts


@dataclass(frozen=True)
class Options:
    """How to answer. `templates`: the caller's prompts, each with `{}` once; `threshold`: 0..1, None for the calibration's."""

    multiple_labels: bool = False
    threshold: float | None = None
    top_k: int | None = None
    instruction: str | None = None
    templates: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a call found. `chosen`, `ranked`: per sample, best first, indices into the call's labels.

    `input_tokens`: text tokens and image patches of samples, labels and instruction, whether or not a cache had them;
    `output_tokens`: text tokens of the chosen labels' names; `inference_ms`: wall-clock milliseconds, loading excluded.
    """

    chosen: list[list[Ranked]]
    ranked: list[list[Ranked]]
    warnings: list[str]
    input_tokens: int
    output_tokens: int
    inference_ms: int


@dataclass
class LabelCache:
    """Prompt embeddings by (revision, template, text), least recently used first out. Safe to share between threads."""

    size: int
    _entries: LRUCache[tuple[str, str, str], Floats] = field(init=False)
    _lock: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self._entries = LRUCache(maxsize=self.size)

    def embed(
        self, revision: str, encode: Callable[[Sequence[str]], Floats], prompted: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Floats]:
        """Embed (template, text) pairs, each at most once, and only those that the cache lacks.

        `encode`: n prompts -> (n, dim), of the encoder of that revision.
        """
        wanted = list(dict.fromkeys(prompted))
        with self._lock:
            found = {pair: self._entries[(revision, *pair)] for pair in wanted if (revision, *pair) in self._entries}
        missing = [pair for pair in wanted if pair not in found]
        if missing:
            vectors = encode([prompts.render(template, text) for template, text in missing])
            found.update(zip(missing, vectors, strict=True))
            with self._lock:
                for pair in missing:
                    self._entries[(revision, *pair)] = found[pair]
        return found


@dataclass(frozen=True)
class _Samples:
    """Embedded samples of one type. `against_texts`, `against_images`: (n, dim), None where no label is of that type."""

    type: Modality
    reader: Encoder
    against_texts: Floats | None
    against_images: Floats | None
    tokens: int
    warnings: list[str]


class Classifier:
    """Sorts texts or images into labels. Safe to call from several threads.

    `encoder`: texts and images in one space; `sentence`: texts against texts; `batch`: samples encoded at once; `workers`:
    batches encoded side by side. Two batches on a core each take less time than one after the other on both.
    """

    def __init__(
        self,
        encoder: Encoder,
        sentence: Encoder,
        calibration: Calibration,
        *,
        cache_size: int = 4_096,
        batch: int = 8,
        workers: int = 1,
    ) -> None:
        self.encoder = encoder
        self.sentence = sentence
        self.calibration = calibration
        self._cache = LabelCache(cache_size)
        self._batch = batch
        self._workers = workers

    def classify_texts(
        self,
        texts: Sequence[str],
        labels: Sequence[LabelClass],
        options: Options,
        label_pixels: Mapping[str, Pixels] | None = None,
    ) -> Outcome:
        """Sort texts. `label_pixels`: each image label's value -> uint8 (side, side, 3), as the encoder's `fit` gave it."""
        started = time.perf_counter()
        by_words, by_pictures = any(label.texts for label in labels), any(label.images for label in labels)
        readers = [self.sentence] * by_words + [self.encoder] * by_pictures
        counts = [reader.count_tokens(texts) for reader in readers]
        cut = [
            _cut(f"dataset.{index}.value", reader.info.max_text_tokens, count)
            for reader, of_reader in zip(readers, counts, strict=True)
            for index, count in enumerate(of_reader)
            if count > reader.info.max_text_tokens
        ]
        samples = _Samples(
            "text",
            self.sentence,
            self._in_batches(self.sentence.encode_text, texts) if by_words else None,
            self._in_batches(self.encoder.encode_text, texts) if by_pictures else None,
            sum(counts[0]),
            cut,
        )
        return self._answer(samples, labels, options, label_pixels or {}, started)

    def classify_images(
        self,
        pixels: Pixels | Sequence[Pixels],
        labels: Sequence[LabelClass],
        options: Options,
        label_pixels: Mapping[str, Pixels] | None = None,
    ) -> Outcome:
        """Sort images: uint8 (n, side, side, 3), as the encoder's `fit` gave them. `label_pixels`: as in `classify_texts`."""
        started = time.perf_counter()
        vectors = self._encode_images(pixels)
        samples = _Samples("image", self.encoder, vectors, vectors, len(pixels) * self.encoder.info.image_patches, [])
        return self._answer(samples, labels, options, label_pixels or {}, started)

    def _answer(
        self,
        samples: _Samples,
        labels: Sequence[LabelClass],
        options: Options,
        label_pixels: Mapping[str, Pixels],
        started: float,
    ) -> Outcome:
        reader = samples.reader
        defaults = prompts.TEXT_TEMPLATES if samples.type == "text" else self.encoder.info.templates
        templates = prompts.templates_for(defaults, options.templates, options.instruction)
        log_odds, cosines = self._compare(samples, labels, templates, label_pixels)
        probabilities = scoring.sigmoid(log_odds) if options.multiple_labels else scoring.softmax(log_odds)
        ranked = scoring.rank(probabilities, cosines)
        threshold = self.calibration.threshold if options.threshold is None else options.threshold
        chosen = [
            scoring.choose(row, multiple=options.multiple_labels, threshold=threshold, top_k=options.top_k) for row in ranked
        ]
        elapsed_ms = (time.perf_counter() - started) * 1000

        texts = [text for label in labels for text in label.texts]
        counts = reader.count_tokens(texts)
        instruction = reader.count_tokens([options.instruction]) if options.instruction else [0]
        patches = sum(len(label.images) for label in labels) * self.encoder.info.image_patches
        # An image label without a key is named by its value, which may be a data: URL of megabytes: its start is enough here.
        names = reader.count_tokens([label.name[:MAX_COUNTED_NAME] for label in labels])
        return Outcome(
            chosen=chosen,
            ranked=ranked,
            warnings=samples.warnings + _cut_prompts(reader, texts, templates),
            input_tokens=samples.tokens + sum(counts) + sum(instruction) + patches,
            output_tokens=sum(names[choice.index] for row in chosen for choice in row),
            inference_ms=round(elapsed_ms),
        )

    def _compare(
        self, samples: _Samples, labels: Sequence[LabelClass], templates: Sequence[str], label_pixels: Mapping[str, Pixels]
    ) -> tuple[Floats, Floats]:
        """Compare all samples with all labels: (n, labels) log-odds and cosines, each the mean over a label's modalities."""
        by_text = self._embed_texts(samples.reader, labels, templates)
        by_image = self._embed_images(labels, label_pixels)

        odds_columns, cosine_columns = [], []
        for label in labels:
            sides: list[tuple[Floats, Pair]] = []
            if samples.against_texts is not None and label.texts:
                sides.append((samples.against_texts @ by_text[label.name], (samples.type, "text")))
            if samples.against_images is not None and label.images:
                sides.append((samples.against_images @ by_image[label.name], (samples.type, "image")))
            odds_columns.append(scoring.pool([self.calibration.lines[pair].log_odds(cosines) for cosines, pair in sides]))
            cosine_columns.append(np.mean([cosines for cosines, _ in sides], axis=0))
        return np.stack(odds_columns, axis=1), np.stack(cosine_columns, axis=1)

    def _embed_texts(self, reader: Encoder, labels: Sequence[LabelClass], templates: Sequence[str]) -> dict[str, Floats]:
        """Embed each class's texts: name -> (dim,), the mean over its texts and the templates."""
        prompted = [(template, text) for label in labels for text in label.texts for template in templates]
        # However many: an encoder reads prompts of one length at a time, and bounds their tokens.
        encode = partial(self._in_batches, reader.encode_text, batch=max(1, len(prompted)))
        embedded = self._cache.embed(reader.info.revision, encode, prompted)
        return {
            label.name: scoring.unit_mean(
                np.stack([embedded[(template, text)] for text in label.texts for template in templates])
            )
            for label in labels
            if label.texts
        }

    def _embed_images(self, labels: Sequence[LabelClass], label_pixels: Mapping[str, Pixels]) -> dict[str, Floats]:
        """Embed each class's example images: name -> (dim,), the mean over them. A picture of two classes is encoded once."""
        values = list(dict.fromkeys(value for label in labels for value in label.images))
        vectors = dict(zip(values, self._encode_images([label_pixels[value] for value in values]), strict=True))
        return {
            label.name: scoring.unit_mean(np.stack([vectors[value] for value in label.images]))
            for label in labels
            if label.images
        }

    def _encode_images(self, pixels: Pixels | Sequence[Pixels]) -> Floats:
        return self._in_batches(lambda part: self.encoder.encode_image(np.stack(part)), pixels)

    def _in_batches(self, encode: Callable[[Any], Floats], items: Sequence[Any] | Pixels, batch: int | None = None) -> Floats:
        """Encode in batches of at most `batch`, alike in size, on all workers: (n, dim) in the order of the items."""
        if not len(items):
            return np.zeros((0, self.encoder.info.dim), dtype=np.float32)
        rounds = math.ceil(len(items) / (batch or self._batch) / self._workers)
        count = min(len(items), rounds * self._workers)
        if count == 1:
            return encode(items)
        parts = [items[len(items) * k // count : len(items) * (k + 1) // count] for k in range(count)]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="encode") as pool:
            return np.concatenate(list(pool.map(encode, parts)))


def _cut_prompts(reader: Encoder, texts: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Say which labels' prompts, template and instruction included, are longer than the model reads."""
    limit, cut = reader.info.max_text_tokens, []
    for text in texts:
        # No token is shorter than a byte, so most prompts needn't be counted; two tokens mark the start and the end.
        rendered = [prompts.render(template, text) for template in templates]
        long = [prompt for prompt in rendered if len(prompt.encode(errors="replace")) + 2 > limit]
        longest = max(reader.count_tokens(long), default=0)
        if longest > limit:
            cut.append(_cut(f"labels: the prompt of {text[:40]!r}", limit, longest))
    return cut


def _cut(what: str, limit: int, count: int) -> str:
    return f"{what}: the model reads {limit} tokens, the rest of {count} was cut"
