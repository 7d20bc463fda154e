"""The limits of a request, which a deployment may set."""

from __future__ import annotations

from typing import Any

import pytest

from support.request_bodies import LABELS, PHOTO, TEXT, body, find_faults, parse


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dataset": [TEXT, {"type": "text", "value": "x" * 8_001}]}, "dataset.1.value"),
        ({"labels": [{"type": "text", "value": "x" * 513}, LABELS[0]]}, "labels.0.value"),
        ({"labels": [PHOTO | {"text": "x" * 513}, LABELS[0]]}, "labels.0.text"),
        ({"labels": [LABELS[0] | {"key": "x" * 513}, LABELS[1]]}, "labels.0.key"),
        ({"instruction": "x" * 2_001}, "instruction"),
        ({"prompt_template": "{}" + "x" * 511}, "prompt_template"),
        ({"prompt_templates": ["{}"] * 17}, "prompt_templates"),
        ({"prompt_templates": []}, "prompt_templates"),
        ({"prompt_template": "no place"}, "prompt_template"),
        ({"prompt_template": "{} or {}"}, "prompt_template"),
    ],
)
def test_each_limit_is_reported_at_its_path(changes: dict[str, Any], path: str) -> None:
    assert list(find_faults(body(**changes))) == [path]


def test_a_text_of_the_maximum_length_is_accepted() -> None:
    parse(body(dataset=[{"type": "text", "value": "é" * 8_000}], labels=[{"type": "text", "value": "x" * 512}, LABELS[0]]))


def test_the_address_of_an_image_may_be_longer_than_a_text() -> None:
    data_url = {"type": "image", "value": "data:image/png;base64," + "A" * 9_000}

    parse(body(dataset=[data_url], labels=[data_url | {"key": "a"}, LABELS[0]]))


def test_a_deployment_may_set_other_limits() -> None:
    assert find_faults(body(dataset=[TEXT] * 3), max_samples=2) == {"dataset": "must have 1 to 2 samples, got 3"}
    assert find_faults(body(), max_text_chars=5) == {"dataset.0.value": "a text must have at most 5 characters, got 11"}
    assert len(parse(body(dataset=[TEXT] * 40), max_samples=40).dataset) == 40
