"""benchmarks/uploads.py with few photos and the small model: every call for an upload is counted, with and without tags."""

from __future__ import annotations

from pathlib import Path

import pytest

import uploads


@pytest.mark.parametrize("tags", [True, False])
def test_every_call_for_an_upload_is_counted(model: Path, tags: bool) -> None:
    measured = uploads.measure(model, photos=5, workers=2, batch=3, tags=tags, chunk=2)

    assert measured.batches == [3, 2]
    assert len(measured.usage.runs_of("IngestFunction")) == 2
    assert measured.usage.chunks == 3, "two for the first batch, one for the second"
    costs = {cost.what: cost for cost in measured.costs}
    per_batch = 1000 / 5
    assert costs["DynamoDB: items written"].by["Notify"] == pytest.approx(1000 + 2 * 2 * per_batch), (
        "one per upload, and two for the end of each of the two jobs"
    )
    assert costs["DynamoDB: items written"].billed >= 2 * 1000, "the index by time has a copy of each result"
    assert costs["DynamoDB: reads"].billed >= 1000, "each upload is checked for an earlier result"
    assert costs["S3: objects written"].by == pytest.approx({"Ingest": 2 * per_batch, "Notify": 2 * per_batch}), (
        "the input and the results of each batch's job"
    )
    assert costs["S3: objects read"].by["Worker"] == pytest.approx(1000 + 3 * per_batch), (
        "photos, and the job input for each chunk"
    )
    assert costs["EventBridge: sent"].billed == pytest.approx(4 * per_batch), "of each job its uploads' results, and its end"
    assert costs["SQS: notifications received and deleted"].billed == pytest.approx(4 * per_batch)
    tagging = {what: cost.by for what, cost in costs.items() if "tags" in what}
    assert tagging == ({"S3: tags read": {"Notify": 1000}, "S3: tags written": {"Notify": 1000}} if tags else {})
