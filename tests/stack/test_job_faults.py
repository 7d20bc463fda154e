"""Jobs under faults: each job ends with one result or one error per sample, and with one event."""

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
from support.stack.job_calls import PATIENCE_S, JobEndEvents, copy_interrupted, find_processes, submit, sweep, wait_until_ended

ROOT = Path(__file__).resolve().parents[2]
THINGS = [text("cat"), text("rocket"), text("temple")]
TEXTS = [text(f"number {number}") for number in range(3)]


@pytest.fixture(scope="module")
def hasty(deploy: Any) -> Deployment:
    """A stack that redelivers the chunk of a crashed worker after five seconds."""
    deployment: Deployment = deploy("hasty-workers", parameters={"ChunkVisibility": "5", "WorkerConcurrency": "2"})
    return deployment


@pytest.fixture(scope="module")
def kill_workers(hasty: Deployment) -> Callable[[], int]:
    """Kill the stack's workers, as SIGKILL or a lack of memory would. Return their number."""
    name = hasty.stack.resources()["WorkerFunction"]

    def kill() -> int:
        pids = find_processes(name)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    return kill


@pytest.fixture
def photos_that(web: Any, photos: dict[str, bytes]) -> Callable[..., list[dict[str, str]]]:
    """Serve three photos. `first` is called before each fetch of the last one."""

    def serve(first: Callable[[], None]) -> list[dict[str, str]]:
        give = respond(photos["temple"])

        def answer(connection: socket.socket, head: str) -> None:
            first()
            give(connection, head)

        server = web({"/cat": photos["cat"], "/rocket": photos["rocket"], "/last": answer})
        return [image(server.url(path)) for path in ("/cat", "/rocket", "/last")]

    return serve


def wait_until_settled(deployed: Deployment, job_id: str) -> None:
    """Wait until the end of a job is published and the sweeper has nothing left to do for it."""
    until = time.monotonic() + PATIENCE_S
    while True:
        item = record(deployed, job_id)
        if item["announcement"]["S"] == "made" and "due_at" not in item:
            return
        assert time.monotonic() < until, item
        time.sleep(0.2)


def record(deployed: Deployment, job_id: str) -> dict[str, dict[str, str]]:
    """Read the record of a job."""
    key = {"pk": {"S": "JOBS#tests"}, "sk": {"S": job_id}}
    answer = deployed.stack.client("dynamodb").get_item(TableName=deployed.outputs["TableName"], Key=key, ConsistentRead=True)
    item: dict[str, dict[str, str]] = answer["Item"]
    return item


def assert_whole(deployed: Deployment, job: JobResponse, ends: JobEndEvents) -> None:
    """Assert that a finished job has one result or one error per sample, matching counters, and one event."""
    progress = job.job.progress
    assert job.predictions is not None
    assert job.errors is not None
    assert len(job.predictions) == progress.total == progress.succeeded + progress.failed
    assert [index for index, chosen in enumerate(job.predictions) if chosen is None] == [error.index for error in job.errors]
    assert len(job.errors) == progress.failed
    wait_until_settled(deployed, job.job.id)  # otherwise the sweeper would publish it again a minute later
    events = ends.wait_for(job.job.id)
    assert [(event.status, event.succeeded, event.failed) for event in events] == [
        (job.job.status, progress.succeeded, progress.failed)
    ]


def test_a_worker_that_is_killed_in_the_middle_of_a_chunk_loses_nothing(
    hasty: Deployment, kill_workers: Callable[[], int], photos_that: Any, ends: JobEndEvents
) -> None:
    killed: list[int] = []

    def once() -> None:
        if not killed:
            killed.append(kill_workers())

    job = wait_until_ended(hasty, submit(hasty, request(photos_that(once), THINGS)).job.id)

    assert killed[0] >= 1
    assert job.predictions == ["cat", "rocket", "temple"]
    assert_whole(hasty, job, ends)


def test_a_sample_that_kills_each_of_its_workers_fails_and_its_job_ends(
    hasty: Deployment, kill_workers: Callable[[], int], photos_that: Any, ends: JobEndEvents
) -> None:
    killed: list[int] = []

    job = wait_until_ended(hasty, submit(hasty, request(photos_that(lambda: killed.append(kill_workers())), THINGS)).job.id)

    assert 3 <= len(killed) <= 5, "a message is given out five times, and a kill may meet a worker before it reads the photo"
    assert (job.job.status, job.predictions) == ("succeeded", ["cat", "rocket", None]), "the results before the sample are kept"
    assert job.errors is not None
    assert [(fault.index, fault.code) for fault in job.errors] == [(2, "internal_error")]
    assert_whole(hasty, job, ends)
    # The next job is processed.
    assert wait_until_ended(hasty, submit(hasty, request([text("I love it")])).job.id).predictions == ["positive"]


def test_a_message_that_is_delivered_three_times_to_two_workers_counts_once(
    hasty: Deployment, photos_that: Any, ends: JobEndEvents
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
    job = wait_until_ended(hasty, job_id)

    assert most == 2, "two workers processed it"
    assert job.predictions == ["cat", "rocket", "temple"]
    assert_whole(hasty, job, ends)


def test_an_unreadable_message_delays_no_other(hasty: Deployment, ends: JobEndEvents) -> None:
    sqs, queue = hasty.stack.client("sqs"), hasty.stack.resources()["ChunkQueue"]
    for body in ("no json", "{}", '{"version": 99, "kind": "chunk"}'):
        sqs.send_message(QueueUrl=queue, MessageBody=body)

    job = wait_until_ended(hasty, submit(hasty, request(TEXTS)).job.id)

    assert_whole(hasty, job, ends)
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert (attributes["ApproximateNumberOfMessages"], attributes["ApproximateNumberOfMessagesNotVisible"]) == ("0", "0")


def test_a_dead_chunk_that_no_worker_has_attempted_is_classified_after_all(hasty: Deployment, ends: JobEndEvents) -> None:
    job = wait_until_ended(hasty, submit(hasty, request(TEXTS)).job.id)
    throttled = copy_interrupted(hasty, job.job.id, status={"S": "processing"})
    message = {"version": 1, "kind": "chunk", "tenant_id": "tests", "job_id": throttled, "start": 0, "stop": 3}

    hasty.stack.client("sqs").send_message(QueueUrl=hasty.stack.resources()["DeadLetterQueue"], MessageBody=json.dumps(message))

    assert wait_until_ended(hasty, throttled).predictions == job.predictions
    assert_whole(hasty, wait_until_ended(hasty, throttled), ends)


def test_a_job_that_a_crash_left_unqueued_ends(hasty: Deployment, ends: JobEndEvents) -> None:
    job = wait_until_ended(hasty, submit(hasty, request(TEXTS)).job.id)
    orphan = copy_interrupted(hasty, job.job.id, status={"S": "queued"}, agenda={"S": "JOBS"}, due_at={"N": "1"})

    sweep(hasty)  # unless the scheduled sweep was faster

    assert wait_until_ended(hasty, orphan).predictions == job.predictions
    assert_whole(hasty, wait_until_ended(hasty, orphan), ends)


def test_a_chunk_whose_message_was_lost_is_queued_again(hasty: Deployment, ends: JobEndEvents) -> None:
    job = wait_until_ended(hasty, submit(hasty, request(TEXTS)).job.id)
    long_ago = {"updated_at": {"N": "1"}, "queued_at": {"N": "1"}}
    orphan = copy_interrupted(
        hasty, job.job.id, status={"S": "processing"}, agenda={"S": "JOBS"}, due_at={"N": "1"}, **long_ago
    )

    sweep(hasty)  # unless the scheduled sweep was faster

    assert_whole(hasty, wait_until_ended(hasty, orphan), ends)


@pytest.mark.parametrize("left", ["waiting", "taken_up"])
def test_an_end_whose_notifier_crashed_is_published(hasty: Deployment, ends: JobEndEvents, left: str) -> None:
    """The record is restored to its state before the end was published. A pending one is also in the stream at once."""
    job = wait_until_ended(hasty, submit(hasty, request(TEXTS)).job.id)
    wait_until_settled(hasty, job.job.id)
    orphan = job.job.id[:-1] + ("0" if job.job.id[-1] != "0" else "1")
    at_once = {"agenda": {"S": "JOBS"}, "due_at": {"N": "1"}, "announce_at": {"N": "1"}}
    lost = {"sk": {"S": orphan}, "announcement": {"S": left}, **at_once}
    hasty.stack.client("dynamodb").put_item(TableName=hasty.outputs["TableName"], Item=record(hasty, job.job.id) | lost)

    sweep(hasty)

    (event,) = ends.wait_for(orphan)
    assert (event.status, event.succeeded) == ("succeeded", 3)
    wait_until_settled(hasty, orphan)
    assert len(ends.wait_for(orphan)) == 1


# ------------------------------------------------------------------------------------------------------------- a restart


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Callable[[], tuple[LocalProcess, str]]]:
    """Start the local stack as `make start` does, over the same data each time. Return the process and its API key."""
    running: list[LocalProcess] = []

    def begin() -> tuple[LocalProcess, str]:
        process = LocalProcess(tmp_path, open_port(0, ""), open_port(0, ""))
        running.append(process.__enter__())
        return process, bring_up(process, model)

    yield begin
    for process in running:
        process.stop()


def test_a_restarted_stack_processes_its_queued_jobs(
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
            ends = JobEndEvents(stack)
        until = time.monotonic() + PATIENCE_S
        while not (job := JobResponse.model_validate(client.get(f"{second.api_url}{path}?wait=20").json())).job.finished_at:
            assert time.monotonic() < until, job

    assert (job.job.status, job.job.progress.succeeded, job.job.progress.failed) == ("succeeded", count, 0)
    assert job.predictions is not None
    assert set(job.predictions) <= {"positive", "negative"}
    assert len(ends.wait_for(job.job.id)) == 1
