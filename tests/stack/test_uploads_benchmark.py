"""benchmarks/uploads.py with few photos and the small model: all that an upload takes is counted, tags where it has any."""

from __future__ import annotations

from pathlib import Path

import pytest

import uploads


@pytest.mark.parametrize("tags", [True, False])
def test_every_call_for_an_upload_is_counted(model: Path, tags: bool) -> None:
    measured = uploads.measure(model, photos=5, workers=2, batch=3, tags=tags, chunk=2)

    assert measured.batches == [3, 2]
    assert len(measured.counts.runs_of("IngestFunction")) == 2
    assert measured.counts.chunks == 3, "two of the one batch, one of the other"
    found = {cost.what: cost for cost in measured.costs}
    of_one = 1000 / 5
    assert found["DynamoDB: items written"].by["Notify"] == pytest.approx(1000 + 2 * 2 * of_one), (
        "a result, and a job's end twice"
    )
    assert found["DynamoDB: items written"].billed >= 2 * 1000, "each result is in the index by time, too"
    assert found["DynamoDB: reads"].billed >= 1000, "whether there is a result already"
    assert found["S3: objects written"].by == pytest.approx({"Ingest": 2 * of_one, "Notify": 1000}), (
        "what a job works on; results"
    )
    assert found["S3: objects read"].by["Worker"] == pytest.approx(1000 + 3 * of_one), "photos, and what a chunk's job works on"
    assert found["EventBridge: sent"].billed == pytest.approx(1000 + 2 * of_one), "an upload's, and a job's"
    assert sum(found["EventBridge: sent"].by.values()) < found["EventBridge: sent"].billed, "several go in a call"
    assert found["SQS: notifications received and deleted"].billed == pytest.approx(4 * of_one)
    tagging = {what: cost.by for what, cost in found.items() if "tags" in what}
    assert tagging == ({"S3: tags read": {"Notify": 1000}, "S3: tags written": {"Notify": 1000}} if tags else {})
