"""Asynchronous jobs on the deployed stack: taken, worked on, read, listed, canceled; each tenant's own."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from deployment import Deployment, error_of, image, request, text

from pigeonhole.contract_jobs import JOBS, JobResponse
from pigeonhole_cli.local import manage_keys

PATIENCE_S = 240
WORDS = ("I love it", "terrible", "the match ended two to one", "shares fell", "a new phone", "the minister resigned")


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


def directly(deployed: Deployment, dataset: Sequence[dict[str, Any]], **more: Any) -> tuple[list[Any], list[dict[str, float]]]:
    """Predictions and probabilities as the synchronous path gives them, 32 samples at a time."""
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


def alike(job: JobResponse, predictions: Sequence[Any], scores: Sequence[dict[str, float]]) -> None:
    assert job.predictions == list(predictions)
    assert job.scores is not None
    for found, wanted in zip(job.scores, scores, strict=True):
        assert found is not None
        assert probabilities([score.model_dump() for score in found]) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("count", [1_000])
def test_a_thousand_texts_have_the_results_of_the_synchronous_path(deployed: Deployment, count: int) -> None:
    dataset = [text(f"{WORDS[number % len(WORDS)]}, number {number}") for number in range(count)]
    labels = [text(name) for name in ("positive", "negative", "sport", "business")]

    job = ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", count, 0)
    assert job.usage is not None
    assert job.usage.output_tokens >= count
    # Every eighth of them directly: the figures are per sample, and so is the time.
    chosen = slice(None, None, 8)
    predictions, scores = directly(deployed, dataset[chosen], labels=labels)
    assert job.predictions is not None
    assert job.scores is not None
    alike(job.model_copy(update={"predictions": job.predictions[chosen], "scores": job.scores[chosen]}), predictions, scores)


def test_two_hundred_photos_have_the_results_of_the_synchronous_path(
    deployed: Deployment, photos: dict[str, bytes], web: Any
) -> None:
    files = list(photos.values())
    with_names = {f"/{number}": files[number % len(files)] for number in range(199)}
    server = web(with_names)
    dataset = [image(f"{server.url}{path}") for path in (*with_names, "/missing")]
    labels = [text(name) for name in photos]

    job = ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", 199, 1)
    assert job.errors is not None
    assert [(fault.index, fault.code) for fault in job.errors] == [(199, "unfetchable_url")]
    assert job.predictions is not None
    assert job.predictions[199] is None
    # A photo's answer doesn't depend on its neighbours, so seven stand for all.
    predictions, scores = directly(deployed, dataset[: len(files)], labels=labels)
    everywhere = {"predictions": job.predictions[:199], "scores": (job.scores or [])[:199]}
    repeated = [number % len(files) for number in range(199)]
    alike(job.model_copy(update=everywhere), [predictions[it] for it in repeated], [scores[it] for it in repeated])


def test_a_large_request_is_answered_as_if_it_were_small(deploy: Any) -> None:
    small = deploy("through-the-queue", settings={"ApiFunction": {"PIGEONHOLE_DIRECT_MS": "100"}})

    answer = small.classify(request([text("I love it"), text("terrible"), text("wonderful")]))

    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == ["positive", "negative", "positive"]
    (listed,) = small.call("GET", JOBS).json()["jobs"]
    assert (listed["status"], listed["progress"]["total"]) == ("succeeded", 3)


def test_who_prefers_a_job_gets_one_and_who_waits_the_answer(deployed: Deployment) -> None:
    body = request([text("I love it")])
    at_once = deployed.classify(body, headers={"Prefer": "respond-async"})
    waited = deployed.classify(body, headers={"Prefer": "wait=20"})

    assert (at_once.status_code, at_once.headers["preference-applied"]) == (202, "respond-async")
    assert ended(deployed, at_once.json()["job"]["id"]).predictions == ["positive"]
    assert (waited.status_code, waited.json()["predictions"]) == (200, ["positive"])


def test_what_has_not_changed_is_not_sent_again(deployed: Deployment) -> None:
    job = ended(deployed, submit(deployed, request([text("I love it")])).job.id).job
    first = deployed.call("GET", f"{JOBS}/{job.id}")
    second = deployed.call("GET", f"{JOBS}/{job.id}", headers={"If-None-Match": first.headers["etag"]})

    assert (second.status_code, second.content) == (304, b"")


def test_canceling_stops_the_work(deployed: Deployment) -> None:
    dataset = [text(f"{WORDS[number % 6]} " * 60) for number in range(6_000)]
    job = submit(deployed, request(dataset)).job
    until = time.monotonic() + PATIENCE_S
    while deployed.call("GET", f"{JOBS}/{job.id}").json()["job"]["status"] == "queued":
        assert time.monotonic() < until
        time.sleep(0.2)

    canceled = deployed.call("DELETE", f"{JOBS}/{job.id}")

    assert (canceled.status_code, canceled.json()["job"]["status"]) == (200, "canceled")
    done = canceled.json()["job"]["progress"]["succeeded"]
    assert done < 6_000
    error_of(deployed.call("DELETE", f"{JOBS}/{job.id}"), "job_finished")
    # What is submitted now is done before the canceled job could have been.
    assert ended(deployed, submit(deployed, request([text("I love it")])).job.id).predictions == ["positive"]
    after = deployed.call("GET", f"{JOBS}/{job.id}").json()
    assert (after["job"]["status"], after["job"]["progress"]["succeeded"]) == ("canceled", done)
    assert "predictions" not in after


def test_twenty_senders_of_one_idempotency_key_make_one_job(deployed: Deployment) -> None:
    body = request([text(f"number {number}") for number in range(40)])

    def send(_: int) -> httpx.Response:
        return deployed.call("POST", JOBS, body, headers={"Idempotency-Key": "twenty"})

    with ThreadPoolExecutor(20) as senders:
        answers = list(senders.map(send, range(20)))

    assert {answer.status_code for answer in answers} <= {200, 202}, [answer.text for answer in answers]
    assert len({answer.json()["job"]["id"] for answer in answers}) == 1
    error_of(deployed.call("POST", JOBS, request([text("x")]), headers={"Idempotency-Key": "twenty"}), "idempotency_mismatch")


def test_tenants_with_two_keys_each_see_their_own(deployed: Deployment) -> None:
    keys = manage_keys(deployed.stack, deployed.outputs)
    ours, theirs = ([keys.create(tenant, name).value for name in ("one", "two")] for tenant in ("ours", "theirs"))
    of_ours = submit(deployed, request([text("I love it")]), key=ours[0]).job.id
    of_theirs = submit(deployed, request([text("I love it")]), key=theirs[0], idempotency_key="same").job.id
    again = submit(deployed, request([text("I love it")]), key=ours[1], idempotency_key="same").job.id

    assert ended(deployed, of_ours, key=ours[1]).predictions == ["positive"]
    assert {job["id"] for job in deployed.call("GET", JOBS, key=ours[1]).json()["jobs"]} == {of_ours, again}
    assert {job["id"] for job in deployed.call("GET", JOBS, key=theirs[1]).json()["jobs"]} == {of_theirs}
    for method in ("GET", "DELETE"):
        hidden = error_of(deployed.call(method, f"{JOBS}/{of_ours}", key=theirs[0]), "not_found")
        absent = error_of(deployed.call(method, f"{JOBS}/{'0' * 32}", key=theirs[0]), "not_found")
        assert hidden.message == absent.message


def test_jobs_are_listed_by_state_page_by_page(deployed: Deployment) -> None:
    key = manage_keys(deployed.stack, deployed.outputs).create("lister", "one").value
    made = [submit(deployed, request([text("I love it")]), key=key).job.id for _ in range(3)]
    for job_id in made:
        ended(deployed, job_id, key=key)

    found: list[str] = []
    page = deployed.call("GET", f"{JOBS}?status=succeeded&limit=2", key=key).json()
    found += [job["id"] for job in page["jobs"]]
    page = deployed.call("GET", f"{JOBS}?status=succeeded&limit=2&cursor={page['cursor']}", key=key).json()
    found += [job["id"] for job in page["jobs"]]

    assert found == made[::-1]
    assert "cursor" not in page
    assert deployed.call("GET", f"{JOBS}?status=failed", key=key).json()["jobs"] == []


def test_results_that_are_too_large_for_an_answer_are_behind_a_link(deployed: Deployment) -> None:
    names = [f"{word} {'x' * 400}" for word in ("good", "bad")]
    labels = [
        text(
            "positive",
        )
        | {"key": names[0]},
        text("negative") | {"key": names[1]},
    ]
    dataset = [text(f"I love it {number}") for number in range(5_000)]

    job = ended(deployed, submit(deployed, request(dataset, labels, scores=True)).job.id)

    assert job.predictions is None
    assert job.results_url is not None
    kept = JobResponse.model_validate(httpx.get(job.results_url, timeout=60).json())
    assert kept.predictions is not None
    assert len(kept.predictions) == 5_000
    assert set(kept.predictions) <= set(names)


def test_a_message_that_no_worker_can_do_ends_its_job(deployed: Deployment) -> None:
    """A chunk whose worker dies each time: here its message is put where the third death would have put it."""
    job = submit(deployed, request([text(f"number {number}") for number in range(3)])).job
    done = ended(deployed, job.id)
    assert done.job.status == "succeeded"
    resources = deployed.stack.resources()
    sqs, table = deployed.stack.client("sqs"), deployed.stack.client("dynamodb")
    orphan = job.id[:-1] + ("0" if job.id[-1] != "0" else "1")
    item = table.get_item(
        TableName=deployed.outputs["TableName"], Key={"pk": {"S": "JOBS#tests"}, "sk": {"S": job.id}}, ConsistentRead=True
    )["Item"]
    started = item | {"sk": {"S": orphan}, "status": {"S": "processing"}, "succeeded": {"N": "0"}, "version": {"N": "1"}}
    started.pop("finished_at")
    table.put_item(TableName=deployed.outputs["TableName"], Item=started)
    message = {"version": 1, "kind": "chunk", "tenant_id": "tests", "job_id": orphan, "start": 0, "stop": 3}

    sqs.send_message(QueueUrl=resources["DeadLetterQueue"], MessageBody=json.dumps(message))

    failed = ended(deployed, orphan)
    assert (failed.job.status, failed.job.progress.failed) == ("failed", 3)
    assert failed.errors is not None
    assert {fault.code for fault in failed.errors} == {"internal_error"}


def test_a_job_that_was_never_queued_is_queued_by_the_sweep(deployed: Deployment) -> None:
    table, name = deployed.stack.client("dynamodb"), deployed.outputs["TableName"]
    bucket = deployed.stack.client("s3")
    job = submit(deployed, request([text("I love it")])).job
    ended(deployed, job.id)
    orphan = job.id[:-1] + ("0" if job.id[-1] != "0" else "1")
    item = table.get_item(TableName=name, Key={"pk": {"S": "JOBS#tests"}, "sk": {"S": job.id}}, ConsistentRead=True)["Item"]
    left = {key: item[key] for key in item if key not in ("finished_at", "started_at", "queued_at")}
    left |= {
        "sk": {"S": orphan},
        "status": {"S": "queued"},
        "tenant_status": {"S": "tests#queued"},
        "succeeded": {"N": "0"},
        "version": {"N": "1"},
        "agenda": {"S": "JOBS"},
        "due_at": {"N": "1"},
    }
    source = {"Bucket": deployed.outputs["JobBucketName"], "Key": f"inputs/tests/{job.id}.json"}
    bucket.put_object(
        Bucket=source["Bucket"], Key=f"inputs/tests/{orphan}.json", Body=bucket.get_object(**source)["Body"].read()
    )
    table.put_item(TableName=name, Item=left)

    answer = deployed.stack.client("lambda").invoke(
        FunctionName=deployed.stack.resources()["SweepFunction"], Payload=b'{"id": "sweep"}'
    )

    assert json.loads(answer["Payload"].read()) == {"due": 1, "queued": 1}
    assert ended(deployed, orphan).predictions == ["positive"]
