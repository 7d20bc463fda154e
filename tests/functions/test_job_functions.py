"""The functions behind jobs: their events, their answers, and the redelivery of what failed."""

from __future__ import annotations

import io
import json
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from pigeonhole.aws.dynamodb.items import from_tagged, to_tagged
from pigeonhole.aws.dynamodb.job_records import StoredJob
from pigeonhole.aws.events import JOB_ENDED, SOURCE
from pigeonhole.aws.lambda_events import FIRST_RETRY_S, parse_gpu_failure
from pigeonhole.bulk.gpu.failures import GpuFailure
from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import ChunkMessage, FailedSpanMessage, JobEnded, WebhookMessage
from pigeonhole.contract.spans import Span
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.dead_letters import MIN_RETRIES
from pigeonhole.jobs.job import Job, NotificationStatus
from pigeonhole.notifications.job_ended import to_event
from pigeonhole.notifications.webhook_delivery import to_webhook_body
from pigeonhole.observability import observer
from support.fakes import LambdaContext
from support.handlers import ROOT, load
from support.job_fixtures import HOOK, Jobs
from support.template import read_template

TEMPLATE = read_template()


class Context(LambdaContext):
    """A Lambda context with time left."""

    def get_remaining_time_in_millis(self) -> int:
        return 100_000


def sample(name: str) -> dict[str, Any]:
    event_json: dict[str, Any] = json.loads((ROOT / "events" / name).read_text("utf-8"))
    return event_json


def read_job(tagged_item: dict[str, Any]) -> Job:
    return StoredJob.read(from_tagged(tagged_item)).to_job()


def event(name: str, *messages: ChunkMessage | WebhookMessage | str) -> dict[str, Any]:
    """Load a sample event and replace its messages."""
    (record,) = sample(name)["Records"]
    bodies = [message if isinstance(message, str) else message.model_dump_json() for message in messages]
    return {"Records": [record | {"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


@pytest.fixture
def worker(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("pigeonhole.wiring.jobs.chunk_worker", lambda settings: jobs.worker)
    monkeypatch.setattr("pigeonhole.wiring.jobs.chunk_queue", lambda settings: jobs.queue)
    return load("worker")


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    for service in ("worker", "dead_letters", "sweep", "notify", "webhooks"):
        monkeypatch.setattr(observer(service).logger.registered_handler, "stream", stream)
    return stream


def failed(answer: dict[str, Any]) -> list[str]:
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def ended(jobs: Jobs, job: Job) -> tuple[JobStatus, int, int]:
    now = jobs.job(job)
    return now.status, now.succeeded, now.failed


def test_the_sample_messages_are_messages_of_the_service() -> None:
    for name, kind in (
        ("sqs-chunk.json", ChunkMessage),
        ("sqs-dead-letter.json", ChunkMessage),
        ("sqs-webhook.json", WebhookMessage),
    ):
        (record,) = sample(name)["Records"]
        assert json.loads(kind.model_validate_json(record["body"]).model_dump_json()) == json.loads(record["body"])


def test_a_worker_processes_its_messages(jobs: Jobs, worker: ModuleType) -> None:
    job = jobs.submitted(10)

    answer = worker.handler(event("sqs-chunk.json", *jobs.queue.sent), Context())

    assert failed(answer) == []
    assert ended(jobs, job) == (JobStatus.SUCCEEDED, 10, 0)


def test_a_message_that_failed_is_redelivered_soon_and_delays_no_other(
    jobs: Jobs, worker: ModuleType, log: io.StringIO
) -> None:
    job = jobs.submitted(8)
    first, second = jobs.queue.sent
    real = jobs.run

    def run(command: Any, **more: Any) -> Any:
        if command.first_index == 0:
            raise RuntimeError("the sample says: secret")
        return real(command, **more)

    jobs.run = run

    answer = worker.handler(event("sqs-chunk.json", first, second), Context())

    assert failed(answer) == ["0"]
    assert jobs.job(job).succeeded == 4
    (delays,) = jobs.queue.delays
    assert delays[1] == FIRST_RETRY_S
    assert TEMPLATE["Resources"]["ChunkQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] == worker.MAX_RECEIVES
    assert "RuntimeError" in log.getvalue()
    assert "secret" not in log.getvalue()


def test_a_batch_in_which_every_message_failed_is_answered(jobs: Jobs, worker: ModuleType) -> None:
    jobs.submitted(8)

    def busy() -> None:
        raise Overloaded("busy")

    jobs.store.before = busy

    assert failed(worker.handler(event("sqs-chunk.json", *jobs.queue.sent), Context())) == ["0", "1"]


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (RuntimeError("a fault of ours"), [30, 60, 120, 240, 0]),
        (Overloaded("an outage, which passes"), [30, 900, 1_920, 1_920, 0]),
    ],
)
def test_each_further_attempt_comes_later(jobs: Jobs, worker: ModuleType, error: Exception, pauses: list[int]) -> None:
    def run(*_: Any, **__: Any) -> Any:
        raise error

    jobs.run = run
    jobs.submitted(2)
    again = event("sqs-chunk.json", *jobs.queue.sent)

    for attempt in range(1, worker.MAX_RECEIVES + 1):
        again["Records"][0]["attributes"] |= {"ApproximateReceiveCount": str(attempt)}
        assert failed(worker.handler(again, Context())) == ["0"]

    assert [seconds for _, seconds in jobs.queue.delays] == pauses


def test_a_worker_knows_the_last_delivery_and_how_many_seconds_are_left(jobs: Jobs, worker: ModuleType) -> None:
    calls: list[tuple[bool, bool]] = []

    def run(command: Any, *, should_continue: Any) -> Any:
        calls.append((command.will_be_retried, should_continue()))
        raise Overloaded("busy")

    jobs.run = run
    jobs.submitted(2)
    again = event("sqs-chunk.json", *jobs.queue.sent)
    context = Context()
    for attempt, left_ms in ((1, 100_000), (4, 100_000), (5, 29_000)):
        again["Records"][0]["attributes"] |= {"ApproximateReceiveCount": str(attempt)}
        context.get_remaining_time_in_millis = lambda left_ms=left_ms: left_ms  # type: ignore[method-assign]
        worker.handler(again, context)

    assert calls == [(True, True), (True, True), (False, False)]


def test_a_message_is_redelivered_soon_if_the_model_cannot_be_loaded(
    jobs: Jobs, worker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Any) -> Any:
        raise RuntimeError("the model's folder is broken")

    monkeypatch.setattr("pigeonhole.wiring.jobs.chunk_worker", broken)
    jobs.submitted(2)

    assert failed(worker.handler(event("sqs-chunk.json", *jobs.queue.sent), Context())) == ["0"]
    assert [seconds for _, seconds in jobs.queue.delays] == [FIRST_RETRY_S]


@pytest.mark.parametrize("body", ["", "{}", "no json", '{"version": 2}', '{"version":1,"kind":"chunk","tenant_id":"acme"}'])
@pytest.mark.parametrize(
    ("function", "name"),
    [("worker", "sqs-chunk.json"), ("dead_letters", "sqs-dead-letter.json"), ("webhooks", "sqs-webhook.json")],
)
def test_a_message_that_cannot_be_read_is_dropped_and_logged_without_its_text(
    function: str, name: str, body: str, log: io.StringIO
) -> None:
    answer = load(function).handler(event(name, body), Context())

    assert failed(answer) == []
    assert "can't be read" in log.getvalue()
    assert not body or body not in log.getvalue()


def test_dead_letters_end_their_job(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("dead_letters")
    monkeypatch.setattr("pigeonhole.wiring.jobs.dead_letter_handler", lambda settings: jobs.dead_letters)
    job = jobs.submitted(8)
    for message in jobs.queue.sent:
        for _ in range(MIN_RETRIES):
            jobs.store.add_attempt(job, Span(message.start, message.stop))

    answer = module.handler(event("sqs-dead-letter.json", *jobs.queue.sent), Context())

    assert failed(answer) == []
    assert ended(jobs, job) == (JobStatus.FAILED, 0, 8)


def test_a_failed_gpu_task_is_read_from_the_event_of_aws_batch(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    module, failures = load("dead_letters"), list[GpuFailure]()
    handler = Mock(handle=lambda failure: failures.append(failure) or 3)
    monkeypatch.setattr("pigeonhole.wiring.bulk.gpu_failure_handler", lambda settings: handler)

    answer = module.handler(sample("sqs-gpu-failed.json"), LambdaContext())

    (failure,) = failures
    assert answer == {"batchItemFailures": []}
    assert failure.name == RunName("acme", "01a21930d69759e6f0eabe8877bab9bc", 0)
    assert (failure.run_id, failure.index) == ("4c7599ae-0a82-49aa-ba5a-4727fcce14a8", 7)
    assert (failure.was_attempted, failure.reason) == (True, "Essential container in task exited")
    assert "GPU task failed" in log.getvalue()


@pytest.mark.parametrize(
    ("array", "job_id", "index"),
    [({"arrayProperties": {}}, "b-1", 0), ({}, "b-1", 0), ({"arrayProperties": {"size": 5}}, "b-1", None)],
    ids=["a single task", "a single task without the field", "the run as a whole"],
)
def test_a_run_of_one_task_and_a_run_as_a_whole_are_told_apart(array: dict[str, Any], job_id: str, index: int | None) -> None:
    (record,) = sample("sqs-gpu-failed.json")["Records"]
    body = json.loads(record["body"])
    del body["detail"]["arrayProperties"]
    body["detail"] |= {"jobId": job_id, "attempts": [], **array}

    failure = parse_gpu_failure(SQSRecord(record | {"body": json.dumps(body)}))

    assert failure
    assert (failure.run_id, failure.index, failure.was_attempted) == ("b-1", index, False)


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"detail": {"container": {"environment": []}, "jobId": "x"}}'])
def test_what_is_no_failed_gpu_task_is_left_to_the_other_messages(body: str) -> None:
    (record,) = sample("sqs-gpu-failed.json")["Records"]

    assert parse_gpu_failure(SQSRecord(record | {"body": body})) is None


def test_the_lines_of_a_failed_span_are_failed(monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    module, failed_spans = load("dead_letters"), list[FailedSpanMessage]()
    abandoner = Mock(fail=lambda message: failed_spans.append(message) or 7)
    monkeypatch.setattr("pigeonhole.wiring.bulk.span_abandoner", lambda settings: abandoner)

    assert module.handler(sample("sqs-failed-span.json"), LambdaContext()) == {"batchItemFailures": []}

    assert [(message.run, message.error.code) for message in failed_spans] == [(0, "internal_error")]
    assert "span abandoned" in log.getvalue()


def test_a_dead_letter_that_could_not_be_handled_is_redelivered(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("dead_letters")
    monkeypatch.setattr("pigeonhole.wiring.jobs.dead_letter_handler", lambda settings: jobs.dead_letters)
    jobs.submitted(4)

    def busy() -> None:
        raise Overloaded("busy")

    jobs.store.before = busy
    assert failed(module.handler(event("sqs-dead-letter.json", *jobs.queue.sent), Context())) == ["0"]


def test_the_sweep_answers_with_its_counts(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole.wiring.jobs.job_sweeper", lambda settings: jobs.sweeper)
    jobs.submitted(4)
    jobs.now += jobs.rules.stuck_s

    assert load("sweep").handler(sample("schedule-sweep.json"), Context()) == {
        "due": 1,
        "queued": 1,
        "notified": 0,
        "webhooks": 0,
        "given_up": 0,
        "failed": 0,
    }


# --------------------------------------------------------------------------------------------------- what follows an end


def test_a_job_that_the_sweep_cannot_check_is_in_the_log(jobs: Jobs, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> None:
    monkeypatch.setattr("pigeonhole.wiring.jobs.job_sweeper", lambda settings: jobs.sweeper)
    job = jobs.submitted(4)
    jobs.now += jobs.rules.stuck_s

    def fails() -> None:
        raise RuntimeError("a secret")

    jobs.queue.before = fails

    assert load("sweep").handler(sample("schedule-sweep.json"), Context())["failed"] == 1
    assert job.id in log.getvalue()
    assert "RuntimeError" in log.getvalue()
    assert "a secret" not in log.getvalue()


def of_stream(*jobs: Job) -> dict[str, Any]:
    """Load the sample of the DynamoDB stream and replace its jobs."""
    (record,) = sample("stream-ended-job.json")["Records"]
    keys = [{"pk": {"S": f"JOBS#{job.tenant_id}"}, "sk": {"S": job.id}} for job in jobs]
    return {
        "Records": [
            record | {"dynamodb": record["dynamodb"] | {"Keys": key, "SequenceNumber": str(number)}}
            for number, key in enumerate(keys)
        ]
    }


@pytest.fixture
def notify(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("pigeonhole.wiring.jobs.job_end_notifier", lambda settings: jobs.notifier)
    return load("notify")


@pytest.fixture
def webhooks(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("pigeonhole.wiring.jobs.webhook_deliverer", lambda settings: jobs.deliverer)
    return load("webhooks")


def test_the_sample_of_the_stream_is_a_job_as_the_table_stores_it() -> None:
    (record,) = sample("stream-ended-job.json")["Records"]
    item = record["dynamodb"]["NewImage"]

    assert to_tagged(StoredJob.from_job(read_job(item)).to_item()) == item
    assert record["dynamodb"]["Keys"] == {"pk": item["pk"], "sk": item["sk"]}
    ends = TEMPLATE["Resources"]["NotifyFunction"]["Properties"]["Events"]["Ends"]["Properties"]
    (pattern,) = ends["FilterCriteria"]["Filters"]
    assert json.loads(pattern["Pattern"]) == {"dynamodb": {"NewImage": {"announcement": {"S": [item["announcement"]["S"]]}}}}
    assert read_job(item).notification is NotificationStatus.PENDING


def test_the_samples_of_event_and_webhook_are_of_one_job() -> None:
    (record,) = sample("stream-ended-job.json")["Records"]
    job = read_job(record["dynamodb"]["NewImage"])
    on_bus = sample("bus-job-ended.json")

    assert JobEnded.model_validate(on_bus["detail"]) == to_event(job)
    assert (on_bus["source"], on_bus["detail-type"]) == (SOURCE, JOB_ENDED)
    assert json.loads(to_webhook_body(job)) == sample("webhook-job-ended.json")


def test_ends_that_the_stream_delivers_are_published(jobs: Jobs, notify: ModuleType) -> None:
    ends = [jobs.submitted(4), jobs.submitted(4)]
    jobs.work()

    answer = notify.handler(of_stream(*ends), Context())

    assert failed(answer) == []
    assert [event.job_id for event in jobs.bus.events] == [job.id for job in ends]


def test_an_end_that_could_not_be_published_is_redelivered(jobs: Jobs, notify: ModuleType, log: io.StringIO) -> None:
    ends = [jobs.submitted(4), jobs.submitted(4)]
    jobs.work()
    calls = iter([True])

    def busy_once() -> None:
        if next(calls, False):
            raise Overloaded("busy")

    jobs.bus.before = busy_once

    assert failed(notify.handler(of_stream(*ends), Context())) == ["0"]
    assert [event.job_id for event in jobs.bus.events] == [ends[1].id]
    assert "could not be published" in log.getvalue()


def test_a_webhook_is_posted_and_its_address_is_in_no_log(jobs: Jobs, webhooks: ModuleType, log: io.StringIO) -> None:
    jobs.submitted(4, webhook_url=HOOK)
    jobs.work()
    jobs.notify()
    (message,) = jobs.webhooks.sent

    answer = webhooks.handler(event("sqs-webhook.json", message), Context())

    assert failed(answer) == []
    assert [url for url, _, _ in jobs.poster.posted] == [HOOK]
    assert '"answer":200' in log.getvalue()
    assert "acme.example.com" not in log.getvalue()


def test_an_attempt_that_could_not_be_made_is_redelivered(jobs: Jobs, webhooks: ModuleType, log: io.StringIO) -> None:
    jobs.submitted(4, webhook_url=HOOK)
    jobs.work()
    jobs.notify()
    (message,) = jobs.webhooks.sent

    def busy() -> None:
        raise Overloaded("busy")

    jobs.store.before = busy

    assert failed(webhooks.handler(event("sqs-webhook.json", message), Context())) == ["0"]
    assert "could not be made" in log.getvalue()
    assert jobs.poster.posted == []
