"""GPU workers of the deployed stack: the job definition's command, as the local stack runs it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pigeonhole.contract.jobs import JobStatus
from support.stack.deployment import Deployment, text
from support.stack.gpu_jobs import GpuJobs
from support.stack.job_calls import wait_until_ended

OPTIONS = {"labels": [text("positive"), text("negative")]}
WORDS = ("I love it, it is wonderful.", "The worst I ever had.")
START_S = 60.0


@pytest.fixture(scope="module")
def gpu_jobs(deployed: Deployment) -> GpuJobs:
    return GpuJobs.of(deployed)


def line(number: int) -> dict[str, Any]:
    return {"custom_id": str(number), "type": "text", "value": f"{WORDS[number % 2]} No. {number}"}


def test_the_tasks_of_a_run_classify_every_line_once(deployed: Deployment, gpu_jobs: GpuJobs) -> None:
    lines = [line(number) for number in range(40)]
    lines[7] = {"custom_id": "7", "type": "image", "value": "s3://nobody/x.png"}
    job = gpu_jobs.create(deployed, "gpu.jsonl", lines, OPTIONS, samples=20)

    run_id = gpu_jobs.run(job)
    ended = wait_until_ended(deployed, job.id)

    assert ended.job.status is JobStatus.SUCCEEDED
    assert ended.job.progress.model_dump() == {"total": 40, "succeeded": 39, "failed": 1}
    assert until(lambda: not gpu_jobs.runner.is_active(run_id))


def until(condition: Any, timeout_s: float = START_S) -> bool:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
