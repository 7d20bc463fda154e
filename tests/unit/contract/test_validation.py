"""Faults of a body, each with its path, in the caller's words."""

from __future__ import annotations

import pytest

from pigeonhole.errors import InvalidRequest
from support.request_bodies import LABELS, body, find_faults, parse


@pytest.mark.parametrize("sent", [[], [body()], "text", 7, None, True])
def test_a_body_that_is_no_object_is_one_fault(sent: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(sent)

    assert caught.value.message == "the body must be a JSON object"
    assert find_faults(sent) == {"": "the body must be a JSON object"}


def test_every_fault_comes_with_its_path() -> None:
    sent = {
        "dataset": [7, {"type": "audio", "value": "x"}, {"type": "text"}, {"type": "text", "value": 5}],
        "labels": [{"type": "text", "value": ""}, LABELS[0], LABELS[1]],
        "multiple_labels": "yes",
        "threshold": 2,
        "top_k": 0,
        "task": 5,
        "on_error": "skip",
    }

    assert find_faults(sent) == {
        "dataset.0": "must be an object",
        "dataset.1.type": "must be 'text' or 'image'",
        "dataset.2.value": "is required",
        "dataset.3.value": "must be a string",
        "labels.0.value": "must not be empty",
        "multiple_labels": "must be true or false",
        "threshold": "must be at most 1",
        "top_k": "must be at least 1",
        "task": "must be a string",
        "on_error": "must be 'fail' or 'null'",
    }


def test_the_message_names_the_first_fault_and_counts_the_others() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse({"dataset": "x", "labels": LABELS[:1]})

    assert caught.value.message == "dataset: must be an array (and 1 more)"


def test_one_fault_is_worded_as_in_the_contract() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body(labels=LABELS[:1]))

    assert caught.value.message == "labels: at least 2 distinct labels are needed, got 1"


def test_a_list_that_is_too_long_is_one_fault_whatever_is_in_it() -> None:
    assert find_faults(body(dataset=[1] * 100_000)) == {"dataset": "must have 1 to 32 samples, got 100000"}
