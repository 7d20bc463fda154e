"""A label set in a request, and preconditions of its changes."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.errors import PreconditionFailed
from pigeonhole.label_sets.label_set import LabelSet, Precondition

LABELS = [{"type": "text", "value": "cat"}, {"type": "image", "value": "s3://jobs/label-sets/acme/pets/1", "key": "dog"}]
OPTIONS = {"labels": LABELS, "instruction": "sort", "prompt_templates": ["a {}"], "threshold": 0.5}
PETS = LabelSet("acme", "pets", 3, created_at=0, updated_at=0, options=OPTIONS)


def test_a_label_set_has_the_etag_of_its_version_and_the_addresses_of_its_images() -> None:
    assert PETS.etag == '"3"'
    assert PETS.image_addresses == ["s3://jobs/label-sets/acme/pets/1"]


@pytest.mark.parametrize(
    ("body", "instruction", "templates"),
    [
        ({}, {"instruction": "sort"}, {"prompt_templates": ["a {}"]}),
        ({"instruction": None}, {"instruction": "sort"}, {"prompt_templates": ["a {}"]}),
        ({"instruction": "own"}, {"instruction": "own"}, {"prompt_templates": ["a {}"]}),
        ({"task": "own"}, {"task": "own"}, {"prompt_templates": ["a {}"]}),
        ({"prompt_template": "b {}"}, {"instruction": "sort"}, {"prompt_template": "b {}"}),
    ],
)
def test_an_option_of_the_body_prevails_under_any_of_its_names(
    body: dict[str, Any], instruction: dict[str, Any], templates: dict[str, Any]
) -> None:
    applied = PETS.apply_to(body)

    assert applied == {"labels": LABELS, "threshold": 0.5, **instruction, **templates}


@pytest.mark.parametrize(
    ("precondition", "stored", "holds"),
    [
        (Precondition(), None, True),
        (Precondition(), PETS, True),
        (Precondition(is_new=True), None, True),
        (Precondition(is_new=True), PETS, False),
        (Precondition(frozenset({'"2"', '"3"'})), PETS, True),
        (Precondition(frozenset({'"2"'})), PETS, False),
        (Precondition(frozenset({"*"})), PETS, True),
        (Precondition(frozenset({"*"})), None, False),
        (Precondition(frozenset()), PETS, False),
    ],
)
def test_a_precondition_is_checked_against_the_stored_set(
    precondition: Precondition, stored: LabelSet | None, holds: bool
) -> None:
    if holds:
        precondition.check(stored)
    else:
        with pytest.raises(PreconditionFailed):
            precondition.check(stored)
