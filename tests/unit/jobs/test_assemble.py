"""Large results of a job: assembled once as an object, by the worker that ends the job or for the first reader."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobResponse, JobStatus
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.submit import JobRules
from pigeonhole.object_keys import job_results_key
from support.job_fixtures import HOOK, Jobs

EVEN_ODD = ["even", "odd"] * 5


def test_large_results_are_assembled_once_by_the_worker_that_ends_the_job() -> None:
    jobs = Jobs(max_answer_bytes=100)
    job = jobs.submitted(10, webhook_url=HOOK)
    jobs.work()
    (whole,) = [key for key in jobs.objects.objects if key == job_results_key("acme", job.id)]
    before = jobs.objects.objects[whole]
    jobs.store.parts_by_job.clear()  # the parts are not read a second time
    puts = len(jobs.objects.objects)

    first, second = (jobs.responder.respond(jobs.job(job), "l") for _ in range(2))
    assert first.job.webhook is not None
    assert JobResponse.model_validate_json(before).job.webhook is None, "its log goes on"

    assert first.results_url == second.results_url is not None
    assert (jobs.objects.objects[whole], len(jobs.objects.objects)) == (before, puts)
    assert JobResponse.model_validate_json(before).predictions == EVEN_ODD


@pytest.mark.parametrize(("letter", "fits"), [("x", True), ("\u732b", False)])
def test_results_that_lambda_would_escape_beyond_its_limit_are_assembled(letter: str, fits: bool) -> None:
    label = letter * (3_000_000 // 1_000 // len(letter.encode()))

    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        return ChunkResult(predictions=[[label]] * 1_000, input_tokens=1, output_tokens=1, inference_ms=1)

    jobs = Jobs(run=run, rules=JobRules(text_chunk=1_000))
    job = jobs.submitted(1_000)
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert (answer.predictions is not None, answer.results_url is None) == (fits, fits)


def test_results_that_the_worker_could_not_assemble_are_assembled_for_the_first_reader() -> None:
    jobs = Jobs(max_answer_bytes=100)
    job = jobs.submitted(4)
    real = jobs.objects.put

    def busy(*_: object) -> None:
        raise Overloaded("busy")

    jobs.objects.put = busy
    jobs.work()
    jobs.objects.put = real

    assert (jobs.job(job).status, jobs.job(job).has_results_object) == (JobStatus.SUCCEEDED, False)
    assert jobs.responder.respond(jobs.job(job), "l").results_url
    assert jobs.job(job).has_results_object
