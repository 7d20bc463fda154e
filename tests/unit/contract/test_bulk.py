"""Lines of a manifest are parsed one by one, and a wrong line says what must be changed."""

from __future__ import annotations

import pytest

from pigeonhole.contract.bulk import BulkOptions, parse_manifest_line
from pigeonhole.contract.classification import Sample
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest

LIMITS = RequestLimits(max_text_chars=10, max_custom_id_chars=4)


def test_a_line_is_a_sample_with_the_callers_own_name() -> None:
    sample = parse_manifest_line(b'{"custom_id": "a-1", "type": "text", "value": "hello", "more": 1}', LIMITS)

    assert (sample.custom_id, sample.type, sample.value) == ("a-1", "text", "hello")


def test_a_custom_id_may_be_missing_or_null() -> None:
    assert parse_manifest_line(b'{"type": "text", "value": "a"}', LIMITS).custom_id is None
    assert parse_manifest_line(b'{"type": "text", "value": "a", "custom_id": null}', LIMITS).custom_id is None


def test_blanks_around_an_address_are_dropped() -> None:
    assert parse_manifest_line(b'{"type": "image", "value": " https://a/b.png\\n"}', LIMITS).value == "https://a/b.png"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"hello", "the line is not JSON"),
        (b"[" * 100_000, "the line is not JSON"),
        (b'{"type": "text", "value": ' + b"9" * 5_000 + b"}", "the line is not JSON"),
        (b'{"type": "text", "value": "\xff"}', "the line is not text in UTF-8"),
        (b"[1]", "the line must be a JSON object"),
        (b'{"type": "text"}', "value is required"),
        (b'{"type": "video", "value": "a"}', "type must be 'text' or 'image'"),
        (b'{"type": "text", "value": "12345678901"}', "a text must have at most 10 characters, got 11"),
        (b'{"type": "text", "value": "a", "custom_id": 5}', "custom_id"),
        (b'{"type": "text", "value": "a", "custom_id": "12345"}', "a custom_id must have at most 4 characters, got 5"),
        (b'{"type": "text", "value": "\\ud800"}', "value must be valid Unicode"),
    ],
)
def test_a_wrong_line_says_what_must_be_changed(line: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_manifest_line(line, LIMITS)


def test_options_become_a_request_in_which_each_sample_fails_alone() -> None:
    options = BulkOptions.model_validate(
        {"labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}], "task": "pets", "top_k": 1}
    )

    request = options.to_request([Sample(type="text", value="a cat")] * 100)  # more than a request may have

    assert (len(request.dataset), request.on_error, request.instruction, request.top_k) == (100, "null", "pets", 1)
    assert [label.value for label in request.labels] == ["cat", "dog"]
    assert request.label_set is None
