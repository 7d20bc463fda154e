"""Classify the samples of one command: load the images, encode, score. Every way into the service ends here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from pigeonhole.contract.classification import Asked, Sample, count_prompts
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, ModelDescription, S3Grant
from pigeonhole.contract.questions import AnyRequest, label_paths, list_questions
from pigeonhole.contract.validation import BLANK, is_blank
from pigeonhole.errors import InvalidRequest, PigeonholeError, SampleError, raise_sample_errors
from pigeonhole.inference.chunk_results import join_chunk_results, to_chunk_result
from pigeonhole.inference.classifier import Classifier, ClassifierResult, Options, Question
from pigeonhole.inference.encoders.base import EncoderInfo
from pigeonhole.inference.image_loader import ImageLoader, LoadedImages
from pigeonhole.inference.images.decoder import ImageDecoder
from pigeonhole.inference.images.fetch import ImageFetcher
from pigeonhole.inference.label_embeddings import LabelEmbeddings
from pigeonhole.inference.labels.label_class import merge_labels
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.prompt_store import PromptStore
from pigeonhole.inference.scoring.calibration import Floats, Modality

Pixels = npt.NDArray[np.uint8]


class InferencePipeline:
    """Classifies the commands of functions/classify, and the chunks of jobs in functions/worker."""

    def __init__(
        self,
        *,
        image_fetcher: ImageFetcher,
        decoder: ImageDecoder,
        classifier: Classifier,
        limits: ChunkLimits,
        label_images: LabelEmbeddings | None = None,
        prompt_store: PromptStore | None = None,
        implicit_grants: Callable[[str], Sequence[S3Grant]] = lambda tenant_id: (),
    ) -> None:
        """Create a pipeline.

        Args:
            image_fetcher: Reads the bytes of images.
            decoder: Decodes images for the classifier.
            classifier: Scores samples against labels.
            limits: The limits of a command.
            label_images: The embeddings of example images that are used again, None if there are none.
            prompt_store: The prompt embeddings that processes share, None if they share none.
            implicit_grants: Returns what a tenant may name by `s3://` without a grant.
        """
        self._classifier = classifier
        self._limits = limits
        self._images = ImageLoader(fetcher=image_fetcher, decoder=decoder, limits=limits)
        self._label_images = label_images
        self._prompt_store = prompt_store
        self._implicit_grants = implicit_grants

    def classify(self, command: ClassifyCommand, *, should_continue: Callable[[], bool] = lambda: True) -> ChunkResult:
        """Classify the samples of a command whose request has labels. `ask` says more."""
        (result,) = self.ask(command, should_continue=should_continue)
        return result

    def ask(self, command: ClassifyCommand, *, should_continue: Callable[[], bool] = lambda: True) -> list[ChunkResult]:
        """Answer the questions of a command. Each sample and each example image is fetched, decoded and encoded once.

        Args:
            command: What to classify.
            should_continue: Called before each further group of samples. Once the answer is no, the results hold only the
                samples before it.

        Returns:
            The result of each question, in order. A request with labels is one question.

        Raises:
            SampleError: An image of a label can't be read, or an image of a sample and `on_error` isn't "null".
            Overloaded: S3 is too busy to give an image, and the command will be retried.
        """
        with self._preparing(command):
            return self._ask(command, should_continue)

    @contextmanager
    def _preparing(self, command: ClassifyCommand) -> Iterator[None]:
        """Embed the label texts of a request about images while the images are fetched and decoded, and open the image tower.

        If one of them fails, the classifier does it again, and raises the error.
        """
        if command.request.dataset[0].type == "text":
            yield
            return
        with ThreadPoolExecutor(2, thread_name_prefix="prepare") as pool:
            pool.submit(self._classifier.open_image_tower)
            pool.submit(self._embed_labels, _to_questions(command.request), command.tenant_id)
            yield

    def _embed_labels(self, questions: Sequence[Question], tenant_id: str) -> None:
        stored = self._prompt_store.of_tenant(tenant_id) if self._prompt_store else None
        self._classifier.embed_labels_ahead(questions, stored)
        if stored is not None:
            stored.save()

    def _ask(self, command: ClassifyCommand, should_continue: Callable[[], bool]) -> list[ChunkResult]:
        request = command.request
        dataset, questions = request.dataset, list_questions(request)
        examples = [label.value for asked in questions for label in asked.labels if label.type == "image"]
        has_parts = any(asked.multiple_labels for asked in questions)
        images: LoadedImages = {}
        grants = (*command.grants, *self._implicit_grants(command.tenant_id))
        embedded = self._read_embeddings(examples, command)
        groups: list[list[ChunkResult]] = []
        size = min(self._group_size(dataset, asked) for asked in questions)
        for start in range(0, len(dataset), size):
            if start and not should_continue():
                break
            samples = dataset[start : start + size]
            values = [sample.value for sample in samples if sample.type == "image" and not is_blank(sample.value)]
            # The example images are loaded with the first group and stay for the further groups.
            to_load = values if start else [*(value for value in examples if value not in embedded), *values]
            loaded_before = {value: images[value] for value in examples if start and value not in embedded}
            images = loaded_before | self._images.load(to_load, grants, command, in_parts=values if has_parts else ())
            embedded |= self._embed_stored(set(examples) - set(embedded), images, command)
            _check_examples(request, images, embedded)
            group = request.model_copy(update={"dataset": samples})
            groups.append(self._classify_group(group, images, embedded, command.first_index + start))
        return [join_chunk_results([group[index] for group in groups]) for index in range(len(questions))]

    def _group_size(self, dataset: Sequence[Sample], asked: Asked) -> int:
        """Return the number of samples that are processed together."""
        if dataset[0].type == "text" and self._classifier.sentence.info.reads_pairs:
            return max(1, min(self._limits.samples, self._limits.pairs // max(1, count_prompts(asked))))
        return self._limits.samples

    def describe(self) -> ModelDescription:
        """Describe the loaded model."""
        classifier = self._classifier
        calibrated = classifier.calibration.is_measured_for_photos
        return to_model_description(classifier.encoder.info, classifier.sentence.info, calibrated=calibrated)

    def _read_embeddings(self, examples: Sequence[str], command: ClassifyCommand) -> dict[str, Floats]:
        """Read the embeddings of stored example images. Images with an embedding needn't be fetched."""
        store = self._label_images
        if store is None:
            return {}
        return store.read_embeddings({value for value in examples if store.is_stored(value, command.tenant_id)})

    def _embed_stored(self, examples: Collection[str], images: LoadedImages, command: ClassifyCommand) -> dict[str, Floats]:
        """Embed the stored example images that had no embedding of this model, and store their embeddings."""
        store = self._label_images
        if store is None:
            return {}
        stored = {value: images[value] for value in examples if store.is_stored(value, command.tenant_id)}
        return store.embed({value: image[0] for value, image in stored.items() if not isinstance(image, SampleError)})

    def _classify_group(
        self,
        request: AnyRequest,
        images: LoadedImages,
        embedded: Mapping[str, Floats],
        first_index: int,
    ) -> list[ChunkResult]:
        """Classify one group of samples, whose first sample has the index `first_index` in the request of the caller.

        Args:
            request: The request, with the samples of the group only.
            images: The images of samples and labels, or why they can't be read.
            embedded: The embeddings of example images that needn't be loaded.
            first_index: The index of the first sample.
        """
        dataset, questions = request.dataset, _to_questions(request)
        faults = {i: fault for i, sample in enumerate(dataset) if (fault := _find_fault(sample, images))}
        if request.on_error == "fail":
            raise_sample_errors((f"dataset.{i}.value", fault) for i, fault in faults.items())

        readable = [i for i in range(len(dataset)) if i not in faults]
        pixels = {value: image for value, image in images.items() if not isinstance(image, SampleError)}
        samples = [dataset[i] for i in readable]
        classified = self._classify_readable(dataset[0].type, samples, questions, pixels, embedded, first_index)
        return [
            to_chunk_result(request, question, readable, faults, result, first_index)
            for question, result in zip(questions, classified, strict=True)
        ]

    def _classify_readable(
        self,
        sample_type: Modality,
        samples: Sequence[Sample],
        questions: Sequence[Question],
        pixels: Mapping[str, Pixels],
        embedded: Mapping[str, Floats],
        first_index: int,
    ) -> list[ClassifierResult]:
        values = {value for question in questions for label in question.labels for value in label.images}
        examples = {value: embedded[value] if value in embedded else pixels[value][0] for value in values}
        if sample_type == "text":
            texts = [sample.value for sample in samples]
            return self._classifier.ask_texts(texts, questions, examples, first_index=first_index)
        return self._classifier.ask_images([pixels[sample.value] for sample in samples], questions, examples)


def _check_examples(request: AnyRequest, images: LoadedImages, embedded: Mapping[str, Floats]) -> None:
    """Raise the error of an example image that can't be read."""
    raise_sample_errors(
        (f"{path}.{i}.value", images.get(label.value))
        for asked, path in zip(list_questions(request), label_paths(request), strict=True)
        for i, label in enumerate(asked.labels)
        if label.type == "image" and label.value not in embedded
    )


def _to_questions(request: AnyRequest) -> list[Question]:
    return [Question(merge_labels(asked.labels), _to_options(asked)) for asked in list_questions(request)]


def _to_options(asked: Asked) -> Options:
    return Options(
        multiple_labels=asked.multiple_labels,
        threshold=asked.threshold,
        top_k=asked.top_k,
        instruction=asked.instruction,
        templates=tuple(asked.prompt_templates) if asked.prompt_templates else None,
    )


def _find_fault(sample: Sample, images: LoadedImages) -> PigeonholeError | None:
    """Return why a sample can't be classified, None if it can."""
    if is_blank(sample.value):
        return InvalidRequest(BLANK)
    image = images[sample.value] if sample.type == "image" else None
    return image if isinstance(image, SampleError) else None


def to_model_description(encoder: EncoderInfo, sentence: EncoderInfo, *, calibrated: bool) -> ModelDescription:
    """Describe a model.

    Args:
        encoder: Its image-text encoder.
        sentence: Its sentence encoder.
        calibrated: Whether a calibration of this revision is in use.
    """
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
