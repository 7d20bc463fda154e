"""Classify the samples of one command: fetch, decode, encode, score. Every way into the service ends here.

Images are fetched concurrently and decoded a few at a time, and a decoded picture is cut to the model's input at once: what
stays in memory is the encoded bytes on their way, within the request's budget, and a few hundred kilobytes per sample.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand, ModelDescription, S3Grant
from pigeonhole.errors import Overloaded, SampleError, or_error, raise_first
from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options
from pigeonhole.inference.encoders.base import Encoder, EncoderInfo
from pigeonhole.inference.images.decode import open_image, squares
from pigeonhole.inference.images.fetch import BudgetSpent, ByteBudget, SourceBusy
from pigeonhole.inference.label_images import LabelImageStore
from pigeonhole.inference.labels.label_class import LabelClass, merge_labels
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.inference.scoring.log_odds import RankedLabel

Pixels = npt.NDArray[np.uint8]
Pictures = dict[str, Pixels | SampleError]  # by value: views, or why there are none


class Reader(Protocol):
    """Values to bytes: sources.Sources."""

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes: ...


def views_of(encoder: Encoder, image: Image.Image, *, every_part: bool) -> Pixels:
    """What the model is shown of a picture, uint8 (views, side, side, 3): its own crop first.

    `every_part`: where several labels may be true, the squares of a long picture, too; one is cut out at a time.
    """
    return np.stack([encoder.fit(image), *(map(encoder.fit, squares(image)) if every_part else ())])


class InferencePipeline:
    """The service behind functions/classify, and of each chunk in functions/worker.

    `kept`: the images of label sets; `own_places`: where on S3 a tenant may point without a grant.
    """

    def __init__(
        self,
        *,
        sources: Reader,
        classifier: Classifier,
        limits: ChunkLimits,
        kept: LabelImageStore | None = None,
        own_places: Callable[[str], Sequence[S3Grant]] = lambda tenant_id: (),
    ) -> None:
        self._sources = sources
        self._classifier = classifier
        self._limits = limits
        self._kept = kept
        self._own_places = own_places

    def classify(self, command: ClassifyCommand, *, should_continue: Callable[[], bool] = lambda: True) -> ChunkResult:
        """Classify the samples of a command.

        Args:
            command: What to classify.
            should_continue: Called before each further group of samples. Once the answer is no, the result holds only the
                samples before it.

        Raises:
            SampleError: An image of a label can't be read, or an image of a sample and `on_error` isn't "null".
            Overloaded: S3 is too busy to give an image, and the command will be retried.
        """
        request, labels = command.request, merge_labels(command.request.labels)
        examples = [label.value for label in request.labels if label.type == "image"]
        pictures: Pictures = {}
        grants = (*command.grants, *self._own_places(command.tenant_id))
        embedded = self._embedded(examples, command)
        groups: list[ChunkResult] = []
        for first in range(0, len(request.dataset), self._limits.samples):
            if first and not should_continue():
                break
            samples = request.dataset[first : first + self._limits.samples]
            values = [sample.value for sample in samples if sample.type == "image"]
            in_parts = values if request.multiple_labels else ()
            wanted = values if first else [*(value for value in examples if value not in embedded), *values]
            kept = {value: pictures[value] for value in examples if first and value not in embedded}
            pictures = kept | self._load(wanted, grants, command, in_parts=in_parts)
            embedded |= self._newly_embedded(set(examples) - set(embedded), pictures, command)
            part = request.model_copy(update={"dataset": samples})
            groups.append(self._run(part, labels, pictures, embedded, command.first_index + first))
        return joined(groups)

    def _embedded(self, examples: Sequence[str], command: ClassifyCommand) -> dict[str, Floats]:
        """The kept images among the labels' that the model has looked at before: they needn't be fetched."""
        kept = self._kept
        return kept.embeddings({it for it in examples if kept.is_kept(it, command.tenant_id)}) if kept else {}

    def _newly_embedded(self, examples: Collection[str], pictures: Pictures, command: ClassifyCommand) -> dict[str, Floats]:
        """Kept images that were loaded because this model hadn't looked at them: now it has."""
        kept = self._kept
        if kept is None:
            return {}
        new = {value: pictures[value] for value in examples if kept.is_kept(value, command.tenant_id)}
        return kept.embed({value: picture[0] for value, picture in new.items() if not isinstance(picture, SampleError)})

    def _run(
        self,
        request: ClassificationRequest,
        labels: Sequence[LabelClass],
        pictures: Pictures,
        embedded: Mapping[str, Floats],
        first: int,
    ) -> ChunkResult:
        """Answer for one group of samples, of which `first` is the first one that the caller sent."""
        raise_first(
            (f"labels.{i}.value", pictures.get(label.value))
            for i, label in enumerate(request.labels)
            if label.type == "image" and label.value not in embedded
        )
        faults = {
            i: picture
            for i, sample in enumerate(request.dataset)
            if sample.type == "image" and isinstance(picture := pictures[sample.value], SampleError)
        }
        if request.on_error == "fail":
            raise_first((f"dataset.{i}.value", fault) for i, fault in faults.items())

        readable = [i for i in range(len(request.dataset)) if i not in faults]
        pixels = {value: picture for value, picture in pictures.items() if not isinstance(picture, SampleError)}
        outcome = self._classify(request, readable, labels, pixels, embedded, first)
        return _result(request, labels, readable, faults, outcome, first)

    def _classify(
        self,
        request: ClassificationRequest,
        readable: Sequence[int],
        labels: Sequence[LabelClass],
        pixels: dict[str, Pixels],
        embedded: Mapping[str, Floats],
        first: int,
    ) -> ClassifierResult:
        options = Options(
            multiple_labels=request.multiple_labels,
            threshold=request.threshold,
            top_k=request.top_k,
            instruction=request.instruction,
            templates=tuple(request.prompt_templates) if request.prompt_templates else None,
        )
        values = [request.dataset[i].value for i in readable]
        shown = [label.value for label in request.labels if label.type == "image"]
        examples = {value: embedded[value] if value in embedded else pixels[value][0] for value in shown}
        if request.dataset[0].type == "text":
            return self._classifier.classify_texts(values, labels, options, examples, first_index=first)
        return self._classifier.classify_images([pixels[value] for value in values], labels, options, examples)

    def _load(
        self, values: Sequence[str], grants: Sequence[S3Grant], command: ClassifyCommand, *, in_parts: Collection[str]
    ) -> Pictures:
        """Fetch and decode each distinct value once: its views, or why there are none. `in_parts`: those to see all of.

        In a job no image fails for the size of others: what the budget had no room for comes in further rounds, each of as many
        as fit in any case.
        """
        load = partial(self._load_round, grants=grants, versions=command.versions, in_parts=in_parts)
        pictures = load(list(dict.fromkeys(values)))
        crowded_out = [value for value, it in pictures.items() if command.is_job and isinstance(it, BudgetSpent)]
        together = max(1, self._limits.request_bytes // self._limits.image.max_bytes)
        for first in range(0, len(crowded_out), together):
            pictures |= load(crowded_out[first : first + together])
        if command.will_be_retried and any(isinstance(it, SourceBusy) for it in pictures.values()):
            raise Overloaded()
        return pictures

    def _load_round(
        self,
        distinct: Sequence[str],
        *,
        grants: Sequence[S3Grant],
        versions: Mapping[str, str],
        in_parts: Collection[str],
    ) -> Pictures:
        if not distinct:
            return {}
        budget = ByteBudget(total=self._limits.request_bytes, per_item=self._limits.image.max_bytes)
        limits = self._limits
        pictures: Pictures = {}
        decodes: dict[str, Future[Pixels | SampleError]] = {}
        with (
            ThreadPoolExecutor(min(limits.fetches, len(distinct)), thread_name_prefix="fetch") as fetching,
            ThreadPoolExecutor(limits.decodes, thread_name_prefix="decode") as decoding,
        ):
            read_one = partial(self._sources.read, grants=grants, budget=budget, versions=versions)
            reads = {fetching.submit(or_error, partial(read_one, value)): value for value in distinct}
            for read in as_completed(list(reads)):
                value, data = reads.pop(read), read.result()
                if isinstance(data, SampleError):
                    pictures[value] = data
                else:
                    decodes[value] = decoding.submit(or_error, partial(self._decode, data, value in in_parts))
        return pictures | {value: decode.result() for value, decode in decodes.items()}

    def _decode(self, data: bytes, every_part: bool) -> Pixels:
        encoder = self._classifier.encoder
        return views_of(encoder, open_image(data, self._limits.image, side=encoder.info.image_side), every_part=every_part)


def _result(
    request: ClassificationRequest,
    labels: Sequence[LabelClass],
    readable: Sequence[int],
    faults: dict[int, SampleError],
    outcome: ClassifierResult,
    first: int,
) -> ChunkResult:
    """Put the outcome of the readable samples back in the request's order."""
    count = len(request.dataset)
    predictions: list[list[str] | None] = [None] * count
    scores: list[list[LabelScore] | None] = [None] * count
    for index, chosen, ranked in zip(readable, outcome.chosen, outcome.ranked, strict=True):
        predictions[index] = [labels[choice.index].name for choice in chosen]
        scores[index] = [_score(labels, choice) for choice in ranked[: request.top_k]]
    return ChunkResult(
        predictions=predictions,
        scores=scores if request.scores else None,
        errors=[SampleFault(index=first + i, code=fault.code, message=fault.message) for i, fault in faults.items()],
        warnings=outcome.warnings,
        input_tokens=outcome.input_tokens,
        label_tokens=outcome.label_tokens,
        output_tokens=outcome.output_tokens,
        inference_ms=outcome.inference_ms,
    )


def joined(groups: Sequence[ChunkResult]) -> ChunkResult:
    """One result of several groups that follow each other. Labels and instruction, which each reads anew, count once."""
    if len(groups) == 1:
        return groups[0]
    scores = [row for group in groups for row in group.scores or ()]
    label_tokens = groups[0].label_tokens
    return ChunkResult(
        predictions=[row for group in groups for row in group.predictions],
        scores=scores or None,
        errors=[fault for group in groups for fault in group.errors],
        warnings=list(dict.fromkeys(warning for group in groups for warning in group.warnings)),
        input_tokens=label_tokens + sum(group.input_tokens - label_tokens for group in groups),
        label_tokens=label_tokens,
        output_tokens=sum(group.output_tokens for group in groups),
        inference_ms=sum(group.inference_ms for group in groups),
    )


def _score(labels: Sequence[LabelClass], choice: RankedLabel) -> LabelScore:
    return LabelScore(
        label=labels[choice.index].name, probability=round(choice.probability, 6), similarity=round(choice.similarity, 6)
    )


def describe(encoder: EncoderInfo, sentence: EncoderInfo, *, calibrated: bool) -> ModelDescription:
    """Describe a loaded model: `encoder` of images and texts, `sentence` of texts against texts."""
    return ModelDescription(
        model_id=encoder.model_id,
        revision=encoder.revision,
        engine=encoder.engine,
        text_encoder=sentence.model_id,
        licence=encoder.licence,
        calibrated=calibrated,
        input_pixels=encoder.image_side,
        max_text_tokens=sentence.max_text_tokens,
    )
