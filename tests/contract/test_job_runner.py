"""The runs of GPU workers: the fake, and the adapter to AWS Batch over the local stack's."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from pigeonhole.aws.batch import BatchJobRunner
from pigeonhole.bulk.ports import GpuRun, JobRunner
from pigeonhole_cli.local import batch
from pigeonhole_cli.local.batch import LocalBatch
from support.fakes.bulk import FakeJobRunner

RUN = GpuRun("acme", "0" * 32, 0, tasks=2)


def batch_runner() -> JobRunner:
    """Return the adapter, whose calls the local stack's AWS Batch answers in this process."""
    local = LocalBatch(lambda: None, lambda role: {}, lambda detail: None)
    calls = {batch.SUBMIT: local.submit, batch.DESCRIBE: local.describe, batch.TERMINATE: local.terminate}
    client = boto3.client("batch", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")

    def answer(request: AWSPreparedRequest, **kwargs: Any) -> AWSResponse:
        path = "/" + request.url.split("/", 3)[3]
        content = json.dumps(calls[path](json.loads(request.body))).encode()
        response = AWSResponse(request.url, 200, {}, None)
        response._content = content
        return response

    client.meta.events.register("before-send.batch", answer)
    return BatchJobRunner(client, batch.QUEUE, batch.DEFINITION)


@pytest.fixture(params=["fake", "AWS Batch"])
def runner(request: pytest.FixtureRequest) -> JobRunner:
    return FakeJobRunner() if request.param == "fake" else batch_runner()


def test_a_submitted_run_is_active(runner: JobRunner) -> None:
    assert runner.is_active(runner.submit(RUN))


def test_a_run_that_is_submitted_twice_is_two_runs(runner: JobRunner) -> None:
    first, second = runner.submit(RUN), runner.submit(RUN)

    runner.cancel(first, "canceled")

    assert first != second
    assert not runner.is_active(first)
    assert runner.is_active(second)


def test_an_unknown_run_has_ended(runner: JobRunner) -> None:
    assert not runner.is_active("unknown")


def test_a_run_that_is_canceled_twice_has_ended(runner: JobRunner) -> None:
    run_id = runner.submit(RUN)

    runner.cancel(run_id, "canceled")
    runner.cancel(run_id, "canceled again")

    assert not runner.is_active(run_id)
