"""Jobs of a deployed stack: submit them, wait for them, interrupt them, sweep, and read the events of their ends."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from pigeonhole.aws.events import JOB_ENDED, SOURCE
from pigeonhole.contract.jobs import JOBS, JobResponse
from pigeonhole.contract.messages import JobEnded
from pigeonhole_cli.local.stack import LocalStack
from support.stack.deployment import Deployment

PATIENCE_S = 240
QUIET_S = 2.0  # a second event would have arrived within this time


def submit(deployed: Deployment, body: Any, *, key: str = "", **headers: str) -> JobResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = deployed.call("POST", JOBS, body, key=key, headers=sent)
    assert answer.status_code == 202, answer.text
    job = JobResponse.model_validate(answer.json())
    assert answer.headers["location"] == f"{JOBS}/{job.job.id}"
    return job


def wait_until_ended(deployed: Deployment, job_id: str, *, key: str = "", patience_s: float = PATIENCE_S) -> JobResponse:
    """Wait until a job has ended, and return it."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        answer = deployed.call("GET", f"{JOBS}/{job_id}?wait=20", key=key)
        assert answer.status_code == 200, answer.text
        job = JobResponse.model_validate(answer.json())
        if job.job.finished_at:
            return job
        assert int(answer.headers["retry-after"]) >= 1
    raise AssertionError(f"the job has not ended: {answer.text}")


def copy_interrupted(deployed: Deployment, job_id: str, *, tenant: str = "tests", **changes: dict[str, str]) -> str:
    """Copy the record and the samples of the finished job `job_id` in the state that a crash after submission leaves."""
    table, name = deployed.stack.client("dynamodb"), deployed.outputs["TableName"]
    storage, bucket = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    orphan = job_id[:-1] + ("0" if job_id[-1] != "0" else "1")
    key = {"pk": {"S": f"JOBS#{tenant}"}, "sk": {"S": job_id}}
    item = table.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
    later = ("finished_at", "started_at", "queued_at", "announcement", "announce_at")
    first = {"sk": {"S": orphan}, "succeeded": {"N": "0"}, "failed": {"N": "0"}, "version": {"N": "1"}}
    samples = storage.get_object(Bucket=bucket, Key=f"inputs/{tenant}/{job_id}.json")["Body"].read()
    storage.put_object(Bucket=bucket, Key=f"inputs/{tenant}/{orphan}.json", Body=samples)
    table.put_item(TableName=name, Item={at: item[at] for at in item if at not in later} | first | changes)
    return orphan


def sweep(deployed: Deployment) -> dict[str, int]:
    """Run functions/sweep and return its summary."""
    function = deployed.stack.resources()["SweepFunction"]
    answer = deployed.stack.client("lambda").invoke(FunctionName=function, Payload=b'{"id": "sweep"}')
    swept: dict[str, int] = json.loads(answer["Payload"].read())
    return swept


def find_processes(function: str) -> list[int]:
    """Return the ids of the processes that run a function."""
    return find_processes_with("AWS_LAMBDA_FUNCTION_NAME", function)


def find_processes_with(variable: str, value: str) -> list[int]:
    """Return the ids of the processes whose environment has a variable with this value."""
    wanted = f"{variable}={value}".encode()
    return [
        int(process.name) for process in Path("/proc").iterdir() if process.name.isdigit() and wanted in _environment(process)
    ]


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # the process has ended, or belongs to another user
        return []


class JobEndEvents:
    """The events of the ends of jobs, since this object was created."""

    def __init__(self, stack: LocalStack) -> None:
        self._events = EventRecorder(stack, "ends-of-jobs", JOB_ENDED)

    def wait_for(self, job_id: str) -> list[JobEnded]:
        """Wait until the event of a job's end has arrived and no second one follows. Return all of them."""
        until = time.monotonic() + PATIENCE_S / 4
        while time.monotonic() < until:
            if any(event["job_id"] == job_id for event in self._events.details()):
                time.sleep(QUIET_S)
                break
            time.sleep(0.1)
        return [JobEnded.model_validate(event) for event in self._events.details() if event["job_id"] == job_id]


class EventRecorder:
    """The events of one type on the default bus, since this object was created. A rule sends them to a queue."""

    def __init__(self, stack: LocalStack, name: str, detail_type: str) -> None:
        self._queues, events = stack.client("sqs"), stack.client("events")
        self._url = self._queues.create_queue(QueueName=name)["QueueUrl"]
        wanted = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [SOURCE], "detail-type": [detail_type]}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": wanted["Attributes"]["QueueArn"]}])
        self._found: list[dict[str, Any]] = []

    def details(self) -> list[dict[str, Any]]:
        """Return the details of all events so far."""
        while messages := self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._found.append(json.loads(message["Body"])["detail"])
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self._found
