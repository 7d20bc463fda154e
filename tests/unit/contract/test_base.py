"""What every body has in common: null counts as absent, unknown fields are ignored, and text must be valid Unicode."""

from __future__ import annotations

from typing import Any

import pytest

from support.request_bodies import LABELS, TEXT, body, find_faults, parse

HALF = "\ud83d"


def test_an_option_that_is_null_counts_as_absent() -> None:
    nulls = dict.fromkeys(
        ["multiple_labels", "instruction", "task", "scores", "threshold", "top_k", "prompt_template", "on_error", "label_set"]
    )

    assert parse(body(**nulls)) == parse(body())


def test_null_in_a_label_or_before_an_alias_counts_as_absent() -> None:
    labels = [{"key": None, "text": None, **LABELS[0]}, LABELS[1]]

    assert parse(body(labels=labels)) == parse(body())
    assert parse(body(instruction=None, task="News.")).instruction == "News."


def test_null_for_what_is_required_is_missing() -> None:
    assert find_faults({"dataset": None, "labels": [{"type": "text", "value": None}, LABELS[0]]}) == {
        "dataset": "is required",
        "labels.0.value": "is required",
    }


def test_unknown_fields_are_ignored_at_every_level() -> None:
    extra = {"model": "x", "dataset": [TEXT | {"id": 7}], "labels": [LABELS[0] | {"weight": 2}, LABELS[1]]}

    assert parse(body(**extra)) == parse(body())


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dataset": [{"type": "text", "value": HALF}]}, "dataset.0.value"),
        ({"labels": [{"type": "text", "value": HALF}, *LABELS]}, "labels.0.value"),
        ({"labels": [LABELS[0] | {"key": HALF}, *LABELS]}, "labels.0.key"),
        ({"labels": [{"type": "image", "value": "s3://a/b", "text": HALF}, *LABELS]}, "labels.0.text"),
        ({"instruction": HALF}, "instruction"),
        ({"task": HALF}, "task"),
        ({"prompt_template": HALF + "{}"}, "prompt_template.0"),
        ({"prompt_templates": ["{}", HALF + "{}"]}, "prompt_templates.1"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused(changes: dict[str, Any], path: str) -> None:
    assert list(find_faults(body(**changes))) == [path]
    assert "surrogate" in find_faults(body(**changes))[path]
