"""The body of POST /v1/classification: its samples and options."""

from __future__ import annotations

import pytest

from support.request_bodies import PHOTO, TEXT, body, find_faults, parse


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
