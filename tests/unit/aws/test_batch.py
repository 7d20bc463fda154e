"""The runs of GPU workers on AWS Batch: what is submitted, when a run is active, and which errors help to be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from pigeonhole.aws.batch import MAX_REASON_CHARS, BatchJobRunner
from pigeonhole.bulk.ports import GpuRun
from pigeonhole.errors import InternalError, Overloaded
from support.moto_aws import unconnected_client

JOB = "0123456789abcdef0123456789abcdef"
QUEUE, DEFINITION = "arn:aws:batch:eu-west-1:1:job-queue/q", "arn:aws:batch:eu-west-1:1:job-definition/d:1"


@pytest.fixture
def stub() -> Iterator[Stubber]:
    with Stubber(unconnected_client("batch")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def runner(stub: Stubber) -> BatchJobRunner:
    return BatchJobRunner(stub.client, QUEUE, DEFINITION)


@pytest.mark.parametrize(("tasks", "array"), [(1, {}), (2, {"arrayProperties": {"size": 2}})])
def test_a_run_is_a_job_and_several_tasks_are_an_array(
    tasks: int, array: dict[str, Any], stub: Stubber, runner: BatchJobRunner
) -> None:
    sent = {
        "jobName": f"{JOB}-3",
        "jobQueue": QUEUE,
        "jobDefinition": DEFINITION,
        "containerOverrides": {"environment": [{"name": "PIGEONHOLE_GPU_RUN", "value": f"acme/{JOB}/3"}]},
        **array,
    }
    stub.add_response("submit_job", {"jobId": "b-1", "jobName": "x"}, sent)

    assert runner.submit(GpuRun("acme", JOB, 3, tasks)) == "b-1"


@pytest.mark.parametrize(
    ("status", "is_active"),
    [
        *[(status, True) for status in ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")],
        ("SUCCEEDED", False),
        ("FAILED", False),
    ],
)
def test_a_run_is_active_until_its_job_has_ended(status: str, is_active: bool, stub: Stubber, runner: BatchJobRunner) -> None:
    job = {"jobId": "b-1", "jobName": "x", "jobQueue": QUEUE, "jobDefinition": DEFINITION, "status": status, "startedAt": 0}
    stub.add_response("describe_jobs", {"jobs": [job]}, {"jobs": ["b-1"]})

    assert runner.is_active("b-1") is is_active


def test_a_run_that_aws_has_forgotten_has_ended(stub: Stubber, runner: BatchJobRunner) -> None:
    stub.add_response("describe_jobs", {"jobs": []}, {"jobs": ["b-1"]})

    assert not runner.is_active("b-1")


def test_a_canceled_run_is_terminated_with_its_reason(stub: Stubber, runner: BatchJobRunner) -> None:
    stub.add_response("terminate_job", {}, {"jobId": "b-1", "reason": "r" * MAX_REASON_CHARS})
    stub.add_client_error("terminate_job", "ClientException", "no such job")

    runner.cancel("b-1", "r" * 2_000)
    runner.cancel("b-1", "again")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ServerException", Overloaded),
        ("ThrottlingException", Overloaded),
        ("TooManyRequestsException", Overloaded),
        ("AccessDeniedException", InternalError),
        ("ClientException", InternalError),
    ],
)
def test_a_throttled_call_may_be_tried_again_and_a_refused_one_not(
    code: str, error: type[Exception], stub: Stubber, runner: BatchJobRunner
) -> None:
    stub.add_client_error("submit_job", code)
    stub.add_client_error("describe_jobs", code)

    with pytest.raises(error):
        runner.submit(GpuRun("acme", JOB, 0, 1))
    with pytest.raises(error):
        runner.is_active("b-1")
