"""The request that stores a label set."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pigeonhole.contract.label_sets import LabelSetRequest
from pigeonhole.contract.validation import to_faults

DOG = {"type": "text", "value": "dog"}
INLINE = {"type": "image", "value": "DATA:image/png;base64,AAAA"}
SIGNED = {"type": "image", "value": "https://example.com/cat.jpg?" + "x" * 900}


def test_an_image_whose_value_cannot_be_a_name_needs_a_key() -> None:
    with pytest.raises(ValidationError) as caught:
        LabelSetRequest.model_validate({"labels": [DOG, INLINE, SIGNED]})

    faults = to_faults(caught.value)
    assert [fault.path for fault in faults] == ["labels.1", "labels.2"]
    assert "must have a `key`" in faults[0].message


def test_with_a_key_any_image_can_be_a_label() -> None:
    request = LabelSetRequest.model_validate({"labels": [DOG, INLINE | {"key": "a"}, SIGNED | {"key": "b"}]})

    assert [label.name for label in request.labels] == ["dog", "a", "b"]
