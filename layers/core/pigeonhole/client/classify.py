"""Classify any number of samples, a batch in each request."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeGuard

from pigeonhole.client.batches import MAX_BODY_BYTES, Batch, PreparedSample, cut_into_batches, prepare_images, prepare_texts
from pigeonhole.client.errors import ApiError
from pigeonhole.client.exchange import call
from pigeonhole.client.fields import Labels, Question, Questions, check_samples, to_json
from pigeonhole.client.flow import Flow, HttpRequest, parallel
from pigeonhole.client.images import ImageSource
from pigeonhole.client.labels import to_label_fields
from pigeonhole.client.results import Result, Results, renumber_warnings, sum_usage, to_named_results, to_results
from pigeonhole.client.uploads import JSON_HEADERS, upload_image
from pigeonhole.contract.classification import ClassificationResponse, Usage
from pigeonhole.contract.questions import QuestionsResponse
from pigeonhole.errors import SampleError

CLASSIFICATION = "/v1/classification"
MIN_BUDGET_BYTES = 500_000
ONLY = ""  # the name of the question of a request that asks only one
OnResults: TypeAlias = Callable[[Sequence[Result]], None]
Prepare: TypeAlias = Callable[[int], Iterator[PreparedSample]]


def texts(values: Iterable[str]) -> Prepare:
    """Return what prepares texts for requests.

    Raises:
        TypeError: There is one string in place of a list.
    """
    check_samples(values)
    return lambda budget_bytes: prepare_texts(values, budget_bytes)


def images(sources: Iterable[ImageSource]) -> Prepare:
    """Return what prepares images for requests.

    Raises:
        TypeError: There is one string in place of a list, or the bytes of one file.
    """
    check_samples(sources)
    return lambda budget_bytes: prepare_images(sources, budget_bytes)


def classify(
    prepare: Prepare,
    labels: Labels | None,
    label_set: str | None,
    options: Mapping[str, Any],
    on_results: OnResults | None = None,
) -> Flow[Results]:
    """Classify samples.

    Args:
        prepare: Prepares the samples.
        labels: The labels to choose from.
        label_set: The name of a saved label set, in place of labels.
        options: The options of the request.
        on_results: Called with the results of each batch, when it ends.

    Raises:
        ClientError: A request failed.
        SampleError: An example image of a label can't be read.
    """
    fields = yield from to_label_fields(labels, label_set, options)

    def report(answer: _Answer) -> None:
        if on_results is not None:
            on_results(answer.results[ONLY])

    answers = yield from _send_all(prepare, {"scores": True, **fields}, [ONLY], _post_labels, report)
    return _join(answers, ONLY)


def ask(prepare: Prepare, questions: Questions, *, scores: bool) -> Flow[dict[str, Results]]:
    """Answer several questions about each sample, which is read once.

    Raises:
        ClientError: A request failed.
        SampleError: An example image of a label can't be read.
    """
    asked = {}
    for name, question in questions.items():
        given: dict[str, Any] = {**question} if _is_question(question) else {"labels": question}
        labels, label_set = given.pop("labels", None), given.pop("label_set", None)
        asked[name] = yield from to_label_fields(labels, label_set, given)
    answers = yield from _send_all(prepare, {"questions": asked, "scores": scores}, list(asked), _post_questions)
    return {name: _join(answers, name) for name in asked}


@dataclass(frozen=True)
class _Answer:
    """The answer to one batch: the results of each question, by its name."""

    results: Mapping[str, Sequence[Result]]
    warnings: Sequence[str] = ()
    usage: Usage | None = None
    log_id: str | None = None


_Post: TypeAlias = Callable[[HttpRequest, Sequence[int]], Flow[_Answer]]


def _is_question(question: Question | Labels) -> TypeGuard[Question]:
    """Whether a question has options. Otherwise it is its labels, which may have any names."""
    return isinstance(question, Mapping) and not question.keys().isdisjoint({"labels", "label_set"})


def _send_all(
    prepare: Prepare,
    fields: Mapping[str, Any],
    names: Sequence[str],
    post: _Post,
    on_end: Callable[[_Answer], None] = lambda answer: None,
) -> Flow[list[_Answer]]:
    """Send all samples, a batch in each request.

    Args:
        prepare: Prepares the samples.
        fields: The fields of each request, beside its samples.
        names: The names of the questions.
        post: Sends one request.
        on_end: Called with each answer.
    """
    head = to_json({**fields, "on_error": "null"})
    # Where labels leave no room, the API says that the request is too large.
    budget_bytes = max(MIN_BUDGET_BYTES, MAX_BODY_BYTES - len(head))
    batches = cut_into_batches(prepare(budget_bytes), budget_bytes)
    return (yield from parallel((_send_batch(head, batch, names, post) for batch in batches), on_end))


def _send_batch(head: bytes, batch: Batch, names: Sequence[str], post: _Post) -> Flow[_Answer]:
    """Classify a batch. A sample that the API finds faulty costs only itself."""
    samples = []
    for sample in batch.samples:
        samples.append((yield from _upload(sample)) if sample.upload is not None else sample)
    while sendable := [position for position, sample in enumerate(samples) if sample.error is None]:
        body = head[:-1] + b',"dataset":[' + b",".join(samples[position].json for position in sendable) + b"]}"
        # The API answers a large request by a job. With a key, a retry waits for that job in place of creating a second one.
        headers = {**JSON_HEADERS, "idempotency-key": str(uuid.uuid4())}
        request = HttpRequest("POST", CLASSIFICATION, headers=headers, content=body)
        try:
            answer = yield from post(request, [samples[position].index for position in sendable])
        except ApiError as error:
            faults = _sample_faults(error, len(sendable))
            if not faults:
                raise
            for position, message in faults.items():
                faulty = sendable[position]
                samples[faulty] = samples[faulty].with_error(error.code, message)
        else:
            return replace(answer, results={name: _merge(samples, results) for name, results in answer.results.items()})
    return _Answer({name: _merge(samples, []) for name in names})


def _upload(sample: PreparedSample) -> Flow[PreparedSample]:
    try:
        address = yield from upload_image(sample.upload or b"")
    except SampleError as error:
        return sample.with_error(error.code, error.message)
    return sample.at_address(address)


def _post_labels(request: HttpRequest, indices: Sequence[int]) -> Flow[_Answer]:
    answer = yield from call(ClassificationResponse, request)
    results = {ONLY: to_results(answer.predictions, answer.scores, answer.errors, indices)}
    return _Answer(results, renumber_warnings(answer.warnings, indices), answer.usage, answer.log_id)


def _post_questions(request: HttpRequest, indices: Sequence[int]) -> Flow[_Answer]:
    answer = yield from call(QuestionsResponse, request)
    results = to_named_results(answer.predictions, answer.scores, answer.errors, indices)
    return _Answer(results, renumber_warnings(answer.warnings, indices), answer.usage, answer.log_id)


def _merge(samples: Sequence[PreparedSample], results: Sequence[Result]) -> list[Result]:
    """Return a result for each sample: that of the API, or the error that the sample has already."""
    found = {result.index: result for result in results}
    return [found.get(sample.index) or Result(sample.index, (), None, sample.error) for sample in samples]


def _sample_faults(error: ApiError, count: int) -> dict[int, str]:
    """Return the faults of single samples, by their position. Empty if the request has any other fault."""
    places = [(re.match(r"dataset\.(\d+)(?:\.|$)", fault.path), fault.message) for fault in error.details]
    if error.status >= 500 or not all(place and int(place[1]) < count for place, _ in places):
        return {}
    return {int(place[1]): message for place, message in places if place}


def _join(answers: Sequence[_Answer], name: str) -> Results:
    return Results(
        items=tuple(result for answer in answers for result in answer.results[name]),
        warnings=tuple(dict.fromkeys(warning for answer in answers for warning in answer.warnings)),
        usage=sum_usage([answer.usage for answer in answers if answer.usage]),
        log_ids=tuple(answer.log_id for answer in answers if answer.log_id),
    )
