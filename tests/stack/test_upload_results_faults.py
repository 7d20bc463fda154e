"""Uploads under faults: overwritten, deleted, notified twice or out of order, and ingest killed in the middle of a batch."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lambda_batching import IngestBatcher, max_batch_size
from pigeonhole.aws.events import UPLOADS_CLASSIFIED
from pigeonhole.uploads.upload_tags import LABEL_TAG
from support.stack.deployment import Deployment, text
from support.stack.job_calls import PATIENCE_S, EventRecorder, find_processes
from support.stack.uploads import UploadFolder

VISIBLE_AFTER_S = 5
KILLS = 3  # fewer than the queue delivers a message
MANY = 480


@pytest.fixture(scope="module")
def folder(deploy: Any) -> UploadFolder:
    """Deploy a stack of its own, whose queue redelivers a notification within seconds if functions/ingest is killed."""
    deployed: Deployment = deploy("uploads", parameters={"WorkerConcurrency": "2", "TagUploads": "true"})
    deployed.stack.client("sqs").set_queue_attributes(
        QueueUrl=deployed.stack.resources()["IngestQueue"], Attributes={"VisibilityTimeout": str(VISIBLE_AFTER_S)}
    )
    labels = [text(thing) for thing in ("cat", "rocket", "temple")]
    assert deployed.call("PUT", "/v1/label-sets/things", {"labels": labels}).status_code == 200
    return UploadFolder(deployed, EventRecorder(deployed.stack, "uploads", UPLOADS_CLASSIFIED), "things")


def versions(folder: UploadFolder, key: str) -> list[str]:
    """Return the ids of a file's versions, newest first."""
    listed = folder.storage.list_object_versions(Bucket=folder.bucket, Prefix=key)["Versions"]
    return [version["VersionId"] for version in listed]


def test_a_file_that_is_overwritten_has_the_newer_ones_result(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    key = folder.upload("over.png", photos["cat"])
    folder.upload("over.png", photos["rocket"])

    newest, oldest = versions(folder, key)

    assert folder.wait_for_result(key, newest).prediction == "rocket"
    folder.wait_for_tag(key, LABEL_TAG, "rocket")
    assert folder.tags(key, oldest).get(LABEL_TAG) in (None, "cat"), "it has its own label, if one at all"


def test_a_late_notification_of_an_older_upload_changes_nothing(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with folder.paused_ingest():
        key = folder.upload("late.png", photos["cat"])
        folder.upload("late.png", photos["rocket"])
        both = {
            json.loads(message["Body"])["Records"][0]["s3"]["object"]["versionId"]: message
            for message in folder.take_notifications(2)
        }
    newest, oldest = versions(folder, key)

    folder.notify(both[newest])
    assert folder.wait_for_result(key, newest).prediction == "rocket"
    folder.notify(both[oldest])

    (event,) = folder.wait_for_events(key)
    assert (event.uploads[0].version_id, event.uploads[0].labels) == (newest, ["rocket"])
    assert folder.wait_for_result(key).version_id == newest


def test_a_file_is_classified_as_it_was_uploaded(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    """Even if it was deleted since, or if the file that replaced it was never notified."""
    with folder.paused_ingest():
        gone, over = folder.upload("gone.png", photos["cat"]), folder.upload("silent.png", photos["temple"])
        notifications = folder.take_notifications(2)
        folder.storage.delete_object(Bucket=folder.bucket, Key=gone)
        folder.upload("silent.png", photos["rocket"])
        folder.take_notifications(1)
    for message in notifications:
        folder.notify(message)

    assert folder.wait_for_result(gone).prediction == "cat"
    assert folder.wait_for_result(over).prediction == "temple"
    assert versions(folder, over)[1] == folder.wait_for_result(over).version_id


def test_lines_of_a_bulk_job_are_read_as_they_were_uploaded(folder: UploadFolder) -> None:
    """Even if the file was replaced before its notification arrived, and its notification arrives twice."""
    lines = [json.dumps(text("a rocket in the sky")), " " * 4_000_000]
    with folder.paused_ingest():
        key = folder.upload("over.jsonl", "\n".join(lines).encode())
        (notification,) = folder.take_notifications(1)
        folder.upload("over.jsonl", b"\n".join([b"no json"] * 2))
        folder.take_notifications(1)
    folder.notify(notification)
    folder.notify(notification)

    result = folder.wait_for_result(key)

    assert result.version_id == versions(folder, key)[1]
    assert result.samples is not None
    assert (result.samples.total, result.samples.succeeded) == (1, 1)
    (event,) = folder.wait_for_events(key)
    assert event.job_id == result.job_id


def test_a_file_whose_version_is_gone_has_a_result_that_says_so(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with folder.paused_ingest():
        keys = [folder.upload("erased.png", photos["cat"]), folder.upload("erased.txt", b"a text")]
        for key in keys:
            folder.storage.delete_object(Bucket=folder.bucket, Key=key, VersionId=versions(folder, key)[0])

    for key in keys:
        result = folder.wait_for_result(key)
        assert result.error is not None
        assert result.error.code == "unfetchable_url"


def test_a_notification_that_comes_three_times_gives_one_result(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with folder.paused_ingest():
        key = folder.upload("thrice.png", photos["temple"])
        (notification,) = folder.take_notifications(1)
        for _ in range(2):
            folder.notify(notification)
    folder.notify(notification)
    first = folder.wait_for_result(key)

    folder.notify(notification)

    (event,) = folder.wait_for_events(key)
    assert (event.uploads[0].labels, event.job_id) == (["temple"], first.job_id)
    assert folder.wait_for_result(key) == first


def test_files_that_come_together_are_one_job(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with folder.paused_ingest():
        keys = [folder.upload(f"together-{number}.png", photos["cat"]) for number in range(8)]
        time.sleep(1)  # the last notification is there
    results = folder.wait_for_results(keys)

    assert len({result.job_id for result in results.values()}) == 1


def test_hundreds_of_files_that_are_gathered_are_one_job(folder: UploadFolder) -> None:
    """As Lambda gathers them. Results of so many texts by so many labels are too large for the table: they lie in objects."""
    topics = [text(f"topic {number} and all that it is about") for number in range(24)]
    assert folder.deployed.call("PUT", "/v1/label-sets/topics", {"labels": topics}).status_code == 200
    of_topics = folder.of_label_set("topics")
    with folder.paused_ingest():
        batcher = IngestBatcher(stack=folder.deployed.stack, batch_size=max_batch_size())
        keys = [of_topics.upload(f"{number}.txt", f"text {number} of many".encode()) for number in range(MANY)]
        assert batcher.ingest(MANY) == [MANY]

    results = of_topics.wait_for_results(keys)

    (job_id,) = {result.job_id for result in results.values()}
    assert {result.status for result in results.values()} == {"succeeded"}
    assert len({result.prediction for result in results.values()}) > 1
    listing = folder.storage.list_objects_v2(Bucket=folder.deployed.outputs["JobBucketName"], Prefix=f"results/tests/{job_id}/")
    assert listing["KeyCount"] >= 1


def test_an_unreadable_notification_delays_no_upload(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    for body in ("no json", "{}", '{"Records": [{"s3": {}}]}', '{"Event": "s3:TestEvent"}'):
        folder.notify({"Body": body})
    folder.storage.put_object(Bucket=folder.bucket, Key="incoming/unknown/things/x.png", Body=b"x")
    folder.storage.put_object(Bucket=folder.bucket, Key="incoming/tests/", Body=b"")

    assert folder.wait_for_result(folder.upload("after.png", photos["cat"])).prediction == "cat"
    assert left_in(folder, "IngestDeadLetterQueue") == 0


def test_an_upload_that_cannot_be_ingested_now_is_retried_soon(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with without_job_bucket(folder):
        key = folder.upload("outage.png", photos["cat"])
        wait_for(lambda: '"redelivered":1' in logged(folder))

    assert folder.wait_for_result(key).prediction == "cat"
    assert folder.count_events([key]) == {key: 1}


@contextmanager
def without_job_bucket(folder: UploadFolder) -> Iterator[None]:
    """Let functions/ingest find no job bucket for the length of a block."""
    functions, name = folder.deployed.stack.client("lambda"), folder.deployed.stack.resources()["IngestFunction"]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    broken = variables | {"PIGEONHOLE_JOB_BUCKET": "there-is-none"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": broken})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < until
        time.sleep(0.2)


def logged(folder: UploadFolder) -> str:
    """Return the log of functions/ingest."""
    pages = folder.deployed.stack.client("logs").get_paginator("filter_log_events")
    log_pages = pages.paginate(logGroupName=folder.deployed.stack.resources()["IngestLogs"])
    return "\n".join(event["message"] for page in log_pages for event in page["events"])


def test_a_kill_in_the_middle_of_a_batch_loses_no_file(folder: UploadFolder, photos: dict[str, bytes]) -> None:
    with folder.paused_ingest():
        keys = [folder.upload(f"killed-{number}.txt", f"a cat, number {number}".encode()) for number in range(60)]
    broken_off = runs_broken_off(folder)
    killed = kill_while_working(folder)

    results = folder.wait_for_results(keys)

    assert killed == KILLS
    assert runs_broken_off(folder) > broken_off, "a killed run had uploads in hand"
    assert {result.status for result in results.values()} == {"succeeded"}
    assert left_in(folder, "IngestDeadLetterQueue") == 0
    folder.wait_for_events(keys[0])  # waits long enough for a second event of any file
    assert folder.count_events(keys) == dict.fromkeys(keys, 1)


def kill_while_working(folder: UploadFolder) -> int:
    """Kill functions/ingest while it has notifications in hand, as by SIGKILL or too little memory. Return how often."""
    function, killed = folder.deployed.stack.resources()["IngestFunction"], 0
    until = time.monotonic() + PATIENCE_S
    while killed < KILLS and time.monotonic() < until:
        working = find_processes(function) if left_in(folder, "IngestQueue", "ApproximateNumberOfMessagesNotVisible") else []
        for process in working[:1]:
            os.kill(process, signal.SIGKILL)
            killed += 1
        time.sleep(0.02)
    return killed


def runs_broken_off(folder: UploadFolder) -> int:
    """Return how many runs of functions/ingest have begun and not reported what they ingested."""
    log = logged(folder)
    return log.count("START RequestId") - log.count('"message":"ingested"')


def left_in(folder: UploadFolder, queue: str, which: str = "ApproximateNumberOfMessages") -> int:
    url = folder.deployed.stack.resources()[queue]
    attributes = folder.deployed.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[which])
    return int(attributes["Attributes"][which])
