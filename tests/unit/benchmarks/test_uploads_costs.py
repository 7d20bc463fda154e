"""benchmarks/uploads.py: what was counted, beside what S3 and Lambda do unasked, for 1,000 and a million uploads."""

from __future__ import annotations

import pytest

from job_stack import Counts, Invocation
from uploads import Result, report


def result(calls: int = 1) -> Result:
    """500 uploads: a run of functions/ingest, 8 chunks, and one of functions/notify, with `calls` written tags."""
    invocations = [
        Invocation("IngestFunction", 2.0, 512),
        *[Invocation("WorkerFunction", 3.0, 4096)] * 8,
        Invocation("NotifyFunction", 4.0, 512),
        Invocation("SweepFunction", 1.0, 256),
    ]
    tagged = {"function": "NotifyFunction", "action": "s3:PutObjectVersionTagging"}
    return Result(500, [500], Counts(calls=[tagged] * calls, units=[], invocations=invocations))


def test_what_nobody_asked_for_is_paid_for_too() -> None:
    costs = {cost.what: cost for cost in result().costs}

    assert costs["S3: uploads"].dollars == pytest.approx(1000 * 5.00 / 1e6)
    assert (costs["SQS: notifications"].by, costs["SQS: notifications"].billed) == ({"S3": 1000}, 1000)
    assert costs["SQS: notifications received and deleted"].by == {"Lambda": 200}
    assert costs["SQS: received and deleted"].by == {"Lambda": 32}, "of chunks"
    assert costs["S3: tags written"].by == {"Notify": 2}
    assert costs["Lambda: runs"].by == {"Ingest": 2, "Worker": 16, "Notify": 2}


def test_the_report_ends_with_a_million_and_with_what_ran() -> None:
    table, million, ran = report(result(calls=500), result(calls=0)).split("\n\n")

    lines = table.splitlines()
    assert lines[0].startswith("| for 1,000 uploads | calls |")
    assert len({line.count("|") for line in lines}) == 1
    assert lines[-1] == "| all of it |  |  |  | 0.013137 |"
    assert million == (
        "A million uploads: 13.14 USD, 10.50 for calls and 2.64 for Lambda's time. "
        "With TagUploads=false: 8.14 USD, 5.50 for calls and 2.64 for Lambda's time."
    )
    assert ran == (
        "500 uploads came to functions/ingest in 1 run. What it made of them took 8 runs of functions/worker, a chunk each, "
        "and 1 run of functions/notify, a job each."
    )
