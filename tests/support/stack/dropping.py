"""Files dropped into a deployed stack's bucket: put there, waited for, told of by events."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from pigeonhole.contract.messages import UploadClassified
from pigeonhole.contract.upload_results import UploadResult, UploadResultsResponse
from support.stack.deployment import Deployment
from support.stack.job_calls import PATIENCE_S, QUIET_S, Heard

UPLOADS, RESULTS = "/v1/uploads", "/v1/results"


def form(deployed: Deployment, key: str = "", **body: Any) -> dict[str, Any]:
    answer = deployed.call("POST", UPLOADS, {"content_type": "image/png", **body}, key=key)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["upload"]
    return made


def send(made: dict[str, Any], data: bytes, **changes: str) -> httpx.Response:
    return httpx.post(made["url"], data=made["fields"] | changes, files={"file": ("file", data)}, timeout=60)


class Drops:
    """The upload bucket of a stack as its owner has it, and what the tenant `tests` is told."""

    def __init__(self, deployed: Deployment, heard: Heard, label_set: str) -> None:
        self.deployed, self._heard = deployed, heard
        self.storage, self.bucket = deployed.stack.client("s3"), deployed.outputs["UploadBucketName"]
        self.prefix = f"incoming/tests/{label_set}/"

    def put(self, name: str, data: bytes, **tags: str) -> str:
        """Put a file into the label set's folder; its key."""
        tagged = {"Tagging": "&".join(f"{key}={value}" for key, value in tags.items())} if tags else {}
        self.storage.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data, **tagged)
        return self.prefix + name

    def result(self, key: str, version_id: str | None = None) -> UploadResult:
        """What became of a file, waited for: of its last upload, or of the one that is named."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            answer = self.deployed.http.get(
                self.deployed.url + RESULTS, params={"key": key}, headers={"x-api-key": self.deployed.key}
            )
            if answer.status_code == 200:
                (result,) = UploadResultsResponse.model_validate(answer.json()).results
                if version_id in (None, result.version_id):
                    return result
            else:
                assert answer.status_code == 404, answer.text
            time.sleep(0.2)
        raise AssertionError(f"{key} has no result")

    def results(self, keys: Collection[str]) -> dict[str, UploadResult]:
        """What became of files, waited for."""
        until = time.monotonic() + PATIENCE_S
        found: dict[str, UploadResult] = {}
        while len(found) < len(keys):
            assert time.monotonic() < until, set(keys) - set(found)
            found = {result.key: result for result in self.every(prefix=self.prefix) if result.key in keys}
            time.sleep(0.5)
        return found

    def every(self, **wanted: str) -> Iterator[UploadResult]:
        """All results of a list, page after page."""
        params = {"limit": "100", **wanted}
        while True:
            answer = self.deployed.http.get(
                self.deployed.url + RESULTS, params=params, headers={"x-api-key": self.deployed.key}
            )
            assert answer.status_code == 200, answer.text
            page = UploadResultsResponse.model_validate(answer.json())
            yield from page.results
            if page.cursor is None:
                return
            params["cursor"] = page.cursor

    def tags(self, key: str, version_id: str | None = None) -> Mapping[str, str]:
        place = {"Bucket": self.bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
        return {tag["Key"]: tag["Value"] for tag in self.storage.get_object_tagging(**place)["TagSet"]}

    def told(self, key: str, *, times: int = 1) -> list[UploadClassified]:
        """The events of a file, waited for until so many have come and no other follows."""
        until = time.monotonic() + PATIENCE_S / 4
        while time.monotonic() < until and len(self._of(key)) < times:
            time.sleep(0.1)
        time.sleep(QUIET_S)
        return self._of(key)

    def told_of(self, keys: Collection[str]) -> Counter[str]:
        """How many events each of some files has had so far."""
        return Counter(event["key"] for event in self._heard.so_far() if event["key"] in keys)

    def _of(self, key: str) -> list[UploadClassified]:
        found = [UploadClassified.model_validate(event) for event in self._heard.so_far()]
        return [event for event in found if event.key == key and event.bucket == self.bucket]

    def of(self, label_set: str) -> Drops:
        """The same for another label set."""
        return Drops(self.deployed, self._heard, label_set)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let notifications wait in their queue meanwhile."""
        functions, name = self.deployed.stack.client("lambda"), self.deployed.stack.resources()["IngestFunction"]
        (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def waiting(self, count: int) -> list[dict[str, Any]]:
        """Take `count` notifications out of the queue, waited for. Only while it is paused."""
        queues, url = self.deployed.stack.client("sqs"), self.deployed.stack.resources()["IngestQueue"]
        found: list[dict[str, Any]] = []
        until = time.monotonic() + PATIENCE_S
        while len(found) < count:
            assert time.monotonic() < until
            for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
        return found

    def notify(self, message: Mapping[str, Any]) -> None:
        """Put a notification that was taken out into the queue."""
        url = self.deployed.stack.resources()["IngestQueue"]
        self.deployed.stack.client("sqs").send_message(QueueUrl=url, MessageBody=message["Body"])
