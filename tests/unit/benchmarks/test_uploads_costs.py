"""benchmarks/uploads.py: the counted calls and those that S3 and Lambda make by themselves, for 1,000 and a million uploads."""

from __future__ import annotations

import pytest

from benchmark_stack import Invocation, Usage
from uploads import UploadsUsage, report


def uploads_usage(tags_written: int = 1) -> UploadsUsage:
    """500 uploads: one run of functions/ingest, 8 chunks, and one run of functions/notify."""
    invocations = [
        Invocation("IngestFunction", 2.0, 512),
        *[Invocation("WorkerFunction", 3.0, 4096)] * 8,
        Invocation("NotifyFunction", 4.0, 512),
        Invocation("SweepFunction", 1.0, 256),
    ]
    tag_call = {"function": "NotifyFunction", "action": "s3:PutObjectVersionTagging"}
    return UploadsUsage(500, [500], Usage(calls=[tag_call] * tags_written, units=[], invocations=invocations))


def test_calls_that_s3_and_lambda_make_by_themselves_are_billed() -> None:
    costs = {cost.what: cost for cost in uploads_usage().costs}

    assert costs["S3: uploads"].dollars == pytest.approx(1000 * 5.00 / 1e6)
    assert (costs["SQS: notifications"].by, costs["SQS: notifications"].billed) == ({"S3": 1000}, 1000)
    assert costs["SQS: notifications received and deleted"].by == {"Lambda": 200}
    assert costs["SQS: received and deleted"].by == {"Lambda": 32}, "of chunks"
    assert costs["S3: tags written"].by == {"Notify": 2}
    assert costs["Lambda: runs"].by == {"Ingest": 2, "Worker": 16, "Notify": 2}


def test_the_report_ends_with_the_price_of_a_million_and_the_runs() -> None:
    table, million, runs = report(uploads_usage(tags_written=0), uploads_usage(tags_written=500)).split("\n\n")

    lines = table.splitlines()
    assert lines[0].startswith("| for 1,000 uploads | calls |")
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1] == "| all of it |  |  |  | 0.008137 |"
    assert million == (
        "A million uploads: 8.14 USD, 5.50 for calls and 2.64 for Lambda's time. "
        "With TagUploads=true: 13.14 USD, 10.50 for calls and 2.64 for Lambda's time."
    )
    assert runs == (
        "500 uploads came to functions/ingest in 1 run. Their jobs took 8 runs of functions/worker, a chunk each, "
        "and 1 run of functions/notify, a job each."
    )
