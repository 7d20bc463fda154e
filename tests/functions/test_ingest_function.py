"""functions/ingest: S3's notifications, which of them are redelivered, and what the log holds."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from pigeonhole.aws.events import SOURCE, UPLOADS_CLASSIFIED
from pigeonhole.aws.lambda_events import FIRST_RETRY_S
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.messages import UploadsClassified
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.records import decode_job_input
from pigeonhole.object_keys import upload_results_key
from pigeonhole.observability import observer
from pigeonhole.wiring.jobs import IngestServices
from support.fakes import LambdaContext
from support.handlers import ROOT, load
from support.job_fixtures import ACME, ZETA, Jobs
from support.template import read_template


class Context(LambdaContext):
    """A Lambda context with time left."""

    left_ms = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


LABELS = {"labels": [{"type": "text", "value": "a-secret-cat"}, {"type": "text", "value": "a-secret-dog"}]}


def sample(name: str) -> dict[str, Any]:
    sample_event: dict[str, Any] = json.loads((ROOT / "events" / name).read_text("utf-8"))
    return sample_event


(RECORD,) = sample("sqs-ingest.json")["Records"]
NOTIFIED: dict[str, Any] = json.loads(RECORD["body"])
S3: dict[str, Any] = NOTIFIED["Records"][0]["s3"]
BUCKET: str = S3["bucket"]["name"]


def notification(key: str | None, *, bucket: str = BUCKET, **changes: Any) -> dict[str, Any]:
    """Return a record like that of the sample event, for another object. A change to None removes a field."""
    object_fields = {name: value for name, value in (S3["object"] | {"key": key} | changes).items() if value is not None}
    return NOTIFIED["Records"][0] | {"s3": S3 | {"bucket": S3["bucket"] | {"name": bucket}, "object": object_fields}}


def body(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def event(*bodies: str) -> dict[str, Any]:
    """Return the sample event with other messages, whose ids are their numbers."""
    records = [{"messageId": str(number), "receiptHandle": f"r{number}", "body": text} for number, text in enumerate(bodies)]
    return {"Records": [RECORD | record for record in records]}


def first_label(command: ClassifyCommand, **_: Any) -> ChunkResult:
    predictions: list[list[str] | None] = [[command.request.labels[0].name] for _ in command.request.dataset]
    return ChunkResult(predictions=predictions, input_tokens=1, output_tokens=1, inference_ms=1)


@pytest.fixture
def jobs() -> Jobs:
    jobs = Jobs(run=first_label)
    for tenant in (ACME, ZETA):
        jobs.tenants.tenants[tenant.id] = tenant
        jobs.sets.put(LABELS, "pets", tenant=tenant, log_id="log-0")
    return jobs


@pytest.fixture
def ingest(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load("ingest")
    services = IngestServices(ingester=replace(jobs.ingester, bucket=BUCKET), queue=jobs.queue)
    monkeypatch.setattr(module, "services", lambda: services)
    return module


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(observer("ingest").logger.registered_handler, "stream", stream)
    return stream


def failed(answer: dict[str, Any]) -> list[str]:
    assert set(answer) == {"batchItemFailures"}
    return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def submitted_files(jobs: Jobs) -> list[UploadedFile]:
    inputs = [decode_job_input(data) for key, data in jobs.objects.objects.items() if key.startswith("inputs/")]
    return [upload for job_input in inputs for upload in job_input.uploads]


# --- the samples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sqs-ingest.json", "sqs-ingest-test.json"])
def test_the_sample_events_are_complete_messages(name: str) -> None:
    (record,) = sample(name)["Records"]

    assert hashlib.md5(record["body"].encode()).hexdigest() == record["md5OfBody"]
    assert record.keys() == sample("sqs-chunk.json")["Records"][0].keys()


def test_the_file_of_the_sample_event_is_ingested(jobs: Jobs, ingest: ModuleType, log: io.StringIO) -> None:
    assert failed(ingest.handler(sample("sqs-ingest.json"), Context())) == []

    (upload,) = submitted_files(jobs)
    assert upload.model_dump() == {
        "key": "incoming/acme/pets/my cat.jpg",
        "version_id": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
        "sequencer": "0055AED6DCD90281E5",
        "size": 183_204,
        "samples": 1,
        "is_lines": False,
    }
    assert '"uploads":1,"jobs":1,"samples":1,"refused":0' in log.getvalue()


def test_the_test_message_of_s3_is_skipped(jobs: Jobs, ingest: ModuleType, log: io.StringIO) -> None:
    assert failed(ingest.handler(sample("sqs-ingest-test.json"), Context())) == []

    assert jobs.store.jobs == {}
    assert "can't be read" not in log.getvalue()
    assert '"uploads":0' in log.getvalue()


def test_the_sample_of_the_event_is_of_the_samples_file_and_in_form() -> None:
    on_bus, job_event = sample("bus-uploads-classified.json"), sample("bus-job-ended.json")
    detail = UploadsClassified.model_validate(on_bus["detail"])

    assert detail.model_dump() == on_bus["detail"]
    assert (on_bus["source"], on_bus["detail-type"]) == (SOURCE, UPLOADS_CLASSIFIED)
    assert on_bus.keys() == job_event.keys()
    upload = detail.uploads[0]
    assert (detail.bucket, upload.key) == (BUCKET, S3["object"]["key"].replace("+", " "))
    assert (upload.version_id, detail.job_id) == (S3["object"]["versionId"], job_event["detail"]["job_id"])
    assert detail.results_uri == f"s3://{BUCKET}/{upload_results_key('acme', 'pets', str(detail.job_id))}"


# --- read --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("my+cat.jpg", "my cat.jpg"),
        ("my%20cat.jpg", "my cat.jpg"),
        ("1%2B1.jpg", "1+1.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("%2525.jpg", "%25.jpg"),
        ("%E7%8C%AB%2F%C3%BC.jpg", "猫/ü.jpg"),
        ("猫.jpg", "猫.jpg"),
        ("%3F%23%26%3D%0A", "?#&=\n"),
        ("%F0%9F%98%80", chr(0x1F600)),
        ("a%2F%2Fb", "a//b"),
    ],
)
def test_a_key_is_decoded_as_s3_wrote_it(jobs: Jobs, ingest: ModuleType, written: str, key: str) -> None:
    ingest.handler(event(body(notification(f"incoming/acme/pets/{written}"))), Context())

    assert [upload.key for upload in submitted_files(jobs)] == [f"incoming/acme/pets/{key}"]


def test_a_bucket_without_versions_gives_no_version_id(jobs: Jobs, ingest: ModuleType) -> None:
    ingest.handler(event(body(notification("incoming/acme/pets/1", versionId=None))), Context())

    assert [upload.version_id for upload in submitted_files(jobs)] == [None]


SECRET = "incoming/acme/pets/a-secret.jpg"


@pytest.mark.parametrize(
    "unreadable",
    [
        *("", "no json a-secret", "[]", '"a-secret"', "null", "7", "{}", '{"Records": 7}', '{"Records": ["a-secret"]}'),
        '{"Event": "a-secret"}',
        body({"a-secret": 1}),
        body(notification(SECRET, bucket="another-bucket")),
        body(notification(SECRET + "%FF")),
        body(notification("")),
        body(notification(SECRET, sequencer=None)),
        body(notification(SECRET, sequencer="a-secret")),
        body(notification(SECRET, size=None)),
        body(notification(SECRET, size=-1)),
        body(notification(None)),
    ],
)
def test_a_notification_that_cannot_be_read_is_dropped_and_logged_without_its_text(
    jobs: Jobs, ingest: ModuleType, log: io.StringIO, unreadable: str
) -> None:
    answer = ingest.handler(event(body(notification("incoming/acme/pets/1")), unreadable), Context())

    assert failed(answer) == []
    assert log.getvalue().count("can't be read") == 1
    assert '"message_id":"1"' in log.getvalue()
    assert "a-secret" not in log.getvalue()
    assert [upload.key for upload in submitted_files(jobs)] == ["incoming/acme/pets/1"], "the other upload is ingested"


# --- redelivery --------------------------------------------------------------------------------------------------------------


def broken(jobs: Jobs, tenant_id: str, error: Exception) -> None:
    """Let lookups of one tenant fail."""
    real: Callable[[str], Any] = jobs.tenants.get_tenant

    def get_tenant(wanted_id: str) -> Any:
        if wanted_id == tenant_id:
            raise error
        return real(wanted_id)

    jobs.tenants.get_tenant = get_tenant


@pytest.mark.parametrize("error", [Overloaded(), RuntimeError("a-secret")])
def test_only_the_messages_of_failed_uploads_are_redelivered(
    jobs: Jobs, ingest: ModuleType, log: io.StringIO, error: Exception
) -> None:
    broken(jobs, "zeta", error)
    of_acme, of_zeta = (notification(f"incoming/{tenant}/pets/a-secret.jpg") for tenant in ("acme", "zeta"))
    newer = notification("incoming/acme/pets/a-secret.jpg", sequencer="1055AED6DCD90281E5")
    bodies = [body(of_acme), body(of_zeta), body(newer, of_zeta), body(), "unreadable", body(newer)]

    answer = ingest.handler(event(*bodies), Context())

    assert failed(answer) == ["1", "2"]
    assert [upload.sequencer for upload in submitted_files(jobs)] == ["1055AED6DCD90281E5"]
    assert jobs.queue.delays == [("r1", FIRST_RETRY_S), ("r2", FIRST_RETRY_S)]
    assert '"redelivered":2' in log.getvalue()
    assert type(error).__name__ in log.getvalue()
    assert "a-secret" not in log.getvalue()


def test_redelivery_waits_longer_each_time(jobs: Jobs, ingest: ModuleType) -> None:
    broken(jobs, "acme", Overloaded())
    (record,) = event(body(notification("incoming/acme/pets/1")))["Records"]
    for tries in range(1, ingest.MAX_RECEIVES + 1):
        attributes = record["attributes"] | {"ApproximateReceiveCount": str(tries)}
        ingest.handler({"Records": [record | {"attributes": attributes}]}, Context())

    waits = [seconds for _, seconds in jobs.queue.delays]
    assert waits == [30, 120, 480, 1_920, 0], "after the last try it goes to the dead letters at once"
    queue = read_template()["Resources"]["IngestQueue"]["Properties"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == ingest.MAX_RECEIVES


def test_a_message_that_could_not_be_delayed_is_redelivered_all_the_same(jobs: Jobs, ingest: ModuleType) -> None:
    broken(jobs, "acme", Overloaded())

    def busy(*_: object) -> None:
        raise Overloaded()

    jobs.queue.retry_in = busy

    assert failed(ingest.handler(event(body(notification("incoming/acme/pets/1"))), Context())) == ["0"]


def test_a_message_for_which_there_is_no_time_is_redelivered(jobs: Jobs, ingest: ModuleType, log: io.StringIO) -> None:
    context = Context()
    context.left_ms = 1_000

    answer = ingest.handler(event(body(notification("incoming/acme/pets/1")), body(notification("a-stray"))), context)

    assert failed(answer) == ["0"]
    assert (jobs.store.jobs, submitted_files(jobs)) == ({}, [])
    assert "could not be ingested" not in log.getvalue()


def test_a_batch_that_fails_completely_is_answered_and_not_raised(jobs: Jobs, ingest: ModuleType) -> None:
    broken(jobs, "acme", Overloaded())
    bodies = [body(notification(f"incoming/acme/pets/{number}")) for number in range(3)]

    assert failed(ingest.handler(event(*bodies), Context())) == ["0", "1", "2"]


# --- logs and metrics --------------------------------------------------------------------------------------------------------


def test_no_log_holds_what_callers_send_and_every_file_is_counted(
    jobs: Jobs, ingest: ModuleType, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs.uploaded.versions["incoming/acme/pets/a-secret.txt", "v"] = b"a-secret text"
    jobs.uploaded.versions["incoming/acme/pets/a-secret.jsonl", "v"] = b"a-secret line"
    names = ["acme/pets/a-secret.jpg", "acme/pets/a-secret.txt", "acme/pets/a-secret.jsonl", "acme/a-secret/1.jpg"]
    strays = ["a-secret/pets/1.jpg", "a-secret"]

    ingest.handler(
        event(*(body(notification(f"incoming/{name}", versionId="v", size=9)) for name in (*names, *strays))), Context()
    )

    printed = capsys.readouterr().out
    assert "a-secret" not in log.getvalue() + printed
    assert '"refused":2,"known":0,"strays":2,"redelivered":0' in log.getvalue()
    counted = json.loads(printed.splitlines()[-1])
    assert {name: counted[name] for name in ("uploads", "samples", "refused_uploads", "stray_uploads")} == {
        "uploads": [6.0],
        "samples": [2.0],
        "refused_uploads": [2.0],
        "stray_uploads": [2.0],
    }


def test_notify_publishes_and_counts_the_results_of_ingested_files(
    jobs: Jobs, ingest: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(observer("notify").logger.registered_handler, "stream", log)
    monkeypatch.setattr("pigeonhole.wiring.jobs.job_end_notifier", lambda settings: jobs.notifier)
    ingest.handler(event(body(notification(SECRET)), body(notification("incoming/acme/pets/2.jpg"))), Context())
    jobs.work()
    (record,) = sample("stream-ended-job.json")["Records"]
    (job,) = jobs.store.jobs.values()
    keys = {"pk": {"S": f"JOBS#{job.tenant_id}"}, "sk": {"S": job.id}}

    answer = load("notify").handler({"Records": [record | {"dynamodb": record["dynamodb"] | {"Keys": keys}}]}, Context())

    assert failed(answer) == []
    assert [upload.labels for upload in jobs.bus.uploads] == [["a-secret-cat"]] * 2
    assert '"results":2' in log.getvalue()
    printed = capsys.readouterr().out
    counted = json.loads(printed.splitlines()[-1])
    assert {name: counted[name] for name in ("ended_jobs", "results", "failed_results", "untagged_uploads")} == {
        "ended_jobs": [1.0],
        "results": [2.0],
        "failed_results": [0.0],
        "untagged_uploads": [2.0],  # the fake has no such files
    }
    assert "a-secret" not in log.getvalue() + printed
