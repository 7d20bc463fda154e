"""Files in a deployed stack's upload bucket, and their results and events."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from pigeonhole.contract.messages import UploadsClassified
from pigeonhole.contract.upload_results import UploadResult, UploadResultsResponse
from support.stack.deployment import Deployment
from support.stack.job_calls import PATIENCE_S, QUIET_S, EventRecorder

UPLOADS, RESULTS = "/v1/uploads", "/v1/results"


def create_form(deployed: Deployment, key: str = "", **body: Any) -> dict[str, Any]:
    answer = deployed.call("POST", UPLOADS, {"content_type": "image/png", **body}, key=key)
    assert answer.status_code == 200, answer.text
    form: dict[str, Any] = answer.json()["upload"]
    return form


def send_form(form: dict[str, Any], data: bytes, **changes: str) -> httpx.Response:
    return httpx.post(form["url"], data=form["fields"] | changes, files={"file": ("file", data)}, timeout=60)


class UploadFolder:
    """A label set's folder in the upload bucket, and the results and events of its files.

    The tenant is `tests`.
    """

    def __init__(self, deployed: Deployment, recorder: EventRecorder, label_set: str) -> None:
        self.deployed, self._recorder = deployed, recorder
        self.storage, self.bucket = deployed.stack.client("s3"), deployed.outputs["UploadBucketName"]
        self.prefix = f"incoming/tests/{label_set}/"

    def upload(self, name: str, data: bytes, **tags: str) -> str:
        """Upload a file with tags. Return its object key."""
        tagged = {"Tagging": "&".join(f"{key}={value}" for key, value in tags.items())} if tags else {}
        self.storage.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data, **tagged)
        return self.prefix + name

    def wait_for_result(self, key: str, version_id: str | None = None) -> UploadResult:
        """Wait for the result of a file: of its last upload, or of a given version."""
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

    def wait_for_results(self, keys: Collection[str]) -> dict[str, UploadResult]:
        """Wait for the results of files."""
        until = time.monotonic() + PATIENCE_S
        results: dict[str, UploadResult] = {}
        while len(results) < len(keys):
            assert time.monotonic() < until, set(keys) - set(results)
            results = {result.key: result for result in self.list_results(prefix=self.prefix) if result.key in keys}
            time.sleep(0.5)
        return results

    def list_results(self, **wanted: str) -> Iterator[UploadResult]:
        """Read all pages of a list of results."""
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
        version = {"Bucket": self.bucket, "Key": key, **({"VersionId": version_id} if version_id else {})}
        return {tag["Key"]: tag["Value"] for tag in self.storage.get_object_tagging(**version)["TagSet"]}

    def wait_for_tag(self, key: str, name: str, value: str) -> None:
        """Wait for a tag of a file's last version. It is written after the result."""
        until = time.monotonic() + PATIENCE_S
        while self.tags(key).get(name) != value:
            assert time.monotonic() < until, self.tags(key)
            time.sleep(0.1)

    def read_stored(self, result: UploadResult) -> Any:
        """Return the line of the results object that a result names."""
        assert result.results_uri is not None
        assert result.results_line is not None
        key = result.results_uri.removeprefix(f"s3://{self.bucket}/")
        data = self.storage.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return json.loads(data.splitlines()[result.results_line - 1])

    def wait_for_events(self, key: str, *, times: int = 1) -> list[UploadsClassified]:
        """Wait for that many events of a file, then a while for more. Return all of them, without the other files in them."""
        until = time.monotonic() + PATIENCE_S / 4
        while time.monotonic() < until and len(self._of(key)) < times:
            time.sleep(0.1)
        time.sleep(QUIET_S)
        return self._of(key)

    def count_events(self, keys: Collection[str]) -> Counter[str]:
        """Return how many events each file has had so far."""
        uploads = (upload["key"] for event in self._recorder.details() for upload in event["uploads"])
        return Counter(key for key in uploads if key in keys)

    def _of(self, key: str) -> list[UploadsClassified]:
        events = [UploadsClassified.model_validate(event) for event in self._recorder.details()]
        return [
            event.model_copy(update={"uploads": [upload]})
            for event in events
            for upload in event.uploads
            if upload.key == key and event.bucket == self.bucket
        ]

    def of_label_set(self, label_set: str) -> UploadFolder:
        """Return the folder of another label set."""
        return UploadFolder(self.deployed, self._recorder, label_set)

    @contextmanager
    def paused_ingest(self) -> Iterator[None]:
        """Let notifications wait in their queue for the length of a block."""
        functions, name = self.deployed.stack.client("lambda"), self.deployed.stack.resources()["IngestFunction"]
        (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    def take_notifications(self, count: int) -> list[dict[str, Any]]:
        """Wait for `count` notifications and take them out of the queue. Only inside of `paused_ingest`."""
        queues, url = self.deployed.stack.client("sqs"), self.deployed.stack.resources()["IngestQueue"]
        messages: list[dict[str, Any]] = []
        until = time.monotonic() + PATIENCE_S
        while len(messages) < count:
            assert time.monotonic() < until
            for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ()):
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                messages.append(message)
        return messages

    def notify(self, message: Mapping[str, Any]) -> None:
        """Put a notification back into the queue."""
        url = self.deployed.stack.resources()["IngestQueue"]
        self.deployed.stack.client("sqs").send_message(QueueUrl=url, MessageBody=message["Body"])
