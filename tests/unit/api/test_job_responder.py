"""The answer with one job: its results once it has ended, or a link to results that are too large."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobResponse
from pigeonhole.errors import InternalError
from pigeonhole.jobs.read import LINK_S
from support.job_fixtures import Jobs


def test_a_job_that_has_not_ended_is_shown_without_results() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.worker.process(jobs.take(), lambda: 100)

    response = jobs.responder.respond(jobs.job(job), "log-1").model_dump(by_alias=True, exclude_none=True)

    assert response == {
        "success": True,
        "log_id": "log-1",
        "job": {
            "id": job.id,
            "status": "processing",
            "created_at": "1970-01-01T00:16:40Z",
            "started_at": "1970-01-01T00:16:40Z",
            "expires_at": "1970-01-01T00:33:20Z",
            "progress": {"total": 10, "succeeded": 4, "failed": 0},
        },
    }


def test_several_labels_per_sample_come_as_arrays() -> None:
    jobs = Jobs()
    job = jobs.submitted(2, multiple_labels=True)
    jobs.work()

    assert jobs.responder.respond(jobs.job(job), "l").predictions == [["even"], ["odd"]]


def test_results_larger_than_an_answer_come_as_a_link() -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        return ChunkResult(predictions=[["x" * 2_100_000]] * 4, input_tokens=1, output_tokens=1, inference_ms=1)

    jobs = Jobs(run=run)
    job = jobs.submitted(4)
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert (answer.predictions, answer.usage) == (None, None)
    assert answer.results_url == f"https://objects.example/results/acme/{job.id}/results.json?seconds={LINK_S}"
    stored = JobResponse.model_validate_json(jobs.objects.objects[f"results/acme/{job.id}/results.json"])
    assert stored.predictions == ["x" * 2_100_000] * 4


def test_missing_results_of_an_ended_job_are_an_internal_error() -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        names = [f"{pow(7, number, 2**61 - 1):x}" for number in range(40_000)]
        return ChunkResult(predictions=[names] * 4, input_tokens=1, output_tokens=1, inference_ms=1)

    jobs = Jobs(run=run)
    job = jobs.submitted(4, multiple_labels=True)
    jobs.work()
    jobs.objects.objects.clear()

    with pytest.raises(InternalError):
        jobs.responder.respond(jobs.job(job), "l")
