"""benchmarks/aws_costs.py: the costs of 1,000 samples at list prices. Also the table of benchmarks/jobs.py."""

from __future__ import annotations

from typing import Any

import pytest

import aws_costs
import jobs
from benchmark_stack import Invocation, JobRun


def call(function: str, action: str) -> dict[str, Any]:
    return {"function": f"{function}Function", "action": action}


def units(function: str, **counts: float) -> dict[str, Any]:
    return {"function": f"{function}Function", "read": 0.0, "write": 0.0, "events": 0.0, **counts}


def run(calls: list[dict[str, Any]] | None = None, **usage: Any) -> JobRun:
    """A job of 500 samples that took 20 s."""
    fields = {"units": [], "invocations": [], **usage}
    return JobRun(predictions=[], first_s=3.0, took_s=20.0, calls=calls or [], **fields)


def compute_costs(*runs: JobRun, samples: int = 500) -> dict[str, aws_costs.Cost]:
    return {cost.what: cost for cost in aws_costs.costs(runs, samples)}


def test_calls_are_counted_by_function_for_a_thousand_samples() -> None:
    calls = [call("Api", "s3:PutObject"), *[call("Worker", "dynamodb:PutItem")] * 16, call("Api", "dynamodb:UpdateItem")]

    costs = compute_costs(run(calls), run(calls), samples=1_000)

    assert costs["DynamoDB: items written"].by == {"Worker": 32, "Api": 2}
    assert costs["S3: objects written"].by == {"Api": 2}
    assert costs["S3: objects written"].dollars == pytest.approx(2 * 5.00 / 1e6)
    assert "EventBridge: sent" not in costs, "a call that was never made has no line"


def test_dynamodb_is_billed_by_units_and_not_by_calls() -> None:
    billed = [units("Worker", read=0.5), units("Api", write=6.0)]

    costs = compute_costs(run([call("Api", "dynamodb:PutItem")], units=billed))

    assert (costs["DynamoDB: items written"].billed, costs["DynamoDB: items written"].unit) == (12.0, "write units")
    assert costs["DynamoDB: items written"].dollars == pytest.approx(12 * 0.625 / 1e6)
    assert costs["DynamoDB: reads"].dollars == pytest.approx(1 * 0.125 / 1e6)


def test_events_are_billed_one_by_one_though_a_call_sends_several() -> None:
    calls = [call("Notify", "events:PutEvents")] * 3

    costs = compute_costs(
        run(calls, units=[units("Notify", events=10.0), units("Notify", events=5.0), units("Notify", events=1.0)])
    )

    assert costs["EventBridge: sent"].by == {"Notify": 6}
    assert (costs["EventBridge: sent"].billed, costs["EventBridge: sent"].unit) == (32.0, "events")
    assert costs["EventBridge: sent"].dollars == pytest.approx(32 * 1.00 / 1e6)


def test_tags_are_billed_as_get_and_put_requests() -> None:
    calls = [call("Notify", "s3:GetObjectVersionTagging"), call("Notify", "s3:PutObjectVersionTagging")]

    costs = compute_costs(run(calls))

    assert (costs["S3: tags read"].billed, costs["S3: tags read"].unit) == (2, "GET requests")
    assert (costs["S3: tags written"].billed, costs["S3: tags written"].unit) == (2, "PUT requests")


def test_reads_of_any_version_of_an_object_are_counted_together() -> None:
    costs = compute_costs(run([call("Worker", "s3:GetObject"), call("Worker", "s3:GetObjectVersion")]))

    assert costs["S3: objects read"].by == {"Worker": 4}


def test_lambda_receives_and_deletes_the_message_of_each_run_of_a_worker_and_of_a_planner() -> None:
    workers, planner = [Invocation("WorkerFunction", 3.0, 4096)] * 7, Invocation("PlanFunction", 1.0, 512)

    costs = compute_costs(run(invocations=[*workers, planner, Invocation("ApiFunction", 2.0, 512)]))

    assert costs["SQS: received and deleted"].by == {"Lambda": 32}


def test_functions_are_billed_by_run_and_by_gigabyte_second() -> None:
    worker, api = Invocation("WorkerFunction", 3.0, 4096), Invocation("ApiFunction", 2.0, 512)

    costs = compute_costs(run(invocations=[worker, worker, api]))

    assert costs["Lambda: runs"].by == {"Worker": 4, "Api": 2}
    memory_time = costs["Lambda: memory and time, at this machine's speed"]
    assert memory_time.by == {"Worker": 48.0, "Api": 2.0}
    assert memory_time.dollars == pytest.approx(50 * 0.0000133334)


def test_the_sweep_is_not_a_cost_of_jobs() -> None:
    sweep = Invocation("SweepFunction", 1.0, 256)

    costs = compute_costs(run([call("Sweep", "dynamodb:Query")], units=[units("Sweep", read=1.0)], invocations=[sweep]))

    assert costs["DynamoDB: reads"].billed == 0
    assert costs["Lambda: runs"].billed == 0


def test_an_invocation_is_billed_as_the_run_that_it_starts() -> None:
    classify = Invocation("ClassifyFunction", 0.1, 3008)

    costs = compute_costs(run([call("Api", "lambda:InvokeFunction")], invocations=[classify]))

    assert {what: cost.by for what, cost in costs.items() if sum(cost.by.values()) and cost.unit != "GB-s"} == {
        "Lambda: runs": {"Classify": 2}
    }


def test_a_call_without_a_price_is_an_error() -> None:
    with pytest.raises(KeyError, match="sns:Publish"):
        compute_costs(run([call("Worker", "sns:Publish")]))


def test_every_action_has_a_price() -> None:
    billed_by_content = {aws_costs.WRITES, aws_costs.READS, aws_costs.EVENTS}

    assert set(aws_costs.ITEM_BY_ACTION.values()) == billed_by_content | set(aws_costs.BILLED_PER_CALL)
    assert set(aws_costs.BILLED_PER_CALL.values()) <= set(aws_costs.PRICES)


def test_the_table_of_costs_ends_with_their_sum() -> None:
    calls = [call("Api", "s3:PutObject"), *[call("Worker", "s3:GetObject")] * 8]

    lines = aws_costs.table(aws_costs.costs([run(calls)], 500)).splitlines()

    assert "| S3: objects read | 16 | Worker 16 | 16 GET requests | 0.000006 |" in lines
    assert lines[-1] == "| all of it |  |  |  | 0.000016 |"
    assert len({line.count("|") for line in lines}) == 1


def test_the_table_of_speeds_gives_the_ratio_of_each_round() -> None:
    workers = [Invocation("WorkerFunction", 38.0, 4096), Invocation("ApiFunction", 20.0, 512)]

    lines = jobs.table([jobs.JobTimings(500, 2, [18.0, 19.0, 40.0], [run(invocations=workers)] * 3)]).splitlines()

    assert lines[-1] == "| 500 | 2 | 26.3 | 25.0 | 0.95 | 95% | 3.0 |"
    assert len({line.count("|") for line in lines}) == 1
