"""Jobs of a deployed stack while things go wrong: every one ends, with one result or one error per sample, and one event."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole.contract.jobs import JOBS, JobResponse
from pigeonhole_cli.local.command import STACK, bring_up
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from support.loopback import respond
from support.stack.deployment import Deployment, image, request, text
from support.stack.job_calls import PATIENCE_S, Ends, ended, of_itself, processes_of, submit, sweep

ROOT = Path(__file__).resolve().parents[2]
THINGS = [text("cat"), text("rocket"), text("temple")]
TEXTS = [text(f"number {number}") for number in range(3)]


@pytest.fixture(scope="module")
def hasty(deploy: Any) -> Deployment:
    """A stack that gives a chunk whose worker is gone to another after five seconds."""
    deployment: Deployment = deploy("hasty-workers", parameters={"ChunkVisibility": "5", "WorkerConcurrency": "2"})
    return deployment


@pytest.fixture(scope="module")
def kill_workers(hasty: Deployment) -> Callable[[], int]:
    """Kill whatever works for the stack, as by SIGKILL or too little memory; how many that were."""
    name = hasty.stack.resources()["WorkerFunction"]

    def kill() -> int:
        found = processes_of(name)
        for pid in found:
            os.kill(pid, signal.SIGKILL)
        return len(found)

    return kill


@pytest.fixture
def photos_that(web: Any, photos: dict[str, bytes]) -> Callable[..., list[dict[str, str]]]:
    """Three photos, before the last of which `first` is called whenever it is fetched."""

    def serve(first: Callable[[], None]) -> list[dict[str, str]]:
        give = respond(photos["temple"])

        def answer(connection: socket.socket, head: str) -> None:
            first()
            give(connection, head)

        server = web({"/cat": photos["cat"], "/rocket": photos["rocket"], "/last": answer})
        return [image(server.url(path)) for path in ("/cat", "/rocket", "/last")]

    return serve


def told_for_good(deployed: Deployment, job_id: str) -> None:
    """Wait until a job's end has been told and nothing is left to do for it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        item = record(deployed, job_id)
        if item["announcement"]["S"] == "made" and "due_at" not in item:
            return
        assert time.monotonic() < until, item
        time.sleep(0.2)


def record(deployed: Deployment, job_id: str) -> dict[str, dict[str, str]]:
    """A job as the table has it."""
    key = {"pk": {"S": "JOBS#tests"}, "sk": {"S": job_id}}
    answer = deployed.stack.client("dynamodb").get_item(TableName=deployed.outputs["TableName"], Key=key, ConsistentRead=True)
    item: dict[str, dict[str, str]] = answer["Item"]
    return item


def whole(deployed: Deployment, job: JobResponse, ends: Ends) -> None:
    """An ended job has one result or one error per sample, counters that match, and one event."""
    progress = job.job.progress
    assert job.predictions is not None
    assert job.errors is not None
    assert len(job.predictions) == progress.total == progress.succeeded + progress.failed
    assert [index for index, chosen in enumerate(job.predictions) if chosen is None] == [it.index for it in job.errors]
    assert len(job.errors) == progress.failed
    told_for_good(deployed, job.job.id)  # or the sweep would tell it once more, a minute later
    events = ends.of(job.job.id)
    assert [(it.status, it.succeeded, it.failed) for it in events] == [(job.job.status, progress.succeeded, progress.failed)]


def test_a_worker_that_is_killed_in_mid_chunk_loses_nothing(
    hasty: Deployment, kill_workers: Callable[[], int], photos_that: Any, ends: Ends
) -> None:
    killed: list[int] = []

    def once() -> None:
        if not killed:
            killed.append(kill_workers())

    job = ended(hasty, submit(hasty, request(photos_that(once), THINGS)).job.id)

    assert killed[0] >= 1
    assert job.predictions == ["cat", "rocket", "temple"]
    whole(hasty, job, ends)


def test_a_sample_that_kills_each_of_its_workers_fails_and_its_job_ends(
    hasty: Deployment, kill_workers: Callable[[], int], photos_that: Any, ends: Ends
) -> None:
    killed: list[int] = []

    job = ended(hasty, submit(hasty, request(photos_that(lambda: killed.append(kill_workers())), THINGS)).job.id)

    assert len(killed) == 3, "as often as a message is given out"
    assert (job.job.status, job.predictions) == ("succeeded", ["cat", "rocket", None]), "what came before it isn't lost"
    assert job.errors is not None
    assert [(fault.index, fault.code) for fault in job.errors] == [(2, "internal_error")]
    whole(hasty, job, ends)
    # And the next one is worked on.
    assert ended(hasty, submit(hasty, request([text("I love it")])).job.id).predictions == ["positive"]


def test_a_message_that_comes_three_times_counts_once_with_two_workers_at_it(
    hasty: Deployment, photos_that: Any, ends: Ends
) -> None:
    at_once, together, most = 0, threading.Condition(), 0

    def meet() -> None:
        nonlocal at_once, most
        with together:
            at_once += 1
            most = max(most, at_once)
            together.notify_all()
            together.wait_for(lambda: at_once == 2, timeout=8)

    job_id = submit(hasty, request(photos_that(meet), THINGS)).job.id
    message = {"version": 1, "kind": "chunk", "tenant_id": "tests", "job_id": job_id, "start": 0, "stop": 3}
    for _ in range(2):
        hasty.stack.client("sqs").send_message(QueueUrl=hasty.stack.resources()["ChunkQueue"], MessageBody=json.dumps(message))
    job = ended(hasty, job_id)

    assert most == 2, "two workers were at it"
    assert job.predictions == ["cat", "rocket", "temple"]
    whole(hasty, job, ends)


def test_a_message_that_nobody_can_read_holds_up_no_other(hasty: Deployment, ends: Ends) -> None:
    sqs, queue = hasty.stack.client("sqs"), hasty.stack.resources()["ChunkQueue"]
    for body in ("no json", "{}", '{"version": 99, "kind": "chunk"}'):
        sqs.send_message(QueueUrl=queue, MessageBody=body)

    job = ended(hasty, submit(hasty, request(TEXTS)).job.id)

    whole(hasty, job, ends)
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (attributes["ApproximateNumberOfMessages"], attributes["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_a_job_whose_writer_was_lost_before_it_queued_it_ends(hasty: Deployment, ends: Ends) -> None:
    job = ended(hasty, submit(hasty, request(TEXTS)).job.id)
    orphan = of_itself(hasty, job.job.id, status={"S": "queued"}, agenda={"S": "JOBS"}, due_at={"N": "1"})

    sweep(hasty)  # unless the stack's own was faster

    assert ended(hasty, orphan).predictions == job.predictions
    whole(hasty, ended(hasty, orphan), ends)


def test_a_chunk_whose_message_is_gone_is_queued_again(hasty: Deployment, ends: Ends) -> None:
    job = ended(hasty, submit(hasty, request(TEXTS)).job.id)
    long_ago = {"updated_at": {"N": "1"}, "queued_at": {"N": "1"}}
    orphan = of_itself(hasty, job.job.id, status={"S": "processing"}, agenda={"S": "JOBS"}, due_at={"N": "1"}, **long_ago)

    sweep(hasty)  # unless the stack's own was faster

    whole(hasty, ended(hasty, orphan), ends)


@pytest.mark.parametrize("left", ["waiting", "taken_up"])
def test_an_end_whose_teller_was_lost_is_told(hasty: Deployment, ends: Ends, left: str) -> None:
    """The record is written as it stood before the end was told; one that waits is in the stream at once, too."""
    job = ended(hasty, submit(hasty, request(TEXTS)).job.id)
    told_for_good(hasty, job.job.id)
    orphan = job.job.id[:-1] + ("0" if job.job.id[-1] != "0" else "1")
    at_once = {"agenda": {"S": "JOBS"}, "due_at": {"N": "1"}, "announce_at": {"N": "1"}}
    lost = {"sk": {"S": orphan}, "announcement": {"S": left}, **at_once}
    hasty.stack.client("dynamodb").put_item(TableName=hasty.outputs["TableName"], Item=record(hasty, job.job.id) | lost)

    sweep(hasty)

    (event,) = ends.of(orphan)
    assert (event.status, event.succeeded) == ("succeeded", 3)
    told_for_good(hasty, orphan)
    assert len(ends.of(orphan)) == 1


# ------------------------------------------------------------------------------------------------------------- a restart


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Callable[[], tuple[LocalProcess, str]]]:
    """Start the local stack as `make start` does, over the same data each time: the process, and its API key."""
    running: list[LocalProcess] = []

    def begin() -> tuple[LocalProcess, str]:
        process = LocalProcess(tmp_path, open_port(0, ""), open_port(0, ""))
        running.append(process.__enter__())
        return process, bring_up(process, model)

    yield begin
    for process in running:
        process.stop()


def test_a_stack_that_is_restarted_with_jobs_queued_does_them(
    start: Callable[[], tuple[LocalProcess, str]],
) -> None:
    count = 2_500
    first, key = start()
    with httpx.Client(headers={"x-api-key": key}, timeout=60, trust_env=False) as client:
        dataset = [text(f"number {number} {'word ' * 40}") for number in range(count)]
        answer = client.post(first.api_url + JOBS, json=request(dataset))
        path = answer.headers["location"]
        first.stop()
        second, same_key = start()
        assert same_key == key
        with LocalStack(second.aws_url, STACK, ROOT) as stack:
            ends = Ends(stack)
        until = time.monotonic() + PATIENCE_S
        while not (job := JobResponse.model_validate(client.get(f"{second.api_url}{path}?wait=20").json())).job.finished_at:
            assert time.monotonic() < until, job

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", count, 0)
    assert job.predictions is not None
    assert set(job.predictions) <= {"positive", "negative"}
    assert len(ends.of(job.job.id)) == 1
