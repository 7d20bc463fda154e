"""Jobs over the real adapters while AWS throttles, refuses and fails: all end complete, each end is published once.

The faults replace answers of a service, below boto3's retries. They are random, and the same in job run.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config

from pigeonhole.aws.dynamodb.jobs import DynamoJobStore
from pigeonhole.aws.s3 import S3ObjectStore
from pigeonhole.aws.sqs import SqsQueue
from pigeonhole.contract.jobs import DeliveryStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job, NotificationStatus
from pigeonhole.ports import Page
from support.job_fixtures import ACME, BAD, HOOK, Jobs, request
from support.moto_aws import REGION, TABLE, create_table, in_moto

BUCKET, COUNT, JOBS = "jobs", 14, 4
SERVED = {"dynamodb", "s3", "sqs"}

THROTTLED = ("dynamodb", 400, {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"})
OVER_CAPACITY = (
    "dynamodb",
    400,
    {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slow down"},
)
CONFLICT = (
    "dynamodb",
    400,
    {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled, please refer cancellation reasons for specific reasons [TransactionConflict]",
        "CancellationReasons": [{"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}],
    },
)
BROKEN_TABLE = ("dynamodb", 500, {"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError", "message": "oops"})
BROKEN_BUCKET = ("s3", 503, "<Error><Code>SlowDown</Code><Message>Reduce your request rate</Message></Error>")
BROKEN_QUEUE = ("sqs", 503, {"__type": "com.amazonaws.sqs#ServiceUnavailable", "message": "later"})


class Raw:
    """The body of an answer, as urllib3 would give it."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


class Faults:
    """Answers a share of a service's calls with a fault."""

    def __init__(self, fault: tuple[str, int, Any], share: float) -> None:
        self._service, self._status, self._body = fault
        self._share, self._random = share, random.Random(7)
        self.count = 0

    def __call__(self, request: AWSRequest, **_: Any) -> AWSResponse | None:
        if self._random.random() >= self._share or self._is_transaction_less(request):
            return None
        self.count += 1
        body = self._body if isinstance(self._body, str) else json.dumps(self._body)
        return AWSResponse(request.url, self._status, {}, Raw(body.encode()))

    def _is_transaction_less(self, request: AWSRequest) -> bool:
        """Only a transaction is canceled by a conflict."""
        is_conflict = isinstance(self._body, dict) and "CancellationReasons" in self._body
        return is_conflict and b"TransactWriteItems" not in bytes(request.headers.get("X-Amz-Target", b""))


def client(service: str, faults: Faults | None) -> Any:
    """Build a client as wiring does, but with one attempt, so that more faults reach the services."""
    built = boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
    if faults:
        built.meta.events.register_first(f"before-send.{service}.*", faults)
    return built


class Stream:
    """A job store that records pending notifications, as the DynamoDB stream would deliver them."""

    def __init__(self, store: DynamoJobStore) -> None:
        self._store = store
        self.stream: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def save(self, job: Job, *more: Any) -> bool:
        saved = self._store.save(job, *more)
        if saved and job.notification is NotificationStatus.PENDING:
            self.stream.append((job.tenant_id, job.id))
        return saved


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [THROTTLED, OVER_CAPACITY, CONFLICT, BROKEN_TABLE, BROKEN_BUCKET, BROKEN_QUEUE],
    ids=["throttled", "over capacity", "conflict", "table 500", "bucket 503", "queue 503"],
)
def test_jobs_end_complete_and_are_published_once(fault: tuple[str, int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with in_moto(monkeypatch):
        create_table()
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        queues = boto3.client("sqs", region_name=REGION)
        url = queues.create_queue(QueueName="chunks", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        # Few calls of the table fail: publishing an end takes four in a row, and its pauses double. A dozen attempts must do.
        faults = Faults(fault, share=0.15 if fault[0] == "dynamodb" else 0.6)
        faulty = {service: client(service, faults if service == fault[0] else None) for service in SERVED}
        store = Stream(DynamoJobStore(faulty["dynamodb"], TABLE))
        jobs = Jobs(store, S3ObjectStore(faulty["s3"], BUCKET), SqsQueue(faulty["sqs"], url))
        dataset = [{"type": "text", "value": BAD if number == 5 else str(number)} for number in range(COUNT)]

        def send() -> Job:
            return jobs.submitter.submit(request(1, dataset=dataset), tenant=ACME, log_id="l", webhook_url=HOOK)

        submitted = [until_it_works(send) for _ in range(JOBS)]
        calm = DynamoJobStore(client("dynamodb", None), TABLE)
        for _ in range(500):
            work(jobs, queues, url)
            while store.stream:
                with suppress(Overloaded):
                    jobs.notifier.notify(*store.stream.pop())
            while jobs.webhooks.sent:
                with suppress(Overloaded):
                    jobs.deliverer.deliver(jobs.webhooks.sent.pop())
            if all((job := calm.get(ACME.id, sent.id)) and job.has_ended and job.due_at is None for sent in submitted):
                break
            jobs.now += 60
            with suppress(Overloaded):
                jobs.sweeper.sweep()

        assert faults.count >= 3
        for sent in submitted:
            check_job(calm, jobs, sent)
        assert page(calm).next is None
        assert {listed.id for listed in page(calm).items} >= {sent.id for sent in submitted}


def until_it_works(call: Callable[[], Job]) -> Job:
    for _ in range(50):
        with suppress(Overloaded):
            return call()
    raise AssertionError("every attempt failed")


def work(jobs: Jobs, queues: Any, url: str) -> None:
    """Deliver each message once. A message that fails stays in the queue."""
    for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
        with suppress(Overloaded):
            jobs.worker.process(ChunkMessage.model_validate_json(message["Body"]), lambda: 100)
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def page(store: DynamoJobStore) -> Page[Job]:
    return store.list_page(ACME.id, None, 100, None)


def check_job(store: DynamoJobStore, jobs: Jobs, submitted_job: Job) -> None:
    job = store.get(ACME.id, submitted_job.id)
    assert job is not None
    assert (job.status, job.succeeded, job.failed) == ("succeeded", COUNT - 1, 1)
    parts = store.list_parts(ACME.id, submitted_job.id)
    samples = [number for part in parts for number in range(part.span.start, part.span.stop)]
    assert samples == list(range(COUNT))
    assert sum(part.succeeded for part in parts) == job.succeeded
    calm = Jobs(store, S3ObjectStore(client("s3", None), BUCKET), now=jobs.now)
    answer = calm.responder.respond(job, "l")
    assert answer.predictions == [None if number == 5 else ("even", "odd")[number % 2] for number in range(COUNT)]
    assert [fault.index for fault in answer.errors or ()] == [5]
    assert len([event for event in jobs.bus.events if event.job_id == submitted_job.id]) == 1
    assert job.webhook is not None
    assert job.webhook.status is DeliveryStatus.DELIVERED
    assert len([headers for _, _, headers in jobs.poster.posted if headers["webhook-id"] == f"job_{submitted_job.id}"]) == 1
