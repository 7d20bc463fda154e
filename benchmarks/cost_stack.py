"""A local stack that classifies photos and texts by each way into the service, for benchmarks/costs.py."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from aws_costs import FUNCTIONS_WITHOUT_JOBS
from benchmark_stack import PATIENCE_S, TENANT, BenchmarkStack
from bulk import WORDS
from function_cpu import ProcessTime, read_processes
from packaged_photos import LABELS
from pigeonhole.contract.jobs import JOBS

Samples: TypeAlias = Sequence[dict[str, str]]
POLL_S = 1.0
HAS_ENDED = ("succeeded", "failed", "canceled")


@dataclass(frozen=True)
class CostStack:
    """A deployed stack whose functions are measured.

    Attributes:
        deployed: The stack.
        photos: JPEG files.
    """

    deployed: BenchmarkStack
    photos: Sequence[bytes]

    def read_processes(self) -> dict[int, ProcessTime]:
        """Read the CPU time of the functions' processes. Functions have their names in the template."""
        processes = read_processes(self.deployed.stack.aws_url)
        named = {pid: replace(each, function=self.deployed.name_of(each.function)) for pid, each in processes.items()}
        return {pid: each for pid, each in named.items() if each.function not in FUNCTIONS_WITHOUT_JOBS}

    def request(self, size: int, samples: Samples) -> None:
        """Classify samples by direct requests of `size` samples."""
        for first in range(0, len(samples), size):
            body = {"dataset": samples[first : first + size], "labels": to_labels()}
            self.deployed.http.post("/v1/classification", json=body).raise_for_status()

    def run_job(self, samples: Samples) -> None:
        """Classify samples by a job."""
        self._run({"dataset": samples, "labels": to_labels()})

    def run_bulk_job(self, samples: Samples) -> None:
        """Classify samples by a bulk job over a manifest."""
        lines = "".join(json.dumps(sample) + "\n" for sample in samples)
        self._run({"input": {"s3_uri": self._put("manifest.jsonl", lines.encode())}, "labels": to_labels()})

    def _run(self, body: dict[str, Any]) -> None:
        job_id = self.deployed.http.post(JOBS, json=body).raise_for_status().json()["job"]["id"]
        self._wait(job_id)
        answer = self.deployed.http.get(f"{JOBS}/{job_id}").raise_for_status().json()
        if answer["job"]["progress"]["failed"]:
            raise SystemExit(f"the job can't read some samples: {answer.get('errors', [])[:3]}")

    def _wait(self, job_id: str) -> None:
        # Read from the table, because a caller needs no other request than the two that are counted.
        key = {"pk": {"S": f"JOBS#{TENANT}"}, "sk": {"S": job_id}}
        table, deadline = self.deployed.resources["Table"], time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            item = self.deployed.stack.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
            if item["status"]["S"] in HAS_ENDED:
                return
            time.sleep(POLL_S)
        raise SystemExit(f"the job did not end within {PATIENCE_S:.0f} s")

    def _put(self, name: str, content: bytes) -> str:
        bucket, object_key = self.deployed.resources["UploadBucket"], f"uploads/{TENANT}/{name}"
        self.deployed.stack.client("s3").put_object(Bucket=bucket, Key=object_key, Body=content)
        return f"s3://{bucket}/{object_key}"

    @cached_property
    def inline_photos(self) -> Samples:
        """The photos as samples of a request."""
        return [to_sample("image", "data:image/jpeg;base64," + base64.b64encode(photo).decode()) for photo in self.photos]

    @cached_property
    def stored_photos(self) -> Samples:
        """The photos as samples of a job, in the bucket of uploads."""
        return [to_sample("image", self._put(f"{k:05}.jpg", photo)) for k, photo in enumerate(self.photos)]


def to_sample(kind: str, value: str) -> dict[str, str]:
    """Build a sample of a request."""
    return {"type": kind, "value": value}


def to_labels() -> Samples:
    """Build the labels of a request."""
    return [to_sample("text", label) for label in LABELS]


def create_texts(count: int) -> Samples:
    """Create short texts, all of them distinct."""
    return [to_sample("text", f"{WORDS[k % len(WORDS)]} {k}") for k in range(count)]
