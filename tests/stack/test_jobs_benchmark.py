"""benchmarks/jobs.py with few photos and the small model: both sides give the same predictions, and its calls are counted."""

from __future__ import annotations

from pathlib import Path

import aws_costs
import jobs


def test_both_sides_give_the_same_predictions_and_every_call_is_counted(model: Path) -> None:
    timings = jobs.measure(model, photos=8, rounds=1, workers=2, chunk=2)

    (job,) = timings.jobs
    assert timings.plain_s[0] > 0
    assert 0 < job.first_s <= job.took_s
    assert (len(job.predictions), job.chunks) == (8, 4)
    assert len(job.runs_of("WorkerFunction")) == 4
    costs = {cost.what: cost for cost in aws_costs.costs([job], samples=8)}
    # Per 1,000 samples: each of the 4 parts and the job with it, and the job once at its start.
    assert costs["DynamoDB: items written"].by["Worker"] >= (4 * 2 + 1) * 125
    assert costs["DynamoDB: items written"].billed > sum(costs["DynamoDB: items written"].by.values())
    assert costs["S3: objects read"].by == {"Worker": 4 * 125}
    assert costs["SQS: sent"].by == {"Api": 125}
    assert costs["Lambda: runs"].by["Worker"] == 4 * 125
