"""The stored options of a label set: read as they were written, also by versions before there was a `version`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from pigeonhole.label_sets.records import LabelSetOptionsRecord

LABELS = [
    {"type": "text", "value": "größer", "key": 1.5},
    {"type": "image", "value": "s3://jobs/label-sets/acme/pets/1", "key": "x", "text": "a cat"},
    {"type": "text", "value": "one", "key": 1},
]
ALL_OPTIONS = {
    "labels": LABELS,
    "multiple_labels": False,
    "instruction": "sort",
    "threshold": 0.25,
    "top_k": 3,
    "prompt_templates": ["a {}"],
}


@pytest.mark.parametrize("options", [ALL_OPTIONS, {"labels": LABELS}, {"labels": []}])
def test_options_are_read_as_they_were_written(options: dict[str, Any]) -> None:
    data = LabelSetOptionsRecord.from_options(options).to_json()

    read = LabelSetOptionsRecord.from_json(data).to_options()

    assert read == options
    assert [str(label.get("key")) for label in read["labels"]] == [str(label.get("key")) for label in options["labels"]]
    assert json.loads(data)["version"] == 1


def test_options_that_were_written_without_a_version_are_read() -> None:
    assert LabelSetOptionsRecord.from_json(json.dumps(ALL_OPTIONS)).to_options() == ALL_OPTIONS


def test_a_record_of_another_version_is_refused_without_a_quotation() -> None:
    with pytest.raises(ValidationError) as refused:
        LabelSetOptionsRecord.from_json(json.dumps(ALL_OPTIONS | {"version": 2}))

    assert "größer" not in str(refused.value)
