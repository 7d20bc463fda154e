"""Large bulk jobs on a deployed stack whose planners and workers are killed: every line has one result or one error."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.jobs import JobResponse, JobStatus
from pigeonhole_cli.local.command import api_key_manager
from support.stack.deployment import BUCKET, Deploy, Deployment, request, text
from support.stack.job_calls import find_processes, submit, wait_until_ended

PREFIX = "hasty/"
MOODS, THINGS = [text("positive"), text("negative")], [text("cat"), text("rocket"), text("flower")]
WORDS = ("I love it, it is wonderful.", "The worst I ever had.", "It arrived on Monday.", "Lovely, I'd buy it again!")
BAD_LINES = ("nonsense", '{"type": "text"}', '{"type": "image", "value": "s3://granted-images/hasty/gone.png"}')
# A span is attempted five times before its lines fail, so fewer workers than that are killed.
KILLED = ("WorkerFunction", "PlanFunction", "WorkerFunction", "PlanFunction", "WorkerFunction", "WorkerFunction")
KILL_S = (1.0, 5.0)  # between two kills


@pytest.fixture(scope="module")
def hasty(deployed: Deployment, deploy: Deploy) -> Deployment:
    """A stack that soon calls another planner or worker if one was killed. The bucket is that of the main stack."""
    hasty = deploy(
        "hasty-bulk",
        parameters={"ImageBucket": BUCKET, "ChunkVisibility": "10", "WorkerConcurrency": "2"},
        settings={
            "ApiFunction": {"PIGEONHOLE_SPAN_SAMPLES": "500"},
            "PlanFunction": {"PIGEONHOLE_PLANNING_S": "5"},
        },
    )
    queue = hasty.stack.resources()["PlanQueue"]
    hasty.stack.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "5"})
    keys = api_key_manager(hasty.stack, hasty.outputs)
    hasty.key = keys.create("tests", "granted", [S3Grant(bucket=BUCKET, prefix=PREFIX)]).value
    return hasty


@contextmanager
def kills(deployed: Deployment) -> Iterator[Counter[str]]:
    """Kill a worker or a planner now and then, as SIGKILL or a lack of memory would. Count the kills."""
    names, counts, ended = deployed.stack.resources(), Counter[str](), threading.Event()
    chance = random.Random(18)

    def kill() -> None:
        left = list(KILLED)
        while left and not ended.wait(chance.uniform(*KILL_S)):
            for pid in find_processes(names[left[0]])[:1]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    counts[left.pop(0)] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield counts
    finally:
        ended.set()
        thread.join()


def put_manifest(deployed: Deployment, name: str, lines: list[str]) -> dict[str, str]:
    data = "".join(line + "\n" for line in lines).encode()
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=PREFIX + name, Body=data)
    return {"s3_uri": f"s3://{BUCKET}/{PREFIX}{name}"}


def read_all(deployed: Deployment, ended: JobResponse) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of all parts and of all errors parts, which the results manifest names."""
    assert ended.results
    storage, bucket = deployed.stack.client("s3"), deployed.outputs["JobBucketName"]
    prefix = ended.results.prefix.removeprefix(f"s3://{bucket}/")
    manifest = httpx.get(ended.results.manifest_url).json()
    return {
        kind: [
            json.loads(line)
            for file in manifest[kind]
            for line in storage.get_object(Bucket=bucket, Key=prefix + file["name"])["Body"].read().splitlines()
        ]
        for kind in ("results", "errors")
    }


def is_bad(number: int) -> bool:
    return number % 100 == 42


def verify_every_line_once(rows: dict[str, list[dict[str, Any]]], count: int) -> None:
    lines = [row["line"] for row in rows["results"]], [row["line"] for row in rows["errors"]]
    assert lines == ([k + 1 for k in range(count) if not is_bad(k)], [k + 1 for k in range(count) if is_bad(k)])


def test_20_000_texts_have_one_result_or_one_error_each(hasty: Deployment) -> None:
    values = [f"{WORDS[k % len(WORDS)]} No. {k}" for k in range(20_000)]
    lines = [
        BAD_LINES[k // 100 % len(BAD_LINES)] if is_bad(k) else json.dumps({"type": "text", "value": value})
        for k, value in enumerate(values)
    ]
    body = {"input": put_manifest(hasty, "texts.jsonl", lines), "labels": MOODS, "scores": True}

    with kills(hasty) as counts:
        ended = wait_until_ended(hasty, submit(hasty, body).job.id, patience_s=900)

    assert ended.job.status is JobStatus.SUCCEEDED
    assert ended.job.progress.model_dump() == {"total": 20_000, "succeeded": 19_800, "failed": 200}
    rows = read_all(hasty, ended)
    verify_every_line_once(rows, 20_000)
    assert counts["WorkerFunction"] >= 1
    verify_synchronous_answers(hasty, [rows["results"][k] for k in range(0, 19_800, 660)], values, MOODS, "text")


def test_2_000_photos_have_one_result_or_one_error_each(hasty: Deployment, photos: dict[str, bytes]) -> None:
    storage = hasty.stack.client("s3")
    for name in ("cat", "rocket", "flower"):
        storage.put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}.png", Body=photos[name])
    values = [f"s3://{BUCKET}/{PREFIX}{('cat', 'rocket', 'flower')[k % 3]}.png" for k in range(2_000)]
    lines = [
        BAD_LINES[k // 100 % len(BAD_LINES)] if is_bad(k) else json.dumps({"type": "image", "value": value})
        for k, value in enumerate(values)
    ]
    body = {"input": put_manifest(hasty, "photos.jsonl", lines), "labels": THINGS, "scores": True}

    with kills(hasty) as counts:
        ended = wait_until_ended(hasty, submit(hasty, body).job.id, patience_s=900)

    assert ended.job.progress.model_dump() == {"total": 2_000, "succeeded": 1_980, "failed": 20}
    rows = read_all(hasty, ended)
    verify_every_line_once(rows, 2_000)
    assert counts["WorkerFunction"] >= 1
    verify_synchronous_answers(hasty, rows["results"][:6], values, THINGS, "image")


def verify_synchronous_answers(
    deployed: Deployment, rows: list[dict[str, Any]], values: list[str], labels: list[dict[str, Any]], kind: str
) -> None:
    samples = [{"type": kind, "value": values[row["line"] - 1]} for row in rows]
    answer = deployed.classify(request(samples, labels, scores=True)).json()
    assert [row["prediction"] for row in rows] == answer["predictions"]
    assert [score["probability"] for row in rows for score in row["scores"]] == pytest.approx(
        [score["probability"] for scores in answer["scores"] for score in scores], abs=1e-4
    )
