"""Jobs over the real adapters while AWS refuses, throttles and fails under them: all end, whole, each end told once.

The faults come where a service's answer would, below boto3's retries, by chance and the same at each run.
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
from support.moto_aws import REGION, TABLE, in_moto, table

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


class Weather:
    """Answers a share of a service's calls with a fault instead of letting them through."""

    def __init__(self, fault: tuple[str, int, Any], share: float) -> None:
        self._service, self._status, self._body = fault
        self._share, self._random = share, random.Random(7)
        self.faults = 0

    def __call__(self, request: AWSRequest, **_: Any) -> AWSResponse | None:
        if self._random.random() >= self._share or self._is_transaction_less(request):
            return None
        self.faults += 1
        body = self._body if isinstance(self._body, str) else json.dumps(self._body)
        return AWSResponse(request.url, self._status, {}, Raw(body.encode()))

    def _is_transaction_less(self, request: AWSRequest) -> bool:
        """Only a transaction is canceled by a conflict."""
        is_conflict = isinstance(self._body, dict) and "CancellationReasons" in self._body
        return is_conflict and b"TransactWriteItems" not in bytes(request.headers.get("X-Amz-Target", b""))


def client(service: str, weather: Weather | None) -> Any:
    """As wiring makes them, with fewer tries, so that more of the faults come through."""
    made = boto3.client(service, region_name=REGION, config=Config(retries={"total_max_attempts": 1}))
    if weather:
        made.meta.events.register_first(f"before-send.{service}.*", weather)
    return made


class Stream:
    """The job store, whose ended jobs that wait to be told are noted as the table's stream would bring them."""

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
def test_jobs_end_whole_and_are_told_once(fault: tuple[str, int, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with in_moto(monkeypatch):
        table()
        boto3.client("s3", region_name=REGION).create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        queues = boto3.client("sqs", region_name=REGION)
        url = queues.create_queue(QueueName="chunks", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        # Of the table's calls few: telling an end takes four in a row, and its pauses double, so a dozen tries have to do.
        weather = Weather(fault, share=0.15 if fault[0] == "dynamodb" else 0.6)
        faulty = {service: client(service, weather if service == fault[0] else None) for service in SERVED}
        store = Stream(DynamoJobStore(faulty["dynamodb"], TABLE))
        jobs = Jobs(store, S3ObjectStore(faulty["s3"], BUCKET), SqsQueue(faulty["sqs"], url))
        dataset = [{"type": "text", "value": BAD if number == 5 else str(number)} for number in range(COUNT)]

        def send() -> Job:
            return jobs.submitter.submit(request(1, dataset=dataset), tenant=ACME, log_id="l", webhook_url=HOOK)

        made = [until_it_works(send) for _ in range(JOBS)]
        calm = DynamoJobStore(client("dynamodb", None), TABLE)
        for _ in range(500):
            work(jobs, queues, url)
            while store.stream:
                with suppress(Overloaded):
                    jobs.notifier.notify(*store.stream.pop())
            while jobs.webhooks.sent:
                with suppress(Overloaded):
                    jobs.deliverer.deliver(jobs.webhooks.sent.pop())
            if all((job := calm.get(ACME.id, each.id)) and job.has_ended and job.due_at is None for each in made):
                break
            jobs.now += 60
            with suppress(Overloaded):
                jobs.sweeper.sweep()

        assert weather.faults >= 3
        for each in made:
            whole(calm, jobs, each)
        assert page(calm).next is None
        assert {job.id for job in page(calm).items} >= {each.id for each in made}


def until_it_works(call: Callable[[], Job]) -> Job:
    for _ in range(50):
        with suppress(Overloaded):
            return call()
    raise AssertionError("it never worked")


def work(jobs: Jobs, queues: Any, url: str) -> None:
    """Give out each message once; one that fails stays."""
    for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
        with suppress(Overloaded):
            jobs.worker.process(ChunkMessage.model_validate_json(message["Body"]), lambda: 100)
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def page(store: DynamoJobStore) -> Page[Job]:
    return store.list_page(ACME.id, None, 100, None)


def whole(store: DynamoJobStore, jobs: Jobs, made: Job) -> None:
    job = store.get(ACME.id, made.id)
    assert job is not None
    assert (job.status, job.succeeded, job.failed) == ("succeeded", COUNT - 1, 1)
    parts = store.list_parts(ACME.id, made.id)
    samples = [number for part in parts for number in range(part.span.start, part.span.stop)]
    assert samples == list(range(COUNT))
    assert sum(part.succeeded for part in parts) == job.succeeded
    calm = Jobs(store, S3ObjectStore(client("s3", None), BUCKET), now=jobs.now)
    answer = calm.responder.respond(job, "l")
    assert answer.predictions == [None if number == 5 else ("even", "odd")[number % 2] for number in range(COUNT)]
    assert [fault.index for fault in answer.errors or ()] == [5]
    assert len([event for event in jobs.bus.events if event.job_id == made.id]) == 1
    assert job.webhook is not None
    assert job.webhook.status is DeliveryStatus.DELIVERED
    assert len([headers for _, _, headers in jobs.poster.posted if headers["webhook-id"] == f"job_{made.id}"]) == 1
