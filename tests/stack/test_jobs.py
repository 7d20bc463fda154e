"""Asynchronous jobs on the deployed stack: submitted, processed, read, listed and canceled, apart for each tenant."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from pigeonhole.contract.jobs import JOBS, JobResponse
from pigeonhole.settings import Settings
from pigeonhole_cli.local.command import api_key_manager
from support.loopback import respond
from support.stack.deployment import BUCKET, PREFIX, Deployment, image, request, text, verify_error
from support.stack.job_calls import PATIENCE_S, copy_interrupted, submit, sweep, wait_until_ended

NAMES = [
    f"{kind} {thing}"
    for kind in ("happy", "angry", "sad", "calm")
    for thing in ("mail", "call", "note", "song", "talk", "tale")
]
WORDS = ("I love it", "terrible", "the match ended two to one", "shares fell", "a new phone", "the minister resigned")


def directly(deployed: Deployment, dataset: Sequence[dict[str, Any]], **more: Any) -> tuple[list[Any], list[dict[str, float]]]:
    """Classify synchronously, 32 samples at a time. Return the predictions and the probabilities."""
    predictions: list[Any] = []
    scores: list[dict[str, float]] = []
    for first in range(0, len(dataset), 32):
        answer = deployed.classify(request(dataset[first : first + 32], scores=True, **more))
        assert answer.status_code == 200, answer.text
        predictions += answer.json()["predictions"]
        scores += [probabilities(row) for row in answer.json()["scores"]]
    return predictions, scores


def probabilities(row: Sequence[dict[str, Any]]) -> dict[str, float]:
    return {score["label"]: score["probability"] for score in row}


def assert_alike(job: JobResponse, predictions: Sequence[Any], scores: Sequence[dict[str, float]]) -> None:
    assert job.predictions == list(predictions)
    assert job.scores is not None
    for actual, wanted in zip(job.scores, scores, strict=True):
        assert actual is not None
        assert probabilities([score.model_dump() for score in actual]) == pytest.approx(wanted, abs=1e-4)


def test_a_thousand_texts_have_the_results_of_the_synchronous_path(deployed: Deployment) -> None:
    count = 1_000
    dataset = [text(f"{WORDS[number % len(WORDS)]}, number {number}") for number in range(count)]
    labels = [text(name) for name in ("positive", "negative", "sport", "business")]

    job = wait_until_ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", count, 0)
    assert job.usage is not None
    assert job.usage.output_tokens >= count
    assert_alike(job, *directly(deployed, dataset, labels=labels))


def test_samples_keep_the_callers_names_and_a_threshold_leaves_some_without_a_label(deployed: Deployment) -> None:
    names = ["first", None, "third"]
    values = ("I love it, wonderful!", "The meeting is on Tuesday at the town hall.", " ")
    dataset = [text(value) | ({"custom_id": name} if name else {}) for value, name in zip(values, names, strict=True)]
    body = request(dataset, threshold=0.95, on_error="null")

    answer = deployed.classify(body).json()
    job = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert (answer["predictions"], answer["custom_ids"]) == (["positive", None, None], names)
    assert [(error["index"], error["custom_id"]) for error in answer["errors"]] == [(2, "third")]
    assert (job.predictions, job.custom_ids) == (answer["predictions"], names)
    assert [(error.index, error.custom_id) for error in job.errors or ()] == [(2, "third")]
    assert job.job.progress.succeeded == 2, "a sample below the threshold was classified"


QUESTIONS = {
    "mood": {"labels": [text("positive"), text("negative")]},
    "topics": {"labels": [text("a product"), text("a meeting"), text("the weather")], "multiple_labels": True},
}


def test_questions_have_the_same_answers_at_once_and_in_a_job(deployed: Deployment) -> None:
    values = ("I love this product, it is wonderful!", "The meeting was terrible and too long.", " ")
    body = {"dataset": [text(value) for value in values], "questions": QUESTIONS, "scores": True, "on_error": "null"}

    answer = deployed.classify(body).json()
    job = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert answer["predictions"]["mood"] == ["positive", "negative", None]
    assert [labels[0] for labels in answer["predictions"]["topics"][:2]] == ["a product", "a meeting"]
    assert job.predictions == answer["predictions"]
    assert [(error.index, error.code) for error in job.errors or ()] == [(2, "invalid_request")]
    scores = job.model_dump()["scores"]
    for name, rows in answer["scores"].items():
        for ours, theirs in zip(scores[name][:2], rows[:2], strict=True):
            assert [score["label"] for score in ours] == [score["label"] for score in theirs]
            assert [score["probability"] for score in ours] == pytest.approx(
                [score["probability"] for score in theirs], abs=1e-4
            )


def test_two_hundred_photos_have_the_results_of_the_synchronous_path(
    deployed: Deployment, photos: dict[str, bytes], web: Any
) -> None:
    files = list(photos.values())
    with_names = {f"/{number}": files[number % len(files)] for number in range(199)}
    server = web(with_names)
    dataset = [image(server.url(path)) for path in (*with_names, "/missing")]
    labels = [text(name) for name in photos]

    job = wait_until_ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", 199, 1)
    assert job.errors is not None
    assert [(fault.index, fault.code) for fault in job.errors] == [(199, "unfetchable_url")]
    assert job.predictions is not None
    assert job.predictions[199] is None
    readable = {"predictions": job.predictions[:199], "scores": (job.scores or [])[:199]}
    assert_alike(job.model_copy(update=readable), *directly(deployed, dataset[:199], labels=labels))


def test_a_worker_near_its_timeout_stores_its_results_and_queues_the_rest(deploy: Any) -> None:
    # The worker always classifies the first group of samples. After it, less time is left than the worker requires.
    hurried = deploy("hurried", settings={"WorkerFunction": {"PIGEONHOLE_WORKER_STOP_S": "1000"}})
    dataset = [text(f"{WORDS[number % 2]} {number}") for number in range(100)]

    job = wait_until_ended(hurried, submit(hurried, request(dataset, scores=True)).job.id)

    assert_alike(job, *directly(hurried, dataset))
    parts = hurried.stack.client("dynamodb").query(
        TableName=hurried.outputs["TableName"],
        KeyConditionExpression="pk = :parts",
        ExpressionAttributeValues={":parts": {"S": f"PARTS#tests#{job.job.id}"}},
    )["Items"]
    assert [(part["sk"]["S"], part["stop"]["N"]) for part in parts] == [
        ("000000", "32"),
        ("000032", "64"),
        ("000064", "96"),
        ("000096", "100"),
    ]


def test_a_large_request_is_answered_as_if_it_were_small(deploy: Any) -> None:
    small = deploy("through-the-queue", settings={"ApiFunction": {"PIGEONHOLE_DIRECT_MS": "100"}})

    answer = small.classify(request([text("I love it"), text("terrible"), text("wonderful")]))

    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["positive", "negative", "positive"]
    (listed,) = small.call("GET", JOBS).json()["jobs"]
    assert (listed["status"], listed["progress"]["total"]) == ("succeeded", 3)


def test_a_request_may_prefer_a_job_or_wait_for_the_answer(deployed: Deployment) -> None:
    body = request([text("I love it")])
    at_once = deployed.classify(body, headers={"Prefer": "respond-async"})
    waited = deployed.classify(body, headers={"Prefer": "wait=20"})

    assert (at_once.status_code, at_once.headers["preference-applied"]) == (202, "respond-async")
    assert wait_until_ended(deployed, at_once.json()["job"]["id"]).predictions == ["positive"]
    assert (waited.status_code, waited.json()["predictions"]) == (200, ["positive"])


def test_an_unchanged_job_is_answered_with_304(deployed: Deployment) -> None:
    job = wait_until_ended(deployed, submit(deployed, request([text("I love it")])).job.id).job
    first = deployed.call("GET", f"{JOBS}/{job.id}")
    second = deployed.call("GET", f"{JOBS}/{job.id}", headers={"If-None-Match": first.headers["etag"]})

    assert (second.status_code, second.content) == (304, b"")


def test_canceling_stops_the_work(deployed: Deployment) -> None:
    count = 6_000
    dataset = [text(f"{WORDS[number % 6]} " * 30) for number in range(count)]
    job = submit(deployed, request(dataset)).job
    until = time.monotonic() + PATIENCE_S
    while deployed.call("GET", f"{JOBS}/{job.id}").json()["job"]["status"] == "queued":
        assert time.monotonic() < until
        time.sleep(0.2)

    canceled = deployed.call("DELETE", f"{JOBS}/{job.id}")

    assert (canceled.status_code, canceled.json()["job"]["status"]) == (200, "canceled")
    done = canceled.json()["job"]["progress"]["succeeded"]
    assert done < count
    verify_error(deployed.call("DELETE", f"{JOBS}/{job.id}"), "job_finished")
    # A job that is submitted now ends before the canceled one could have ended.
    assert wait_until_ended(deployed, submit(deployed, request([text("I love it")])).job.id).predictions == ["positive"]
    after = deployed.call("GET", f"{JOBS}/{job.id}").json()
    assert (after["job"]["status"], after["job"]["progress"]["succeeded"]) == ("canceled", done)
    assert "predictions" not in after


def test_a_worker_starts_no_more_samples_of_a_canceled_job(deployed: Deployment, photos: dict[str, bytes], web: Any) -> None:
    at_once, canceled, give = Settings().max_samples, threading.Event(), respond(photos["cat"])

    def wait(connection: socket.socket, head: str) -> None:
        canceled.wait(8)
        give(connection, head)

    count = 2 * at_once
    server = web({"/0": wait, **{f"/{number}": photos["cat"] for number in range(1, count)}})
    dataset = [image(server.url(f"/{number}")) for number in range(count)]
    job = submit(deployed, request(dataset, [text("cat"), text("temple")])).job
    until = time.monotonic() + PATIENCE_S
    while not any(head.startswith("GET /0 ") for head in server.heads):
        assert time.monotonic() < until
        time.sleep(0.05)

    assert deployed.call("DELETE", f"{JOBS}/{job.id}").status_code == 200
    canceled.set()

    sqs, queue = deployed.stack.client("sqs"), deployed.stack.resources()["ChunkQueue"]
    waiting = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    while any(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"][name] != "0" for name in waiting):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert {int(head.split()[1][1:]) for head in server.heads} == set(range(at_once))


def test_twenty_senders_of_one_idempotency_key_make_one_job(deployed: Deployment) -> None:
    body = request([text(f"number {number}") for number in range(40)])

    def send(_: int) -> httpx.Response:
        return deployed.call("POST", JOBS, body, headers={"Idempotency-Key": "twenty"})

    with ThreadPoolExecutor(20) as senders:
        answers = list(senders.map(send, range(20)))

    assert {answer.status_code for answer in answers} == {202}, [answer.text for answer in answers]
    assert len({answer.json()["job"]["id"] for answer in answers}) == 1
    other = deployed.call("POST", JOBS, request([text("x")]), headers={"Idempotency-Key": "twenty"})
    verify_error(other, "idempotency_mismatch")


def test_tenants_with_two_keys_each_see_their_own(deployed: Deployment) -> None:
    keys = api_key_manager(deployed.stack, deployed.outputs)
    ours, theirs = ([keys.create(tenant, name).value for name in ("one", "two")] for tenant in ("ours", "theirs"))
    of_ours = submit(deployed, request([text("I love it")]), key=ours[0]).job.id
    of_theirs = submit(deployed, request([text("I love it")]), key=theirs[0], idempotency_key="same").job.id
    again = submit(deployed, request([text("I love it")]), key=ours[1], idempotency_key="same").job.id

    assert wait_until_ended(deployed, of_ours, key=ours[1]).predictions == ["positive"]
    assert {job["id"] for job in deployed.call("GET", JOBS, key=ours[1]).json()["jobs"]} == {of_ours, again}
    assert {job["id"] for job in deployed.call("GET", JOBS, key=theirs[1]).json()["jobs"]} == {of_theirs}
    for method in ("GET", "DELETE"):
        hidden = verify_error(deployed.call(method, f"{JOBS}/{of_ours}", key=theirs[0]), "not_found")
        absent = verify_error(deployed.call(method, f"{JOBS}/{'0' * 32}", key=theirs[0]), "not_found")
        assert hidden.message == absent.message


def test_jobs_are_listed_by_state_page_by_page(deployed: Deployment) -> None:
    key = api_key_manager(deployed.stack, deployed.outputs).create("lister", "one").value
    submitted = [submit(deployed, request([text("I love it")]), key=key).job.id for _ in range(3)]
    for job_id in submitted:
        wait_until_ended(deployed, job_id, key=key)

    listed: list[str] = []
    page = deployed.call("GET", f"{JOBS}?status=succeeded&limit=2", key=key).json()
    listed += [job["id"] for job in page["jobs"]]
    page = deployed.call("GET", f"{JOBS}?status=succeeded&limit=2&cursor={page['cursor']}", key=key).json()
    listed += [job["id"] for job in page["jobs"]]

    assert listed == submitted[::-1]
    assert "cursor" not in page
    assert deployed.call("GET", f"{JOBS}?status=failed", key=key).json()["jobs"] == []


def test_results_too_large_for_an_item_or_an_answer_are_objects(deployed: Deployment) -> None:
    labels = [text(name) for name in NAMES]
    dataset = [text(f"I love it {number}") for number in range(3_200)]

    job = wait_until_ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert (job.job.status, job.job.progress.succeeded) == ("succeeded", 3_200)
    assert job.predictions is None
    assert job.results_url is not None
    kept = JobResponse.model_validate(httpx.get(job.results_url, timeout=60).json())
    assert kept.predictions is not None
    assert (len(kept.predictions), set(kept.predictions) <= set(NAMES)) == (3_200, True)
    storage, bucket, prefix = deployed.stack.client("s3"), deployed.outputs["JobBucketName"], f"results/tests/{job.job.id}/"
    assert storage.list_objects_v2(Bucket=bucket, Prefix=prefix)["KeyCount"] > 1, "parts, and the assembled results"

    # If the worker crashed before it assembled the results, the next reader assembles them.
    item_key = {"pk": {"S": "JOBS#tests"}, "sk": {"S": job.job.id}}
    deployed.stack.client("dynamodb").update_item(
        TableName=deployed.outputs["TableName"], Key=item_key, UpdateExpression="REMOVE has_whole"
    )
    storage.delete_object(Bucket=bucket, Key=prefix + "results.json")
    again = wait_until_ended(deployed, job.job.id)
    assert again.results_url is not None
    assert JobResponse.model_validate(httpx.get(again.results_url, timeout=60).json()).predictions == kept.predictions


def test_an_image_of_the_tenants_bucket_is_read_by_a_worker(deployed: Deployment, photos: dict[str, bytes]) -> None:
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=PREFIX + "job.png", Body=photos["cat"])
    dataset = [image(f"s3://{BUCKET}/{PREFIX}job.png"), image(f"s3://{BUCKET}/others/job.png")]

    job = wait_until_ended(deployed, submit(deployed, request(dataset, [text("cat"), text("temple")])).job.id)

    assert job.predictions == ["cat", None]
    assert job.errors is not None
    assert [(fault.index, fault.code) for fault in job.errors] == [(1, "forbidden_url")]


def test_a_chunk_that_fails_is_redelivered_soon(deployed: Deployment) -> None:
    """An unreadable record makes the worker fail. When the record is fixed, the job continues."""
    table, name = deployed.stack.client("dynamodb"), deployed.outputs["TableName"]
    job = submit(deployed, request([text("I love it")])).job
    wait_until_ended(deployed, job.id)
    orphan = copy_interrupted(deployed, job.id, status={"S": "nonsense"})
    message = {"version": 1, "kind": "chunk", "tenant_id": "tests", "job_id": orphan, "start": 0, "stop": 1}
    deployed.stack.client("sqs").send_message(
        QueueUrl=deployed.stack.resources()["ChunkQueue"], MessageBody=json.dumps(message)
    )

    until = time.monotonic() + PATIENCE_S
    logs, group = deployed.stack.client("logs"), deployed.stack.resources()["WorkerLogs"]
    while not logs.filter_log_events(logGroupName=group, filterPattern=f'"{orphan}"')["events"]:
        assert time.monotonic() < until
        time.sleep(0.2)
    key = {"pk": {"S": "JOBS#tests"}, "sk": {"S": orphan}}
    table.update_item(
        TableName=name,
        Key=key,
        UpdateExpression="SET #status = :processing",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":processing": {"S": "processing"}},
    )

    assert wait_until_ended(deployed, orphan).predictions == ["positive"]


def test_a_dead_chunk_that_no_worker_attempted_is_classified(deployed: Deployment) -> None:
    """Lambda had no room for its worker at each delivery, so its message was moved. test_job_faults.py has crashed workers."""
    job = submit(deployed, request([text("I love it")])).job
    wait_until_ended(deployed, job.id)
    orphan = copy_interrupted(deployed, job.id, status={"S": "processing"})
    message = {"version": 1, "kind": "chunk", "tenant_id": "tests", "job_id": orphan, "start": 0, "stop": 1}

    deployed.stack.client("sqs").send_message(
        QueueUrl=deployed.stack.resources()["DeadLetterQueue"], MessageBody=json.dumps(message)
    )

    assert wait_until_ended(deployed, orphan).predictions == ["positive"]


def test_a_job_that_was_never_queued_is_queued_by_the_sweep(deployed: Deployment) -> None:
    job = submit(deployed, request([text("I love it")])).job
    wait_until_ended(deployed, job.id)
    orphan = copy_interrupted(deployed, job.id, status={"S": "queued"}, agenda={"S": "JOBS"}, due_at={"N": "1"})

    sweep(deployed)  # unless the scheduled sweep was faster
    assert wait_until_ended(deployed, orphan).predictions == ["positive"]
