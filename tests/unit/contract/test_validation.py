"""Faults of a body, each with its path, in the caller's words."""

from __future__ import annotations

import pytest

from pigeonhole.contract.classification import parse_request
from pigeonhole.contract.jobs import JobRequest
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.validation import MAX_STRIPPED, strip_address
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


BLANK_MESSAGE = "must not be blank: write at least one visible character"
BLANK = [" ", "\t\n", "\x00", "\u00a0\u200b", "\u2060\ufeff", "\u3164", "\ufe0f"]


@pytest.mark.parametrize("blank", BLANK)
def test_a_blank_text_label_or_key_is_a_fault(blank: str) -> None:
    labels = [{"type": "text", "value": blank}, {"key": blank, "type": "text", "value": "cat"}, *LABELS]
    message = "must not be blank: write at least one visible character"
    assert find_faults(body(dataset=[{"type": "text", "value": blank}], labels=labels)) == {
        "dataset.0.value": message,
        "labels.0.value": message,
        "labels.1.key": message,
    }


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize("blank", ["", *BLANK])
def test_a_blank_sample_is_its_own_fault_with_on_error_null(blank: str, kind: str) -> None:
    samples = [{"type": kind, "value": value} for value in (blank, "x")]

    assert find_faults(body(dataset=samples)) == {"dataset.0.value": BLANK_MESSAGE}
    assert [sample.value.strip(blank) for sample in parse(body(dataset=samples, on_error="null")).dataset] == ["", "x"]
    assert len(parse_request(JobRequest, body(dataset=samples), RequestLimits()).dataset) == 2, "jobs always skip it"


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n", "\ufeff", "\u00a0\u200b", "\x00"])
@pytest.mark.parametrize("address", ["https://example.com/a.png", "data:image/gif;base64,R0lG", "HTTPS://example.com/a b.png"])
def test_blanks_around_an_address_are_dropped(address: str, blank: str) -> None:
    image = {"type": "image", "value": blank + address + blank}
    request = parse(body(dataset=[image], labels=[*LABELS, image]))

    assert (request.dataset[0].value, request.labels[2].value, request.labels[2].name) == (address,) * 3


def test_an_address_among_thousands_of_blanks_is_none() -> None:
    blanks = " " * (MAX_STRIPPED + 1)

    assert strip_address(f"{blanks}https://example.com/a.png") == " https://example.com/a.png"
    assert strip_address(f"https://example.com/a.png{blanks}") == "https://example.com/a.png "


def test_an_object_key_may_end_in_a_blank() -> None:
    image = {"type": "image", "value": "\n s3://bucket/key \n"}

    assert parse(body(dataset=[image])).dataset[0].value == "s3://bucket/key \n"


def test_blanks_around_a_webhook_are_dropped() -> None:
    job = parse_request(JobRequest, body(webhook_url=" https://hooks.example.com/a\n"), RequestLimits())

    assert job.webhook_url == "https://hooks.example.com/a"


def test_the_blanks_of_a_text_stay() -> None:
    assert parse(body(dataset=[{"type": "text", "value": " a\n"}])).dataset[0].value == " a\n"


def test_an_empty_key_is_a_fault_and_merges_no_labels() -> None:
    labels = [{"key": "", "type": "text", "value": value} for value in ("cat", "bird")]
    assert find_faults(body(labels=labels)) == {
        f"labels.{index}.key": "must not be blank: write at least one visible character" for index in (0, 1)
    }


@pytest.mark.parametrize("blank", ["", *BLANK])
def test_a_blank_option_counts_as_absent(blank: str) -> None:
    image = {"key": "cat", "type": "image", "value": "https://example.com/cat.jpg", "text": blank}
    request = parse(body(labels=[*LABELS, image], instruction=blank))
    assert (request.labels[-1].text, request.instruction) == (None, None)


@pytest.mark.parametrize("text", ["x", " x ", "\u200bx", "?", "\U0001f436", "\u2764\ufe0f", "\u5b57"])
def test_a_text_with_a_visible_character_is_taken_as_it_is(text: str) -> None:
    assert parse(body(dataset=[{"type": "text", "value": text}])).dataset[0].value == text
