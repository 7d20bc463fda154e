"""Jobs of a deployed stack: submitted, waited for, left half done as by a crash; the sweep; and the events of their ends."""

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
QUIET_S = 2.0  # an event that were told twice would have come by then


def submit(deployed: Deployment, body: Any, *, key: str = "", **headers: str) -> JobResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = deployed.call("POST", JOBS, body, key=key, headers=sent)
    assert answer.status_code == 202, answer.text
    job = JobResponse.model_validate(answer.json())
    assert answer.headers["location"] == f"{JOBS}/{job.job.id}"
    return job


def ended(deployed: Deployment, job_id: str, *, key: str = "") -> JobResponse:
    """Poll a job until it has ended."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        answer = deployed.call("GET", f"{JOBS}/{job_id}?wait=20", key=key)
        assert answer.status_code == 200, answer.text
        job = JobResponse.model_validate(answer.json())
        if job.job.finished_at:
            return job
        assert int(answer.headers["retry-after"]) >= 1
    raise AssertionError(f"the job has not ended: {answer.text}")


def of_itself(deployed: Deployment, job_id: str, *, tenant: str = "tests", **changes: dict[str, str]) -> str:
    """Leave what a crash leaves: a record and its samples as of `job_id`, which has ended, without any of what came later."""
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
    """Run functions/sweep now; what it says that it did."""
    function = deployed.stack.resources()["SweepFunction"]
    answer = deployed.stack.client("lambda").invoke(FunctionName=function, Payload=b'{"id": "sweep"}')
    swept: dict[str, int] = json.loads(answer["Payload"].read())
    return swept


def processes_of(function: str) -> list[int]:
    """The ids of the processes that run a function, by its name."""
    wanted = b"AWS_LAMBDA_FUNCTION_NAME=" + function.encode()
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and wanted in _environment(each)]


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended meanwhile, or is another's
        return []


class Ends:
    """The events of all jobs' ends since it was made, by a rule on the default bus whose target is a queue."""

    def __init__(self, stack: LocalStack) -> None:
        self._events = Heard(stack, "ends-of-jobs", JOB_ENDED)

    def of(self, job_id: str) -> list[JobEnded]:
        """All events of a job's end, waited for until one has come and no other follows."""
        until = time.monotonic() + PATIENCE_S / 4
        while time.monotonic() < until:
            if any(event["job_id"] == job_id for event in self._events.so_far()):
                time.sleep(QUIET_S)
                break
            time.sleep(0.1)
        return [JobEnded.model_validate(event) for event in self._events.so_far() if event["job_id"] == job_id]


class Heard:
    """What the default bus has told of one type since it was made, to a rule whose target is a queue. `name`: of both."""

    def __init__(self, stack: LocalStack, name: str, detail_type: str) -> None:
        self._queues, events = stack.client("sqs"), stack.client("events")
        self._url = self._queues.create_queue(QueueName=name)["QueueUrl"]
        wanted = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        events.put_rule(Name=name, EventPattern=json.dumps({"source": [SOURCE], "detail-type": [detail_type]}))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": wanted["Attributes"]["QueueArn"]}])
        self._found: list[dict[str, Any]] = []

    def so_far(self) -> list[dict[str, Any]]:
        """The details of all events that have come."""
        while messages := self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._found.append(json.loads(message["Body"])["detail"])
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return self._found
