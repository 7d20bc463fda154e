"""benchmarks/jobs.py with few photos and the small model: both sides answer alike, and what a job does is counted."""

from __future__ import annotations

from pathlib import Path

import job_costs
import jobs


def test_both_sides_answer_alike_and_every_call_is_counted(model: Path) -> None:
    measured = jobs.measure(model, photos=8, rounds=1, workers=2, chunk=2)

    (job,) = measured.jobs
    assert measured.plain_s[0] > 0
    assert 0 < job.first_s <= job.took_s
    assert (len(job.predictions), job.chunks) == (8, 4)
    assert sum(it.function == "WorkerFunction" for it in job.invocations) == 4
    found = {cost.what: cost for cost in job_costs.costs([job], samples=8)}
    # The job's own, for 1,000 samples: an item for each of 4 parts, with the job each time, and the job once begun.
    assert found["DynamoDB: items written"].by["Worker"] >= (4 * 2 + 1) * 125
    assert found["DynamoDB: items written"].billed > sum(found["DynamoDB: items written"].by.values())
    assert found["S3: objects read"].by == {"Worker": 4 * 125}
    assert found["SQS: sent"].by == {"Api": 125}
    assert found["Lambda: runs"].by["Worker"] == 4 * 125
