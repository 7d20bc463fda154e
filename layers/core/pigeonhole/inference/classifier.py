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
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

from pigeonhole.inference.encoders.base import Backgrounds, Encoder
from pigeonhole.inference.labels import descriptions as glossary
from pigeonhole.inference.labels import prompts
from pigeonhole.inference.labels.label_class import LabelClass, Meaning, meaning
from pigeonhole.inference.scoring import combine as weighing
from pigeonhole.inference.scoring import log_odds as scoring
from pigeonhole.inference.scoring.calibration import Calibration, Coefficients, Evidence, Floats, Modality, Pair
from pigeonhole.inference.scoring.combine import Side
from pigeonhole.inference.scoring.log_odds import Ranked

Pixels = npt.NDArray[np.uint8]
Key = TypeVar("Key")

MAX_COUNTED_NAME = 512  # characters of a label's name that `output_tokens` counts


@dataclass(frozen=True)
class Options:
    """How to answer. `templates`: the caller's prompts, each with `{}` once; `threshold`: 0..1, None for the calibration's.

    `literal`: take every label for a thing, "not a cat" and "other", too; it is there to be compared with.
    """

    multiple_labels: bool = False
    threshold: float | None = None
    top_k: int | None = None
    instruction: str | None = None
    templates: tuple[str, ...] | None = None
    literal: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a call found. `chosen`, `ranked`: per sample, best first, indices into the call's labels.

    `input_tokens`: text tokens and image patches of samples, labels and instruction, whether or not a cache had them;
    `label_tokens`: those of labels and instruction;
    `output_tokens`: text tokens of the chosen labels' names; `inference_ms`: wall-clock milliseconds, loading excluded.
    """

    chosen: list[list[Ranked]]
    ranked: list[list[Ranked]]
    warnings: list[str]
    input_tokens: int
    label_tokens: int
    output_tokens: int
    inference_ms: int


@dataclass
class PromptCache:
    """Prompt embeddings by (revision, prompt), least recently used first out. Safe to share between threads."""

    size: int
    _entries: LRUCache[tuple[str, str], Floats] = field(init=False)
    _lock: Lock = field(init=False, default_factory=Lock)

    def __post_init__(self) -> None:
        self._entries = LRUCache(maxsize=self.size)

    def embed(self, revision: str, encode: Callable[[Sequence[str]], Floats], prompts: Sequence[str]) -> dict[str, Floats]:
        """Embed prompts, each at most once, and only those that the cache lacks.

        `encode`: n prompts -> (n, dim), of the encoder of that revision.
        """
        wanted = list(dict.fromkeys(prompts))
        with self._lock:
            found = {prompt: self._entries[revision, prompt] for prompt in wanted if (revision, prompt) in self._entries}
        missing = [prompt for prompt in wanted if prompt not in found]
        if missing:
            found.update(zip(missing, encode(missing), strict=True))
            with self._lock:
                for prompt in missing:
                    self._entries[revision, prompt] = found[prompt]
        return found


@dataclass(frozen=True)
class _Samples:
    """Embedded samples of one type. `against`: (views, dim), as they meet labels of a type; of those types alone that occur.

    `starts`: (count,), where each sample's views begin; a text has one, a picture may have several.
    """

    type: Modality
    starts: npt.NDArray[np.intp]
    against: Mapping[Modality, Floats]
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
        backgrounds: Backgrounds,
        *,
        cache_size: int = 4_096,
        batch: int = 8,
        workers: int = 1,
    ) -> None:
        self.encoder = encoder
        self.sentence = sentence
        self.calibration = calibration
        self.backgrounds = backgrounds
        self._cache = PromptCache(cache_size)
        self._batch = batch
        self._workers = workers

    def classify_texts(
        self,
        texts: Sequence[str],
        labels: Sequence[LabelClass],
        options: Options,
        examples: Mapping[str, Pixels | Floats] | None = None,
        *,
        first: int = 0,
    ) -> Outcome:
        """Sort texts. `examples`: each image label's value -> uint8 (side, side, 3), as the encoder's `fit` gave it, or its
        embedding, float32 (dim,).

        `first`: the number from which warnings count the texts.
        """
        started = time.perf_counter()
        readers: dict[Modality, Encoder] = {}
        if any(label.texts for label in labels):
            readers["text"] = self.sentence
        if any(label.images for label in labels):
            readers["image"] = self.encoder
        counts = [reader.count_tokens(texts) for reader in readers.values()]
        cut = [
            _cut(f"dataset.{index}.value", reader.info.max_text_tokens, count)
            for reader, of_reader in zip(readers.values(), counts, strict=True)
            for index, count in enumerate(of_reader, first)
            if count > reader.info.max_text_tokens
        ]
        samples = _Samples(
            "text",
            np.arange(len(texts)),
            {of: self._in_batches(reader.encode_text, texts) for of, reader in readers.items()},
            sum(counts[0]),
            cut,
        )
        return self._answer(samples, labels, options, examples or {}, started)

    def classify_images(
        self,
        pixels: Pixels | Sequence[Pixels],
        labels: Sequence[LabelClass],
        options: Options,
        examples: Mapping[str, Pixels | Floats] | None = None,
    ) -> Outcome:
        """Sort images: uint8 (side, side, 3) each, as the encoder's `fit` gave them. `examples`: as in `classify_texts`.

        An image may also be several views, uint8 (views, side, side, 3): it shows what any of them shows.
        """
        started = time.perf_counter()
        views = [picture if picture.ndim == 4 else picture[None] for picture in pixels]
        vectors = self._encode_images([view for picture in views for view in picture])
        starts = np.cumsum([0, *map(len, views)])[:-1]
        samples = _Samples(
            "image", starts, {"text": vectors, "image": vectors}, len(views) * self.encoder.info.image_patches, []
        )
        return self._answer(samples, labels, options, examples or {}, started)

    def _answer(
        self,
        samples: _Samples,
        labels: Sequence[LabelClass],
        options: Options,
        examples: Mapping[str, Pixels | Floats],
        started: float,
    ) -> Outcome:
        reader = self._reader(samples.type)
        meanings = [Meaning(label.texts) if options.literal else meaning(label) for label in labels]
        if samples.type == "text" and not options.multiple_labels:
            meanings = [glossary.opposed(each) for each in meanings]
        prompted = {
            text: self._prompts(samples.type, text, options) for each in meanings for text in (*each.things, *each.not_)
        }
        by_text, by_image = self._embed_texts(reader, prompted), self._embed_images(labels, examples)
        log_odds, cosines = self._weigh(samples, labels, meanings, options.multiple_labels, by_text, by_image)
        probabilities = scoring.sigmoid(log_odds) if options.multiple_labels else scoring.softmax(log_odds)
        ranked = scoring.rank(probabilities, cosines)
        threshold = self.calibration.thresholds[samples.type] if options.threshold is None else options.threshold
        none = {index for index, each in enumerate(meanings) if each.none}
        chosen = [
            scoring.choose(row, multiple=options.multiple_labels, threshold=threshold, top_k=options.top_k, none=none)
            for row in ranked
        ]
        elapsed_ms = (time.perf_counter() - started) * 1000

        texts = [text for label in labels for text in label.texts]
        counts = reader.count_tokens(texts)
        instruction = reader.count_tokens([options.instruction]) if options.instruction else [0]
        patches = sum(len(label.images) for label in labels) * self.encoder.info.image_patches
        label_tokens = sum(counts) + sum(instruction) + patches
        # An image label without a key is named by its value, which may be a data: URL of megabytes: its start is enough here.
        names = reader.count_tokens([label.name[:MAX_COUNTED_NAME] for label in labels])
        return Outcome(
            chosen=chosen,
            ranked=ranked,
            warnings=samples.warnings
            + _cut_prompts(reader, prompted)
            + self._leaning(samples.type, labels, meanings, options.multiple_labels),
            input_tokens=samples.tokens + label_tokens,
            label_tokens=label_tokens,
            output_tokens=sum(names[choice.index] for row in chosen for choice in row),
            inference_ms=round(elapsed_ms),
        )

    def _weigh(
        self,
        samples: _Samples,
        labels: Sequence[LabelClass],
        meanings: Sequence[Meaning],
        multiple: bool,
        by_text: Mapping[str, Floats],
        by_image: Mapping[str, Floats],
    ) -> tuple[Floats, Floats]:
        """Weigh all samples against all labels: (n, labels) log-odds and cosines."""
        weights = self.calibration.multiple if multiple else self.calibration.single
        words = {
            group: scoring.unit_mean(np.concatenate([by_text[text] for text in group])) for group in weighing.groups(meanings)
        }
        by_words = self._sides(samples, weights, "text", words, exclusive=not multiple)
        by_pictures = self._sides(samples, weights, "image", by_image, exclusive=not multiple)
        return weighing.weigh(labels, meanings, by_words, by_pictures, len(samples.starts), multiple=multiple)

    def _sides(
        self,
        samples: _Samples,
        weights: Mapping[Pair, Coefficients],
        of: Modality,
        labels: Mapping[Key, Floats],
        *,
        exclusive: bool,
    ) -> dict[Key, Side]:
        """Weigh all samples against embeddings, (dim,) each, of labels' words or of their example images."""
        if not labels or not len(samples.starts):
            nothing = np.zeros(len(samples.starts), dtype=np.float32)
            return dict.fromkeys(labels, Side(nothing, nothing))
        vectors = samples.against[of]
        pair: Pair = (samples.type, of)
        found = self.evidence(pair, vectors, np.stack([*labels.values()]), exclusive=exclusive)
        odds, cosines = (
            np.maximum.reduceat(each, samples.starts, axis=0) for each in (weights[pair].log_odds(found), found.cosines)
        )
        return {key: Side(odds[:, k], cosines[:, k]) for k, key in enumerate(labels)}

    def evidence(self, pair: Pair, samples: Floats, labels: Floats, *, exclusive: bool) -> Evidence:
        """Compare embedded samples, (n, dim), with embeddings, (labels, dim), of words or of example images.

        `exclusive`: whether the labels exclude each other.
        """
        if pair == ("text", "text"):
            texts = self.backgrounds.texts
            scale = self.sentence.info.logit_scale
            return scoring.evidence(samples, labels, texts, scale, exclusive=exclusive, texts=texts)
        return scoring.evidence(samples, labels, self.backgrounds.photos, self.encoder.info.logit_scale, exclusive=exclusive)

    def embed_words(self, samples: Modality, texts: Sequence[str]) -> Floats:
        """Embed labels, a text each, as samples of a type meet them in the default templates: (texts, dim)."""
        prompted = {text: self._prompts(samples, text, Options()) for text in texts}
        embedded = self._embed_texts(self._reader(samples), prompted)
        return np.stack([scoring.unit_mean(embedded[text]) for text in texts])

    def _reader(self, samples: Modality) -> Encoder:
        """What reads texts that samples of a type meet."""
        return self.sentence if samples == "text" else self.encoder

    def _prompts(self, samples: Modality, text: str, options: Options) -> tuple[str, ...]:
        """What stands for a label's text where samples of a type meet it."""
        of_texts = samples == "text"
        return prompts.prompts_for(
            text,
            prompts.TEXT_TEMPLATES if of_texts else self.encoder.info.templates,
            own=options.templates,
            instruction=options.instruction,
            meanings=glossary.texts_for(text) if of_texts and not options.literal else (),
        )

    def _embed_texts(self, reader: Encoder, prompted: Mapping[str, Sequence[str]]) -> dict[str, Floats]:
        """Embed texts by their prompts: text -> (prompts, dim)."""
        every = [prompt for of_text in prompted.values() for prompt in of_text]
        # However many: an encoder reads prompts of one length at a time, and bounds their tokens.
        encode = partial(self._in_batches, reader.encode_text, batch=max(1, len(every)))
        embedded = self._cache.embed(reader.info.revision, encode, every)
        return {text: np.stack([embedded[prompt] for prompt in of_text]) for text, of_text in prompted.items()}

    def _leaning(
        self, samples: Modality, labels: Sequence[LabelClass], meanings: Sequence[Meaning], multiple: bool
    ) -> list[str]:
        """Say where an answer compares what only a calibration makes comparable, and this model has none."""
        pairs: set[Pair] = {(samples, "text") for label in labels if label.texts}
        pairs |= {(samples, "image") for label in labels if label.images}
        reasons = {
            "multiple_labels": multiple,
            "labels by words and by images": len(pairs) > 1,
            "labels that say what something is not, or none of the others": any(it.not_ or it.none for it in meanings),
        }
        if pairs <= self.calibration.measured or not any(reasons.values()):
            return []
        why = ", ".join(reason for reason, holds in reasons.items() if holds)
        return [f"{self.encoder.info.model_id} isn't calibrated, so the scores lean on a general prior here ({why})"]

    def _embed_images(self, labels: Sequence[LabelClass], examples: Mapping[str, Pixels | Floats]) -> dict[str, Floats]:
        """Embed each class's example images: name -> (dim,), the mean over them. A picture of two classes is encoded once."""
        shown = {value: examples[value] for label in labels for value in label.images}
        vectors = {value: np.asarray(example, np.float32) for value, example in shown.items() if example.ndim == 1}
        pixels = {value: np.asarray(example, np.uint8) for value, example in shown.items() if example.ndim > 1}
        vectors |= dict(zip(pixels, self._encode_images([*pixels.values()]), strict=True))
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


def _cut_prompts(reader: Encoder, prompted: Mapping[str, Sequence[str]]) -> list[str]:
    """Say which labels' prompts, template and instruction included, are longer than the model reads."""
    limit, cut = reader.info.max_text_tokens, []
    for text, of_text in prompted.items():
        # No token is shorter than a byte, so most prompts needn't be counted; two tokens mark the start and the end.
        long = [prompt for prompt in of_text if len(prompt.encode(errors="replace")) + 2 > limit]
        longest = max(reader.count_tokens(long), default=0)
        if longest > limit:
            cut.append(_cut(f"labels: the prompt of {text[:40]!r}", limit, longest))
    return cut


def _cut(what: str, limit: int, count: int) -> str:
    return f"{what}: the model reads {limit} tokens, the rest of {count} was cut"
