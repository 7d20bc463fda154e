"""The core: samples, labels and options in, ranked labels out.

A text sample is compared with a label's texts in the sentence encoders, or read together with them by a cross-encoder. Every
other pair is compared in the image-text encoder.
All labels are embedded before any sample is scored, and every sample is scored on its own. docs/scoring.md explains the steps.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.embedder import Embedder, join_examples, join_groups
from pigeonhole.inference.encoders.base import BackgroundEmbeddings, Encoder, PairEncoder, is_encoder
from pigeonhole.inference.labels.descriptions import find_descriptions, resolve_opposites
from pigeonhole.inference.labels.emoji_names import spell_emoji
from pigeonhole.inference.labels.label_class import LabelClass, Meaning, parse_meanings
from pigeonhole.inference.labels.prompts import TEXT_TEMPLATES, build_prompts
from pigeonhole.inference.photo_comparison import LabelEmbedding, PhotoComparison
from pigeonhole.inference.prompt_store import TenantPrompts
from pigeonhole.inference.result_warnings import (
    alike_label_warnings,
    calibration_warnings,
    prompt_warnings,
    sample_warnings,
    unknown_label_warnings,
    unknown_sample_warnings,
)
from pigeonhole.inference.scoring import log_odds
from pigeonhole.inference.scoring.calibration import Calibration, Coefficients, Evidence, Floats, Modality, Pair
from pigeonhole.inference.scoring.combine import LabelMatch, TextGroup, combine_matches, group_texts
from pigeonhole.inference.scoring.log_odds import RankedLabel
from pigeonhole.inference.text_comparison import TextComparison

Pixels = npt.NDArray[np.uint8]
Key = TypeVar("Key")

MAX_COUNTED_NAME = 512  # characters of a label's name that `output_tokens` counts


@dataclass(frozen=True)
class Options:
    """How to classify.

    Attributes:
        multiple_labels: Whether several labels may be right.
        threshold: The lowest probability (0..1) of a label. None for the threshold of the calibration if several labels may be
            right, and for none otherwise.
        top_k: The largest number of labels per sample, None for no limit.
        instruction: A text that is added to the prompts.
        templates: The caller's prompt templates, each with `{}` once.
        literal: Read every label as a plain thing, even "not a cat" and "other". The evaluation measures the difference.
    """

    multiple_labels: bool = False
    threshold: float | None = None
    top_k: int | None = None
    instruction: str | None = None
    templates: tuple[str, ...] | None = None
    literal: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked of samples: to choose among labels.

    Attributes:
        labels: The labels, at least one.
        options: How to choose.
    """

    labels: Sequence[LabelClass]
    options: Options


@dataclass(frozen=True)
class _ReadQuestion:
    """A question whose labels were read for samples of one type.

    Attributes:
        question: The question.
        meanings: What each label says.
        groups: The texts that are embedded as one.
        prompts: The prompts of each text.
    """

    question: Question
    meanings: Sequence[Meaning]
    groups: Sequence[TextGroup]
    prompts: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class ClassifierResult:
    """What the classifier returns for a question about all samples of a call.

    Attributes:
        chosen: The predictions of each sample, best first. With one right label, empty if no label reaches the threshold.
        ranked: All labels of each sample, best first.
        warnings: What the caller should know of the result.
        input_tokens: Text tokens and image patches of samples, labels and instruction, whether or not a cache had them.
        label_tokens: The part of `input_tokens` that belongs to labels and instruction.
        output_tokens: Text tokens of the names of the chosen labels.
        inference_ms: Wall-clock milliseconds of the call, which all its questions share.
    """

    chosen: list[list[RankedLabel]]
    ranked: list[list[RankedLabel]]
    warnings: list[str]
    input_tokens: int
    label_tokens: int
    output_tokens: int
    inference_ms: int


@dataclass(frozen=True)
class _Samples:
    """Embedded samples of one type.

    Attributes:
        type: The type of all samples.
        starts: The row in which the views of each sample start, (count,) intp. A text has one view, an image may have several.
        embeddings: Per label type that occurs, the embeddings to compare with labels of that type, (views, dim) float32.
        tokens: Text tokens or image patches of all samples.
        warnings: Warnings about single samples.
        texts: The samples themselves, for a cross-encoder. Empty for images.
        first_index: The index of the first sample in the request. Warnings count from there.
    """

    type: Modality
    starts: npt.NDArray[np.intp]
    embeddings: Mapping[Modality, Floats]
    tokens: int
    warnings: list[str]
    texts: Sequence[str] = ()
    first_index: int = 0


class Classifier:
    """Classifies texts or images. Thread-safe."""

    def __init__(
        self,
        *,
        encoder: Encoder,
        sentence: Encoder | PairEncoder,
        calibration: Calibration,
        background: BackgroundEmbeddings,
        multilingual: Encoder | None = None,
        cache_size: int = 4_096,
        batch: int = 8,
        workers: int = 1,
    ) -> None:
        """Create a classifier.

        Args:
            encoder: The image-text encoder.
            sentence: What compares texts with texts: a sentence encoder or a cross-encoder.
            calibration: The coefficients for these encoders.
            background: The background concepts, embedded by these encoders.
            multilingual: The multilingual sentence encoder, None if texts are compared by the sentence encoder only.
            cache_size: The number of prompt embeddings in the cache.
            batch: The number of samples that are encoded at once.
            workers: The number of batches that are encoded at the same time. Two batches on a core each take less time than
                one after the other on both cores.
        """
        self.encoder = encoder
        self.sentence = sentence
        self.calibration = calibration
        self.background = background
        self._embedder = Embedder(encoder=encoder, cache_size=cache_size, batch=batch, workers=workers)
        self._photo_comparison = PhotoComparison(background, encoder.info.logit_scale)
        self._text_comparison = (
            TextComparison(sentence=sentence, multilingual=multilingual, background=background, embedder=self._embedder)
            if is_encoder(sentence)
            else None
        )

    def classify_texts(
        self,
        texts: Sequence[str],
        labels: Sequence[LabelClass],
        options: Options,
        examples: Mapping[str, Pixels | Floats] | None = None,
        *,
        first_index: int = 0,
    ) -> ClassifierResult:
        """Classify texts.

        Args:
            texts: The samples.
            labels: The labels, at least one.
            options: How to classify.
            examples: As for `ask_texts`.
            first_index: As for `ask_texts`.
        """
        return self.ask_texts(texts, [Question(labels, options)], examples, first_index=first_index)[0]

    def ask_texts(
        self,
        texts: Sequence[str],
        questions: Sequence[Question],
        examples: Mapping[str, Pixels | Floats] | None = None,
        *,
        first_index: int = 0,
    ) -> list[ClassifierResult]:
        """Answer questions about texts, each of which is read once.

        Args:
            texts: The samples.
            questions: The questions.
            examples: The example image for each image value of the labels. It is either the pixels from the encoder's `fit`,
                (side, side, 3) uint8, or an embedding, (dim,) float32.
            first_index: The index of the first text in the request. Warnings count from there.

        Returns:
            The result of each question. It is the same whatever else is asked.
        """
        started = time.perf_counter()
        labels = [label for question in questions for label in question.labels]
        texts = [spell_emoji(text) for text in texts]
        encoders: dict[Modality, Encoder | PairEncoder] = {}
        if any(label.texts for label in labels):
            encoders["text"] = self.sentence
        if any(label.images for label in labels):
            encoders["image"] = self.encoder
        counts = [encoder.count_tokens(texts) for encoder in encoders.values()]
        warnings = [
            warning
            for encoder, token_counts in zip(encoders.values(), counts, strict=True)
            if is_encoder(encoder)
            for warning in sample_warnings(encoder, token_counts, first_index)
        ]
        embeddings: dict[Modality, Floats] = {}
        readers: list[Encoder | PairEncoder] = []
        for label_type, encoder in encoders.items():
            if not is_encoder(encoder):
                readers.append(encoder)
            elif label_type == "text":
                embeddings["text"] = self.embed_text_samples(texts)
                readers += self._text_encoders("text", embeddings["text"])
            else:
                embeddings["image"] = self._embedder.embed_texts(encoder, texts)
                readers.append(encoder)
        warnings += unknown_sample_warnings(readers, texts, first_index)
        samples = _Samples(
            type="text",
            starts=np.arange(len(texts)),
            embeddings=embeddings,
            tokens=sum(counts[0]),
            warnings=warnings,
            texts=texts,
            first_index=first_index,
        )
        return self._answer(samples, questions, examples or {}, started)

    def classify_images(
        self,
        pixels: Pixels | Sequence[Pixels],
        labels: Sequence[LabelClass],
        options: Options,
        examples: Mapping[str, Pixels | Floats] | None = None,
    ) -> ClassifierResult:
        """Classify images.

        Args:
            pixels: For each sample, the pixels from the encoder's `fit`, (side, side, 3) uint8. A sample may also have several
                views, (views, side, side, 3) uint8. With `multiple_labels`, the view that matches a label best counts for that
                label. Otherwise only the first view counts.
            labels: The labels, at least one.
            options: How to classify.
            examples: As for `ask_texts`.
        """
        return self.ask_images(pixels, [Question(labels, options)], examples)[0]

    def ask_images(
        self,
        pixels: Pixels | Sequence[Pixels],
        questions: Sequence[Question],
        examples: Mapping[str, Pixels | Floats] | None = None,
    ) -> list[ClassifierResult]:
        """Answer questions about images, each of which is read once.

        Args:
            pixels: As for `classify_images`.
            questions: The questions.
            examples: As for `ask_texts`.

        Returns:
            The result of each question. It is the same whatever else is asked.
        """
        started = time.perf_counter()
        views = [image if image.ndim == 4 else image[None] for image in pixels]
        vectors = self._embedder.embed_images([view for image in views for view in image])
        samples = _Samples(
            type="image",
            starts=np.cumsum([0, *map(len, views)])[:-1],
            embeddings={"text": vectors, "image": vectors},
            tokens=len(views) * self.encoder.info.image_patches,
            warnings=[],
        )
        return self._answer(samples, questions, examples or {}, started)

    def compare(self, pair: Pair, samples: Floats, labels: Sequence[LabelEmbedding]) -> Evidence:
        """Compare embedded samples with embedded labels.

        Args:
            pair: The type of the samples, and whether the labels are texts or example images.
            samples: Embeddings, (n, dim) float32.
            labels: The labels.
        """
        if pair[0] == "image":
            return self._photo_comparison.compare(samples, labels)
        vectors = np.stack([label.vector for label in labels])
        if pair[1] == "text":
            return self._embedded_texts.compare(samples, vectors)
        return log_odds.compute_evidence(samples, vectors, self.background.photos, self.encoder.info.logit_scale)

    def open_image_tower(self) -> None:
        """Open the image tower, which the first image would open otherwise."""
        side = self.encoder.info.image_side
        self.encoder.encode_image(np.empty((0, side, side, 3), dtype=np.uint8))

    def embed_labels_ahead(self, questions: Sequence[Question], stored: TenantPrompts | None = None) -> None:
        """Embed the label texts of questions about images, so that `ask_images` finds them in the cache.

        It can run while the images are fetched and decoded.

        Args:
            questions: The questions.
            stored: As for Embedder.embed_all.
        """
        read = [self._read("image", question) for question in questions]
        prompts = _all_prompts([asked.prompts for asked in read])
        self._embedder.embed_all(self._text_encoders("image", None), prompts, stored)

    def embed_text_samples(self, texts: Sequence[str]) -> Floats:
        """Embed texts as samples, to compare them with label texts: (n, dim) float32."""
        return self._embedded_texts.embed_samples(texts, self.calibration.multilingual)

    def embed_label_texts(self, sample_type: Modality, texts: Sequence[str]) -> list[LabelEmbedding]:
        """Embed texts as labels with the default templates, to compare them with samples of a type."""
        prompts = {text: self._prompts(sample_type, text, Options(), texts) for text in texts}
        embedded = self._embedder.embed_all(self._text_encoders(sample_type, None), _all_prompts([prompts]))
        groups = join_groups(embedded, [(text,) for text in texts], prompts)
        return [self._to_label(sample_type, (text,), groups[text,]) for text in texts]

    def _to_label(self, sample_type: Modality, texts: TextGroup, vector: Floats) -> LabelEmbedding:
        return LabelEmbedding(vector, self._photo_comparison.find_hyponyms(texts if sample_type == "image" else ()))

    def _answer(
        self,
        samples: _Samples,
        questions: Sequence[Question],
        examples: Mapping[str, Pixels | Floats],
        started: float,
    ) -> list[ClassifierResult]:
        """Answer questions about embedded samples. The label texts of all questions are embedded in one batch."""
        encoder = self._text_encoder(samples.type)
        read = [self._read(samples.type, question) for question in questions]
        readers: Sequence[Encoder | PairEncoder] = (encoder,)
        embedded: list[dict[str, Floats]] = []
        if is_encoder(encoder):
            text_encoders = self._text_encoders(samples.type, samples.embeddings.get("text"))
            readers = text_encoders
            embedded = self._embedder.embed_all(text_encoders, _all_prompts([asked.prompts for asked in read]))
        embedded_examples = self._embedder.embed_examples(examples)
        results = [self._choose(samples, asked, embedded, embedded_examples, readers) for asked in read]
        elapsed_ms = round((time.perf_counter() - started) * 1000)
        return [replace(result, inference_ms=elapsed_ms) for result in results]

    def _read(self, sample_type: Modality, question: Question) -> _ReadQuestion:
        """Read the labels of a question for samples of a type."""
        labels, options, encoder = question.labels, question.options, self._text_encoder(sample_type)
        meanings = [Meaning(label.texts) for label in labels] if options.literal else [*parse_meanings(labels)]
        if sample_type == "text" and not options.multiple_labels:
            meanings = [resolve_opposites(meaning) for meaning in meanings]
        # The words of "not X" themselves say which texts it means. No image encoder sees the difference to "X".
        # A cross-encoder knows how likely X is, and needs no help.
        with_denials = sample_type == "text" and is_encoder(encoder) and not options.multiple_labels
        groups = group_texts(meanings, with_denials=with_denials)
        texts = [text for group in groups for text in group]
        prompts = {text: self._prompts(sample_type, text, options, texts) for text in texts}
        return _ReadQuestion(question, meanings, groups, prompts)

    def _choose(
        self,
        samples: _Samples,
        asked: _ReadQuestion,
        embedded: Sequence[Mapping[str, Floats]],
        examples: Mapping[str, Floats],
        readers: Sequence[Encoder | PairEncoder],
    ) -> ClassifierResult:
        """Score the labels of a question, and choose among them. `inference_ms` is left to the caller."""
        labels, options, meanings = asked.question.labels, asked.question.options, asked.meanings
        if not options.multiple_labels:
            samples = _first_views(samples)
        encoder = self._text_encoder(samples.type)
        odds, cosines = self._score(samples, asked, embedded, join_examples(labels, examples))
        probabilities = log_odds.sigmoid(odds) if options.multiple_labels else log_odds.softmax(odds)
        ranked = log_odds.rank(probabilities, cosines)
        default_threshold = self.calibration.thresholds[samples.type] if options.multiple_labels else 0.0
        threshold = default_threshold if options.threshold is None else options.threshold
        none = {index for index, meaning in enumerate(meanings) if meaning.is_none}
        chosen = [
            log_odds.choose(row, multiple=options.multiple_labels, threshold=threshold, top_k=options.top_k, none=none)
            for row in ranked
        ]
        label_texts = [text for label in labels for text in label.texts]
        instruction = encoder.count_tokens([options.instruction]) if options.instruction else [0]
        patches = sum(len(label.images) for label in labels) * self.encoder.info.image_patches
        label_tokens = sum(encoder.count_tokens(label_texts)) + sum(instruction) + patches
        # An image label without a key has its value as its name, which may be a data: URL of megabytes. Its start is enough.
        name_tokens = encoder.count_tokens([label.name[:MAX_COUNTED_NAME] for label in labels])
        return ClassifierResult(
            chosen=chosen,
            ranked=ranked,
            warnings=[
                *samples.warnings,
                *self._pair_warnings(samples, asked.prompts),
                *prompt_warnings(encoder, asked.prompts),
                *unknown_label_warnings(readers, [*asked.prompts]),
                *alike_label_warnings(labels, odds),
                *calibration_warnings(
                    self.encoder.info.model_id,
                    self.calibration,
                    samples.type,
                    labels,
                    meanings,
                    multiple=options.multiple_labels,
                ),
            ],
            input_tokens=samples.tokens + label_tokens,
            label_tokens=label_tokens,
            output_tokens=sum(name_tokens[label.index] for row in chosen for label in row),
            inference_ms=0,
        )

    def _score(
        self,
        samples: _Samples,
        asked: _ReadQuestion,
        embedded: Sequence[Mapping[str, Floats]],
        examples: Mapping[str, Floats],
    ) -> tuple[Floats, Floats]:
        """Score all samples against all labels of a question: log-odds and cosines, (n, labels) float32 each."""
        multiple = asked.question.options.multiple_labels
        coefficients = self.calibration.multiple if multiple else self.calibration.single
        text_matches = self._match_texts(samples, coefficients, asked, embedded)
        image_labels = {name: LabelEmbedding(vector) for name, vector in examples.items()}
        image_matches = self._match(samples, coefficients, "image", image_labels)
        return combine_matches(
            asked.question.labels, asked.meanings, text_matches, image_matches, len(samples.starts), multiple=multiple
        )

    def _match(
        self,
        samples: _Samples,
        coefficients: Mapping[Pair, Coefficients],
        label_type: Modality,
        labels: Mapping[Key, LabelEmbedding],
    ) -> dict[Key, LabelMatch]:
        """Match all samples with label texts or with example images."""
        if not labels or not len(samples.starts):
            zeros = np.zeros(len(samples.starts), dtype=np.float32)
            return dict.fromkeys(labels, LabelMatch(zeros, zeros))
        pair: Pair = (samples.type, label_type)
        evidence = self.compare(pair, samples.embeddings[label_type], [*labels.values()])
        odds, cosines = (
            np.maximum.reduceat(values, samples.starts, axis=0)
            for values in (coefficients[pair].log_odds(evidence), evidence.cosines)
        )
        return {key: LabelMatch(odds[:, k], cosines[:, k]) for k, key in enumerate(labels)}

    def _match_texts(
        self,
        samples: _Samples,
        coefficients: Mapping[Pair, Coefficients],
        asked: _ReadQuestion,
        embedded: Sequence[Mapping[str, Floats]],
    ) -> dict[TextGroup, LabelMatch]:
        """Match all samples with each group of label texts."""
        encoder = self._text_encoder(samples.type)
        if not is_encoder(encoder):
            hypotheses = {group: [prompt for text in group for prompt in asked.prompts[text]] for group in asked.groups}
            return self._match_pairs(encoder, samples, coefficients["text", "text"], hypotheses)
        vectors = join_groups(embedded, asked.groups, asked.prompts)
        labels = {group: self._to_label(samples.type, group, vector) for group, vector in vectors.items()}
        return self._match(samples, coefficients, "text", labels)

    def _match_pairs(
        self,
        encoder: PairEncoder,
        samples: _Samples,
        coefficients: Coefficients,
        hypotheses: Mapping[Key, Sequence[str]],
    ) -> dict[Key, LabelMatch]:
        """Match all samples with the hypotheses of each label. A label's log-odds are the mean of those of its hypotheses."""
        if not hypotheses or not samples.texts:
            zeros = np.zeros(len(samples.texts), dtype=np.float32)
            return dict.fromkeys(hypotheses, LabelMatch(zeros, zeros))
        distinct = list(dict.fromkeys(hypothesis for group in hypotheses.values() for hypothesis in group))
        columns = {hypothesis: column for column, hypothesis in enumerate(distinct)}
        entailed = self._embedder.read_pairs(encoder, samples.texts, distinct)
        means = np.stack(
            [log_odds.mean_log_odds([entailed[:, columns[text]] for text in group]) for group in hypotheses.values()], axis=1
        )
        # There is no background: a log-odds of 0 already says that the label is as likely as something else.
        zeros = np.zeros_like(means)
        cosines = np.asarray(means / encoder.info.logit_scale, dtype=np.float32)
        evidence = Evidence(cosines, background=zeros, hubness=zeros[0])
        odds = coefficients.log_odds(evidence)
        return {key: LabelMatch(odds[:, k], evidence.cosines[:, k]) for k, key in enumerate(hypotheses)}

    def _pair_warnings(self, samples: _Samples, prompts: Mapping[str, Sequence[str]]) -> list[str]:
        """Warn of each text that is cut beside the longest prompt, because a cross-encoder reads both at once."""
        encoder = self._text_encoder(samples.type)
        if is_encoder(encoder):
            return []
        hypotheses = [prompt for prompts_of_text in prompts.values() for prompt in prompts_of_text]
        return sample_warnings(encoder, encoder.count_pair_tokens(samples.texts, hypotheses), samples.first_index)

    def _text_encoder(self, sample_type: Modality) -> Encoder | PairEncoder:
        """Return what compares label texts with samples of a type."""
        return self.sentence if sample_type == "text" else self.encoder

    @property
    def _embedded_texts(self) -> TextComparison:
        if self._text_comparison is None:
            raise TypeError(f"{self.sentence.info.model_id} gives no embeddings")
        return self._text_comparison

    def _text_encoders(self, sample_type: Modality, samples: Floats | None) -> tuple[Encoder, ...]:
        """Return the encoders whose embeddings make up that of a label text.

        Args:
            sample_type: The type of the samples.
            samples: The embedded samples, None for any samples.
        """
        return self._embedded_texts.encoders_for(samples) if sample_type == "text" else (self.encoder,)

    def _prompts(self, sample_type: Modality, text: str, options: Options, texts: Sequence[str]) -> tuple[str, ...]:
        """Build the prompts of a label text. `texts` has those of all labels."""
        encoder = self._text_encoder(sample_type)
        # A cross-encoder has one template of its own and reads no descriptions: each prompt costs a run for each sample.
        is_text = sample_type == "text" and is_encoder(encoder)
        return build_prompts(
            text,
            TEXT_TEMPLATES if is_text else encoder.info.templates,
            templates=options.templates,
            instruction=options.instruction,
            descriptions=find_descriptions(text, texts) if is_text and not options.literal else (),
        )


def _first_views(samples: _Samples) -> _Samples:
    """Return samples with one view each. The other views of an image show parts, for questions with several answers."""
    embeddings = {label_type: vectors[samples.starts] for label_type, vectors in samples.embeddings.items()}
    return replace(samples, starts=np.arange(len(samples.starts)), embeddings=embeddings)


def _all_prompts(prompts: Iterable[Mapping[str, Sequence[str]]]) -> list[str]:
    """List the prompts of the label texts of several questions."""
    return [prompt for prompts_by_text in prompts for prompts_of_text in prompts_by_text.values() for prompt in prompts_of_text]
