"""The body of POST /v1/classification: its samples and options."""

from __future__ import annotations

import re

import pytest

from pigeonhole.contract.classification import (
    ClassificationRequest,
    ClassificationResponse,
    LabelScore,
    Usage,
    max_result_bytes_per_sample,
    parse_request,
)
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest
from support.request_bodies import LABELS, PHOTO, TEXT, body, find_faults, parse


def test_the_smallest_body_has_the_documented_defaults() -> None:
    request = parse(body())

    assert [sample.value for sample in request.dataset] == ["a sunny day"]
    assert [label.name for label in request.labels] == ["weather", "sports"]
    assert (request.multiple_labels, request.scores, request.on_error) == (False, False, "fail")
    assert (request.instruction, request.threshold, request.top_k, request.prompt_templates) == (None, None, None, None)


def test_every_option_is_accepted() -> None:
    options = {
        "multiple_labels": True,
        "instruction": "News.",
        "scores": True,
        "threshold": 0,
        "top_k": 2,
        "prompt_templates": ["news about {}."],
        "on_error": "null",
    }

    request = parse(body(**options))

    assert request.model_dump(include=set(options)) == options


@pytest.mark.parametrize(
    "options", [{"scores": True}, {"scores": True, "multiple_labels": True}, {"multiple_labels": True}, {}]
)
@pytest.mark.parametrize("top_k", [1, 2, None])
@pytest.mark.parametrize("key", ["😀" * 512, 'quote " and \n line', "a\x00\u2028" * 9, int("9" * 512)])
def test_the_size_of_results_is_never_underestimated(options: dict[str, bool], top_k: int | None, key: str | int) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, *LABELS]
    request = parse(body(labels=labels, top_k=top_k, **options))
    names = sorted((label.name for label in request.labels), key=len, reverse=True)[:top_k]
    scores = [LabelScore(label=name, probability=0.123456, similarity=-0.123456) for name in names]
    answer = ClassificationResponse(
        log_id="",
        predictions=[names if request.multiple_labels else names[0]] * 1_000,
        scores=[scores] * 1_000 if request.scores else None,
        _usage=Usage(input_tokens=1, output_tokens=1, inference_time_tokens=1, total_tokens=3),
    )

    size = len(answer.model_dump_json(exclude_none=True).encode())

    assert size <= 1_000 * max_result_bytes_per_sample(request, scores=request.scores) + 200 + 3_000, (
        "fields, and three signs for each sample"
    )


def test_a_job_whose_results_would_be_too_large_is_refused_with_the_number_of_samples_that_fit() -> None:
    labels = [{"key": chr(0x1F600 + index) * 512, "type": "text", "value": str(index)} for index in range(24)]
    limits = RequestLimits(max_samples=10_000)

    def parse_job(count: int, **options: object) -> ClassificationRequest:
        return parse_request(ClassificationRequest, body(dataset=[TEXT] * count, labels=labels, **options), limits)

    with pytest.raises(InvalidRequest) as refused:
        parse_job(10_000, scores=True)
    (fault,) = refused.value.details
    most = int(re.search(r"at most (\d+) samples fit into 50000000 bytes, got 10000", fault.message)[1])  # type: ignore[index]
    assert fault.path == "dataset"
    assert len(parse_job(most, scores=True).dataset) == most
    with pytest.raises(InvalidRequest):
        parse_job(most + 1, scores=True)
    assert len(parse_job(10_000, scores=True, top_k=1).dataset) == 10_000


def test_a_job_with_short_labels_may_have_all_scores_of_all_samples() -> None:
    labels = [{"type": "text", "value": f"a label of some words {index}"} for index in range(24)]
    job = body(dataset=[TEXT] * 10_000, labels=labels, scores=True, multiple_labels=True)

    assert parse_request(ClassificationRequest, job, RequestLimits(max_samples=10_000)).scores


def test_samples_are_all_of_one_type() -> None:
    assert find_faults(body(dataset=[TEXT, PHOTO])) == {
        "dataset": "the samples must be all texts or all images. Send two requests for a mix"
    }


@pytest.mark.parametrize("count", [0, 33])
def test_there_are_1_to_32_samples(count: int) -> None:
    assert find_faults(body(dataset=[TEXT] * count)) == {"dataset": f"must have 1 to 32 samples, got {count}"}
    assert len(parse(body(dataset=[TEXT] * 32)).dataset) == 32


def test_labels_are_required_unless_a_label_set_has_given_them() -> None:
    assert find_faults({"dataset": [TEXT], "label_set": "news"}) == {"labels": "is required"}


@pytest.mark.parametrize("custom_id", ["x" * 129, 5])
def test_a_custom_id_is_a_text_of_at_most_128_characters(custom_id: object) -> None:
    assert list(find_faults(body(dataset=[{"type": "text", "value": "a", "custom_id": custom_id}]))) == ["dataset.0.custom_id"]


@pytest.mark.parametrize(("sent", "custom_ids"), [("x" * 128, ["x" * 128, None]), ("", ["", None]), (None, None)])
def test_a_request_has_the_names_of_its_samples_if_any_has_one(sent: str | None, custom_ids: list[str | None] | None) -> None:
    request = parse(body(dataset=[{"type": "text", "value": "a", "custom_id": sent}, {"type": "text", "value": "b"}]))

    assert request.custom_ids == custom_ids
