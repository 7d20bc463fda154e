"""The stored result of an upload: read as it was written, also by versions before there was a `version`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from pigeonhole.contract.classification import LabelScore
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.uploads.records import UploadResultRecord
from pigeonhole.uploads.upload_result import UploadFault, UploadResult

ATTRIBUTES: dict[str, Any] = {"tenant_id": "acme", "sequencer": "0A", "classified_at": 1_000.5, "expires_at": 2_000}
BEFORE = {
    "key": "incoming/acme/pets/cat.jpg",
    "version_id": "v1",
    "status": "succeeded",
    "label_set": {"name": "pets", "version": 3},
    "job_id": "1" * 32,
    "classified_at": "1970-01-01T00:16:40.500Z",
    "expires_at": "1970-01-01T00:33:20Z",
    "prediction": ["cat", "dog"],
    "scores": [{"label": "cat", "probability": 0.75, "similarity": 0.5}],
    "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json",
}


def result(**changes: Any) -> UploadResult:
    fields: dict[str, Any] = {"object_key": "incoming/acme/pets/cat.jpg", "results_uri": BEFORE["results_uri"]}
    return UploadResult(**ATTRIBUTES | fields | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": "cat", "job_id": "1" * 32},
        {"prediction": ["cat"], "scores": [LabelScore(label="cat", probability=0.5, similarity=0.25)], "version_id": "v1"},
        {"samples": Progress(total=3, succeeded=2, failed=1), "label_set": LabelSetRef(name="pets", version=3)},
        {"fault": UploadFault("too_large", "it is")},
    ],
)
def test_a_result_is_read_as_it_was_written(changes: dict[str, Any]) -> None:
    data = UploadResultRecord.from_result(result(**changes)).to_json()

    assert UploadResultRecord.from_json(data).to_result(**ATTRIBUTES) == result(**changes)
    assert json.loads(data)["version"] == 1


def test_a_result_that_was_written_without_a_version_is_read() -> None:
    assert UploadResultRecord.from_json(json.dumps(BEFORE)).to_result(**ATTRIBUTES) == result(
        version_id="v1",
        label_set=LabelSetRef(name="pets", version=3),
        job_id="1" * 32,
        prediction=["cat", "dog"],
        scores=[LabelScore(label="cat", probability=0.75, similarity=0.5)],
    )


def test_a_record_has_the_fields_of_one_without_a_version() -> None:
    stored = UploadResultRecord.from_json(json.dumps(BEFORE)).to_result(**ATTRIBUTES)

    assert json.loads(UploadResultRecord.from_result(stored).to_json()) == BEFORE | {"version": 1}


def test_a_record_of_another_version_is_refused_without_a_quotation() -> None:
    with pytest.raises(ValidationError) as refused:
        UploadResultRecord.from_json(json.dumps(BEFORE | {"version": 2}))

    assert "cat" not in str(refused.value)
