"""Dropped files while things go wrong: overwritten, deleted, told of again, out of order; ingest killed in mid-batch."""

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
from pigeonhole.aws.events import UPLOAD_CLASSIFIED
from pigeonhole.uploads.upload_tags import LABEL_TAG
from support.stack.deployment import Deployment, text
from support.stack.dropping import Drops
from support.stack.job_calls import PATIENCE_S, Heard, processes_of

VISIBLE_AFTER_S = 5
KILLS = 3  # fewer than a message is given out
MANY = 480


@pytest.fixture(scope="module")
def drops(deploy: Any) -> Drops:
    """A stack of its own, whose notifications may be held up, and come again after seconds if ingest is lost."""
    deployed: Deployment = deploy("dropping", parameters={"WorkerConcurrency": "2"})
    deployed.stack.client("sqs").set_queue_attributes(
        QueueUrl=deployed.stack.resources()["IngestQueue"], Attributes={"VisibilityTimeout": str(VISIBLE_AFTER_S)}
    )
    labels = [text(thing) for thing in ("cat", "rocket", "temple")]
    assert deployed.call("PUT", "/v1/label-sets/things", {"labels": labels}).status_code == 200
    return Drops(deployed, Heard(deployed.stack, "dropping", UPLOAD_CLASSIFIED), "things")


def versions(drops: Drops, key: str) -> list[str]:
    """The ids of a file's versions, the newest first."""
    listed = drops.storage.list_object_versions(Bucket=drops.bucket, Prefix=key)["Versions"]
    return [each["VersionId"] for each in listed]


def test_a_file_that_is_overwritten_has_the_newer_ones_result(drops: Drops, photos: dict[str, bytes]) -> None:
    key = drops.put("over.png", photos["cat"])
    drops.put("over.png", photos["rocket"])

    newest, oldest = versions(drops, key)

    assert drops.result(key, newest).prediction == "rocket"
    assert drops.tags(key)[LABEL_TAG] == "rocket"
    assert drops.tags(key, oldest).get(LABEL_TAG) in (None, "cat"), "it has its own label, if one at all"


def test_an_older_upload_that_is_told_of_later_changes_nothing(drops: Drops, photos: dict[str, bytes]) -> None:
    with drops.paused():
        key = drops.put("late.png", photos["cat"])
        drops.put("late.png", photos["rocket"])
        both = {json.loads(it["Body"])["Records"][0]["s3"]["object"]["versionId"]: it for it in drops.waiting(2)}
    newest, oldest = versions(drops, key)

    drops.notify(both[newest])
    assert drops.result(key, newest).prediction == "rocket"
    drops.notify(both[oldest])

    (event,) = drops.told(key)
    assert (event.version_id, event.labels) == (newest, ["rocket"])
    assert drops.result(key).version_id == newest


def test_a_file_is_classified_as_it_was_dropped(drops: Drops, photos: dict[str, bytes]) -> None:
    """Also where it has been deleted since, or what lies there now was never told of."""
    with drops.paused():
        gone, over = drops.put("gone.png", photos["cat"]), drops.put("silent.png", photos["temple"])
        told = drops.waiting(2)
        drops.storage.delete_object(Bucket=drops.bucket, Key=gone)
        drops.put("silent.png", photos["rocket"])
        drops.waiting(1)
    for message in told:
        drops.notify(message)

    assert drops.result(gone).prediction == "cat"
    assert drops.result(over).prediction == "temple"
    assert versions(drops, over)[1] == drops.result(over).version_id


def test_a_file_whose_version_is_gone_has_a_result_that_says_so(drops: Drops, photos: dict[str, bytes]) -> None:
    with drops.paused():
        keys = [drops.put("erased.png", photos["cat"]), drops.put("erased.txt", b"a text")]
        for key in keys:
            drops.storage.delete_object(Bucket=drops.bucket, Key=key, VersionId=versions(drops, key)[0])

    for key in keys:
        result = drops.result(key)
        assert result.error is not None
        assert result.error.code == "unfetchable_url"


def test_a_notification_that_comes_three_times_gives_one_result(drops: Drops, photos: dict[str, bytes]) -> None:
    with drops.paused():
        key = drops.put("thrice.png", photos["temple"])
        (told,) = drops.waiting(1)
        for _ in range(2):
            drops.notify(told)
    drops.notify(told)
    first = drops.result(key)

    drops.notify(told)

    (event,) = drops.told(key)
    assert (event.labels, event.job_id) == (["temple"], first.job_id)
    assert drops.result(key) == first


def test_files_that_come_together_are_one_job(drops: Drops, photos: dict[str, bytes]) -> None:
    with drops.paused():
        keys = [drops.put(f"together-{number}.png", photos["cat"]) for number in range(8)]
        time.sleep(1)  # the last notification is there
    found = drops.results(keys)

    assert len({result.job_id for result in found.values()}) == 1


def test_hundreds_of_files_that_are_gathered_are_one_job(drops: Drops) -> None:
    """As Lambda gathers them. Results of so many texts by so many labels are too large for the table: they lie in objects."""
    topics = [text(f"topic {number} and all that it is about") for number in range(24)]
    assert drops.deployed.call("PUT", "/v1/label-sets/topics", {"labels": topics}).status_code == 200
    of_topics = drops.of("topics")
    with drops.paused():
        gathered = IngestBatcher(stack=drops.deployed.stack, batch_size=max_batch_size())
        keys = [of_topics.put(f"{number}.txt", f"text {number} of many".encode()) for number in range(MANY)]
        assert gathered(MANY) == [MANY]

    found = of_topics.results(keys)

    (job_id,) = {result.job_id for result in found.values()}
    assert {result.status for result in found.values()} == {"succeeded"}
    assert len({result.prediction for result in found.values()}) > 1
    of_job = drops.storage.list_objects_v2(Bucket=drops.deployed.outputs["JobBucketName"], Prefix=f"results/tests/{job_id}/")
    assert of_job["KeyCount"] >= 1


def test_what_nobody_can_read_holds_up_no_other(drops: Drops, photos: dict[str, bytes]) -> None:
    for body in ("no json", "{}", '{"Records": [{"s3": {}}]}', '{"Event": "s3:TestEvent"}'):
        drops.notify({"Body": body})
    drops.storage.put_object(Bucket=drops.bucket, Key="incoming/nobody/things/x.png", Body=b"x")
    drops.storage.put_object(Bucket=drops.bucket, Key="incoming/tests/", Body=b"")

    assert drops.result(drops.put("after.png", photos["cat"])).prediction == "cat"
    assert left_in(drops, "IngestDeadLetterQueue") == 0


def test_a_file_that_cannot_be_taken_now_comes_again_soon(drops: Drops, photos: dict[str, bytes]) -> None:
    with without_job_bucket(drops):
        key = drops.put("outage.png", photos["cat"])
        wait_for(lambda: '"redelivered":1' in logged(drops))

    assert drops.result(key).prediction == "cat"
    assert drops.told_of([key]) == {key: 1}


@contextmanager
def without_job_bucket(drops: Drops) -> Iterator[None]:
    """Let functions/ingest find no bucket to put jobs into meanwhile."""
    functions, name = drops.deployed.stack.client("lambda"), drops.deployed.stack.resources()["IngestFunction"]
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


def logged(drops: Drops) -> str:
    """All that functions/ingest has logged."""
    pages = drops.deployed.stack.client("logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=drops.deployed.stack.resources()["IngestLogs"])
    return "\n".join(event["message"] for page in found for event in page["events"])


def test_ingest_that_is_killed_in_mid_batch_loses_no_file(drops: Drops, photos: dict[str, bytes]) -> None:
    with drops.paused():
        keys = [drops.put(f"killed-{number}.txt", f"a cat, number {number}".encode()) for number in range(60)]
    broken_off = runs_broken_off(drops)
    killed = kill_while_working(drops)

    found = drops.results(keys)

    assert killed == KILLS
    assert runs_broken_off(drops) > broken_off, "one of them had files in hand"
    assert {result.status for result in found.values()} == {"succeeded"}
    assert left_in(drops, "IngestDeadLetterQueue") == 0
    drops.told(keys[0])  # and time for others to come twice
    assert drops.told_of(keys) == dict.fromkeys(keys, 1)


def kill_while_working(drops: Drops) -> int:
    """Kill functions/ingest while it has notifications in hand, as by SIGKILL or too little memory; how often that was."""
    function, killed = drops.deployed.stack.resources()["IngestFunction"], 0
    until = time.monotonic() + PATIENCE_S
    while killed < KILLS and time.monotonic() < until:
        working = processes_of(function) if left_in(drops, "IngestQueue", "ApproximateNumberOfMessagesNotVisible") else []
        for process in working[:1]:
            os.kill(process, signal.SIGKILL)
            killed += 1
        time.sleep(0.02)
    return killed


def runs_broken_off(drops: Drops) -> int:
    """How many runs of functions/ingest have begun and never said what they took."""
    log = logged(drops)
    return log.count("START RequestId") - log.count('"message":"ingested"')


def left_in(drops: Drops, queue: str, which: str = "ApproximateNumberOfMessages") -> int:
    url = drops.deployed.stack.resources()[queue]
    attributes = drops.deployed.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[which])
    return int(attributes["Attributes"][which])
