"""Bulk jobs over a manifest on the deployed stack: every line once, the API's answers, errors, cancellation, lost messages."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

import httpx
import pytest

from pigeonhole.contract.bulk_results import ResultsManifest
from pigeonhole.contract.jobs import JOBS, JobResponse, JobStatus
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from support.stack.deployment import BUCKET, PREFIX, Deployment, request, text, verify_error
from support.stack.job_calls import submit, wait_until_ended

WORDS = ("I love it, it is wonderful.", "The worst I ever had.", "It arrived on Monday.", "Lovely, I'd buy it again!")
LABELS = [text("positive"), text("negative")]


def put_manifest(deployed: Deployment, name: str, lines: list[dict[str, Any] | str]) -> str:
    """Put a manifest under the tenant's prefix, and return its address. A line that is a string is written as it is."""
    data = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines).encode()
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}", Body=data)
    return f"s3://{BUCKET}/{PREFIX}{name}"


def text_line(number: int) -> dict[str, Any]:
    return {"custom_id": f"text {number}", "type": "text", "value": f"{WORDS[number % len(WORDS)]} No. {number}"}


def bulk_request(address: str, **more: Any) -> dict[str, Any]:
    return {"input": {"s3_uri": address}, "labels": LABELS, **more}


def read_files(job: JobResponse) -> tuple[ResultsManifest, dict[str, bytes]]:
    """Read the results manifest and all files, by the links of an answer."""
    assert job.results
    manifest = ResultsManifest.model_validate_json(httpx.get(job.results.manifest_url).content)
    files = {file.name: httpx.get(file.url).content for file in (*job.results.parts, *job.results.errors)}
    for part in (*manifest.results, *manifest.errors):
        assert hashlib.sha256(files[part.name]).hexdigest() == part.sha256
        assert len(files[part.name]) == part.bytes
    return manifest, files


def rows(files: dict[str, bytes], kind: str) -> list[dict[str, Any]]:
    return [json.loads(line) for name in sorted(files) if name.startswith(kind) for line in files[name].splitlines()]


def test_every_line_of_a_manifest_has_one_result_or_one_error(deployed: Deployment, photos: dict[str, bytes]) -> None:
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}cat.png", Body=photos["cat"])
    lines: list[dict[str, Any] | str] = [text_line(number) for number in range(2_500)]
    lines[70] = "nonsense"
    lines[71] = ""
    lines[72] = {"type": "image", "value": f"s3://{BUCKET}/{PREFIX}cat.png"}
    lines[73] = {"custom_id": "gone", "type": "image", "value": f"s3://{BUCKET}/{PREFIX}gone.png"}
    address = put_manifest(deployed, "many.jsonl", lines)

    job = submit(deployed, bulk_request(address, scores=True))
    ended = wait_until_ended(deployed, job.job.id)

    assert ended.job.status is JobStatus.SUCCEEDED
    assert ended.job.progress.model_dump() == {"total": 2_499, "succeeded": 2_497, "failed": 2}
    manifest, files = read_files(ended)
    assert manifest.input == address
    assert manifest.counts.total == 2_499
    assert [part.name for part in manifest.results] == [f"part-{k:05d}.jsonl" for k in range(3)]
    found = rows(files, "part-")
    assert [row["line"] for row in found] == [k + 1 for k in range(2_500) if k not in (70, 71, 73)]
    assert [(row["line"], row.get("custom_id"), row["code"]) for row in rows(files, "errors-")] == [
        (71, None, "invalid_request"),
        (74, "gone", "unfetchable_url"),
    ]
    asked = [row for row in found if row.get("custom_id")][:: len(found) // 30][:30]
    samples = [text(text_line(row["line"] - 1)["value"]) for row in asked]
    answer = deployed.classify(request(samples, LABELS, scores=True)).json()
    assert [row["prediction"] for row in asked] == answer["predictions"]
    assert [score["probability"] for row in asked for score in row["scores"]] == pytest.approx(
        [score["probability"] for scores in answer["scores"] for score in scores], abs=1e-4
    )


def test_a_bulk_job_uses_a_label_set_and_is_found_by_its_idempotency_key(deployed: Deployment) -> None:
    assert deployed.call("PUT", "/v1/label-sets/bulk-moods", {"labels": LABELS}).status_code == 200
    address = put_manifest(deployed, "few.jsonl", [text_line(number) for number in range(3)])
    body = {"input": {"s3_uri": address}, "label_set": "bulk-moods", "output": {"format": "parquet"}}

    first = submit(deployed, body, idempotency_key="bulk-1")
    second = submit(deployed, body, idempotency_key="bulk-1")
    ended = wait_until_ended(deployed, first.job.id)

    assert second.job.id == first.job.id
    assert ended.job.label_set
    assert ended.job.label_set.name == "bulk-moods"
    _, files = read_files(ended)
    assert files["part-00000.parquet"].startswith(b"PAR1")


def test_questions_about_the_lines_of_a_manifest_have_the_answers_of_a_request(deployed: Deployment) -> None:
    lines = [text_line(number) for number in range(40)]
    address = put_manifest(deployed, "asked.jsonl", lines)
    questions = {"mood": {"labels": LABELS}, "sure": {"labels": LABELS, "threshold": 1.0}}

    job = submit(deployed, {"input": {"s3_uri": address}, "questions": questions})
    ended = wait_until_ended(deployed, job.job.id)

    assert ended.job.progress.model_dump() == {"total": 40, "succeeded": 40, "failed": 0}
    manifest, files = read_files(ended)
    assert list(manifest.labels) == ["mood", "sure"]
    samples = [text(line["value"]) for line in lines[:30]]
    answer = deployed.classify({"dataset": samples, "questions": questions}).json()
    found = [row["predictions"] for row in rows(files, "part-")]
    assert [row["mood"] for row in found[:30]] == answer["predictions"]["mood"]
    assert {row["sure"] for row in found} == {None}


def test_a_bulk_job_can_be_canceled(deployed: Deployment) -> None:
    address = put_manifest(deployed, "long.jsonl", [text_line(number) for number in range(20_000)])
    job = submit(deployed, bulk_request(address))

    canceled = deployed.call("DELETE", f"{JOBS}/{job.job.id}")

    assert canceled.json()["job"]["status"] == "canceled"
    assert "results" not in canceled.json()
    verify_error(deployed.call("DELETE", f"{JOBS}/{job.job.id}"), "job_finished")


@pytest.mark.parametrize(
    ("lines", "message"), [([], "The manifest has no samples."), (["", ""], "The manifest has no samples.")]
)
def test_a_manifest_without_samples_is_told(deployed: Deployment, lines: list[Any], message: str) -> None:
    ended = wait_until_ended(deployed, submit(deployed, bulk_request(put_manifest(deployed, "empty.jsonl", lines))).job.id)

    assert ended.job.status is JobStatus.FAILED
    assert ended.job.error
    assert ended.job.error.message == message
    assert ended.results is None


def test_a_manifest_that_is_absent_fails_its_job(deployed: Deployment) -> None:
    ended = wait_until_ended(deployed, submit(deployed, bulk_request(f"s3://{BUCKET}/{PREFIX}absent.jsonl")).job.id)

    assert ended.job.status is JobStatus.FAILED
    assert ended.job.error
    assert ended.job.error.code == "unfetchable_url"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (f"s3://{BUCKET}/other/in.jsonl", "forbidden_url"),
        ("s3://elsewhere/in.jsonl", "forbidden_url"),
        ("https://example.com/in.jsonl", "invalid_request"),
    ],
)
def test_a_manifest_that_is_not_granted_is_refused_at_once(deployed: Deployment, address: str, code: str) -> None:
    error = verify_error(deployed.call("POST", JOBS, bulk_request(address)), code)

    assert error.error.details
    assert error.error.details[0]["path"] == "input.s3_uri"


def test_the_faults_of_a_bulk_request_are_reported_together(deployed: Deployment) -> None:
    body = {"input": {}, "labels": [text("one")], "compute": "quantum", "dry_run": "yes", "output": {"format": "csv"}}

    error = verify_error(deployed.call("POST", JOBS, body), "invalid_request")

    assert {fault["path"] for fault in error.error.details or ()} == {
        "input",
        "labels",
        "compute",
        "dry_run",
        "output.format",
    }


def test_a_span_whose_message_was_lost_is_classified_after_all(deployed: Deployment) -> None:
    """The job's record says that all spans are queued, and that nothing has happened for a day."""
    address = put_manifest(deployed, "lost.jsonl", [text_line(number) for number in range(5)])
    done = wait_until_ended(deployed, submit(deployed, bulk_request(address)).job.id)
    long_ago = {"N": str(time.time() - 86_400)}
    orphan = copy_unfinished(deployed, done.job.id, updated_at=long_ago, due_at=long_ago, agenda={"S": "JOBS#0"})

    ended = wait_until_ended(deployed, orphan)  # functions/sweep runs every minute

    assert ended.job.status is JobStatus.SUCCEEDED
    assert ended.job.progress.succeeded == 5


def classify_five_lines(deployed: Deployment, where: str) -> str:
    """Run a bulk job over a manifest in the granted bucket or in the upload bucket, and return the job's id."""
    padding = " " * 4_000_000 if where == "label-set" else ""  # another job could take less
    address = put_manifest(deployed, "dead.jsonl", [*(text_line(number) for number in range(5)), padding])
    if where != "granted":
        key = f"uploads/tests/{where}.jsonl" if where == "uploads" else f"incoming/tests/dead/{where}.jsonl"
        assert deployed.call("PUT", "/v1/label-sets/dead", {"labels": LABELS}).status_code == 200
        storage, uploads = deployed.stack.client("s3"), deployed.outputs["UploadBucketName"]
        storage.copy_object(Bucket=uploads, Key=key, CopySource=address.removeprefix("s3://"))
        address = f"s3://{uploads}/{key}"
    if where != "label-set":
        return wait_until_ended(deployed, submit(deployed, bulk_request(address)).job.id).job.id
    until = time.monotonic() + 60
    while not (results := deployed.call("GET", f"/v1/results?key={key}").json().get("results")) or not results[0]["job_id"]:
        assert time.monotonic() < until, "the upload has no result"
        time.sleep(0.2)
    return str(results[0]["job_id"])


@pytest.mark.parametrize("where", ["granted", "uploads", "incoming", "label-set"])
def test_a_span_whose_every_attempt_failed_fails_its_lines_and_the_job_ends(deployed: Deployment, where: str) -> None:
    orphan = copy_unfinished(deployed, classify_five_lines(deployed, where))
    table, name = deployed.stack.client("dynamodb"), deployed.outputs["TableName"]
    attempts = {"pk": {"S": f"ATTEMPTS#tests#{orphan}"}, "sk": {"S": "span-00000000"}, "attempts": {"N": "3"}}
    table.put_item(TableName=name, Item=attempts)
    storage, jobs = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    segment = json.loads(storage.get_object(Bucket=jobs, Key=f"bulk/tests/{orphan}/plan/00000.json")["Body"].read())
    item = table.get_item(TableName=name, Key={"pk": {"S": "JOBS#tests"}, "sk": {"S": orphan}}, ConsistentRead=True)["Item"]
    etag = item["bulk"]["M"]["etag"]["S"]
    message = SpanMessage(tenant_id="tests", job_id=orphan, etag=etag, **segment["spans"][0])
    dead_letters = deployed.stack.resources()["DeadLetterQueue"]
    deployed.stack.client("sqs").send_message(QueueUrl=dead_letters, MessageBody=message.model_dump_json())

    ended = wait_until_ended(deployed, orphan)

    assert ended.job.status is JobStatus.FAILED
    assert ended.job.progress.failed == 5
    _, files = read_files(ended)
    assert [(row["line"], row["code"]) for row in rows(files, "errors-")] == [(k, "internal_error") for k in range(1, 6)]


def test_a_step_that_failed_is_tried_again_soon(deployed: Deployment) -> None:
    """The queue's visibility timeout is that of a killed planner, so one that failed asks for an earlier redelivery."""
    address = put_manifest(deployed, "again.jsonl", [text_line(number) for number in range(5)])
    done = wait_until_ended(deployed, submit(deployed, bulk_request(address)).job.id)
    orphan = copy_unfinished(deployed, done.job.id, updated_at={"N": str(time.time() - 86_400)})
    storage, jobs = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    segment = {"Bucket": jobs, "Key": f"bulk/tests/{orphan}/plan/00000.json"}
    data = storage.get_object(**segment)["Body"].read()
    storage.delete_object(**segment)
    queue = deployed.stack.resources()["PlanQueue"]
    message = PlanMessage(tenant_id="tests", job_id=orphan).model_dump_json()
    deployed.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=message)
    until = time.monotonic() + 60
    while not has_logged(deployed, "PlanLogs", orphan):
        assert time.monotonic() < until, "the planner has not failed"
        time.sleep(0.2)

    storage.put_object(**segment, Body=data)

    assert wait_until_ended(deployed, orphan).job.status is JobStatus.SUCCEEDED


def has_logged(deployed: Deployment, group: str, words: str) -> bool:
    name = deployed.stack.resources()[group]
    events = deployed.stack.client("logs").filter_log_events(logGroupName=name, filterPattern="ERROR")["events"]
    return any(words in event["message"] for event in events)


def copy_unfinished(deployed: Deployment, job_id: str, **changes: dict[str, str]) -> str:
    """Copy the record and the plan of a finished job, as if none of its spans had been classified."""
    table, name = deployed.stack.client("dynamodb"), deployed.outputs["TableName"]
    storage, bucket = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    key = {"pk": {"S": "JOBS#tests"}, "sk": {"S": job_id}}
    item = table.get_item(TableName=name, Key=key, ConsistentRead=True)["Item"]
    orphan = job_id[:-1] + ("0" if job_id[-1] != "0" else "1")
    for file in ("spec.json", "plan/00000.json"):
        data = storage.get_object(Bucket=bucket, Key=f"bulk/tests/{job_id}/{file}")["Body"].read()
        storage.put_object(Bucket=bucket, Key=f"bulk/tests/{orphan}/{file}", Body=data)
    later = ("finished_at", "announcement", "announce_at")
    first = {
        "sk": {"S": orphan},
        "status": {"S": "processing"},
        "tenant_status": {"S": "tests#processing"},
        "succeeded": {"N": "0"},
        "failed": {"N": "0"},
    }
    table.put_item(TableName=name, Item={at: item[at] for at in item if at not in later} | first | changes)
    return orphan
