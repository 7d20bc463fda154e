"""GPU workers of the deployed stack: the job definition's command, as the local stack runs it."""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pigeonhole.contract.jobs import JOBS, JobStatus
from support.stack.deployment import Deployment, request, text
from support.stack.gpu_jobs import GpuJobs
from support.stack.job_calls import submit, wait_until_ended

OPTIONS = {"labels": [text("positive"), text("negative")]}
WORDS = ("I love it, it is wonderful.", "The worst I ever had.")
START_S = 120.0  # on a machine that is busy
TO_LOAD_S = 4.0  # in which a worker loads the small model and begins its span


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


def test_a_job_runs_on_gpu_workers_if_its_caller_asks_and_answers_as_lambda_does(
    deployed: Deployment, gpu_jobs: GpuJobs, photos: dict[str, bytes]
) -> None:
    address = gpu_jobs.put(deployed, "cat.png", photos["cat"])
    lines = [line(number) for number in range(1_200)]
    lines[5] = {"custom_id": "5", "type": "image", "value": address}
    lines[6] = {"custom_id": "6", "type": "nonsense", "value": ""}
    manifest = gpu_jobs.put(deployed, "asked.jsonl", to_manifest(lines))

    job = submit(deployed, {"input": {"s3_uri": manifest}, **OPTIONS, "compute": "gpu", "scores": True}).job
    ended = wait_until_ended(deployed, job.id)

    assert ended.job.status is JobStatus.SUCCEEDED
    assert ended.job.progress.model_dump() == {"total": 1_200, "succeeded": 1_199, "failed": 1}
    assert [row["custom_id"] for row in gpu_jobs.error_rows(job)] == ["6"]
    rows = gpu_jobs.result_rows(job)
    assert [row["line"] for row in rows] == [number + 1 for number in range(1_200) if number != 6]
    asked = [row for row in rows if row["custom_id"] != "5"][::60]
    answer = deployed.classify(request([text(lines[row["line"] - 1]["value"]) for row in asked], scores=True)).json()
    assert [row["prediction"] for row in asked] == answer["predictions"]
    assert [score["probability"] for row in asked for score in row["scores"]] == pytest.approx(
        [score["probability"] for scores in answer["scores"] for score in scores], abs=1e-4
    )


def test_the_gpu_workers_of_a_job_that_is_canceled_stop(deployed: Deployment, gpu_jobs: GpuJobs) -> None:
    manifest = gpu_jobs.put(deployed, "long.jsonl", to_manifest([line(number) for number in range(20_000)]))
    job = submit(deployed, {"input": {"s3_uri": manifest}, **OPTIONS, "compute": "gpu"}).job
    assert until(worker_processes)

    assert deployed.call("DELETE", f"{JOBS}/{job.id}").json()["job"]["status"] == "canceled"

    assert until(lambda: not worker_processes())


def to_manifest(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in lines)


def test_a_worker_whose_machine_is_taken_away_stores_what_it_has_and_is_started_again(
    deployed: Deployment, gpu_jobs: GpuJobs
) -> None:
    lines = [line(number) for number in range(3_000)]
    job = gpu_jobs.create(deployed, "spot.jsonl", lines, OPTIONS, samples=3_000)

    gpu_jobs.run(job)
    assert until(worker_processes)
    (worker,) = worker_processes()
    time.sleep(TO_LOAD_S)
    os.kill(worker, signal.SIGTERM)
    assert until(lambda: worker not in worker_processes())
    pieces = gpu_jobs.pieces(job)
    ended = wait_until_ended(deployed, job.id)

    assert ended.job.progress.model_dump() == {"total": 3_000, "succeeded": 3_000, "failed": 0}
    assert [row["line"] for row in gpu_jobs.result_rows(job)] == list(range(1, 3_001))
    assert all(piece in gpu_jobs.pieces(job) for piece in pieces), "a stored piece is never classified again"


def test_the_open_lines_of_a_task_that_fails_get_an_error(deployed: Deployment, gpu_jobs: GpuJobs) -> None:
    lines = [line(number) for number in range(6)]
    job = gpu_jobs.create(deployed, "failing.jsonl", lines, OPTIONS, samples=3)

    run_id = gpu_jobs.run(job, PIGEONHOLE_MODEL_DIR="/nonexistent")
    ended = wait_until_ended(deployed, job.id)

    assert ended.job.status is JobStatus.FAILED
    assert ended.job.progress.model_dump() == {"total": 6, "succeeded": 0, "failed": 6}
    assert {row["message"] for row in gpu_jobs.error_rows(job)} == {"The GPU worker failed. Send the line again."}
    assert not gpu_jobs.runner.is_active(run_id)


def test_a_job_whose_run_never_got_a_machine_fails_as_a_whole(deployed: Deployment, gpu_jobs: GpuJobs) -> None:
    ahead = gpu_jobs.create(deployed, "ahead.jsonl", [line(number) for number in range(200)], OPTIONS, samples=200)
    behind = gpu_jobs.create(deployed, "behind.jsonl", [line(number) for number in range(4)], OPTIONS, samples=2)
    gpu_jobs.run(ahead)

    gpu_jobs.runner.cancel(gpu_jobs.run(behind), "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY")
    ended = wait_until_ended(deployed, behind.id)

    assert ended.job.status is JobStatus.FAILED
    assert ended.job.error
    assert ended.job.error.code == "overloaded"
    assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in ended.job.error.message
    assert wait_until_ended(deployed, ahead.id).job.status is JobStatus.SUCCEEDED


def test_a_run_that_is_canceled_stops_its_worker(deployed: Deployment, gpu_jobs: GpuJobs) -> None:
    lines = [line(number) for number in range(6_000)]
    job = gpu_jobs.create(deployed, "canceled.jsonl", lines, OPTIONS, samples=3_000)
    run_id = gpu_jobs.run(job)
    assert until(worker_processes)

    assert deployed.call("DELETE", f"{JOBS}/{job.id}").status_code == 200
    gpu_jobs.runner.cancel(run_id, "canceled")

    assert until(lambda: not gpu_jobs.runner.is_active(run_id) and not worker_processes())
    assert deployed.call("GET", f"{JOBS}/{job.id}").json()["job"]["status"] == "canceled"


def worker_processes() -> list[int]:
    """Return the ids of the GPU workers of this test's stack, whose server is a child of this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_worker = b"functions.gpu.worker" in (folder / "cmdline").read_bytes().split(b"\0")
            if is_worker and parent(parent(int(folder.name))) == os.getpid():
                found.append(int(folder.name))
    return found


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def until(condition: Any, timeout_s: float = START_S) -> bool:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False
