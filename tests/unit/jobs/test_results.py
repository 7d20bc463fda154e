"""The results of all parts of a job together: warnings and usage."""

from __future__ import annotations

from typing import Any

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.jobs.records import JobInput, decode_job_input, encode_job_input
from pigeonhole.jobs.results import MAX_WARNINGS
from pigeonhole.object_keys import job_names_key
from support.job_fixtures import BAD, Jobs, request


def test_ten_thousand_warnings_are_cut() -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        warnings = [f"dataset.{command.first_index + number}.value: cut" for number in range(100)]
        return ChunkResult(predictions=[["x"]] * 4, warnings=warnings, input_tokens=1, output_tokens=1, inference_ms=1)

    jobs = Jobs(run=run)
    job = jobs.submitted(12)
    jobs.work()

    warnings = jobs.responder.respond(jobs.job(job), "l").warnings
    assert warnings is not None
    assert len(warnings) == MAX_WARNINGS + 1
    assert warnings[-1] == "and 8 more warnings"  # chunks begin four samples apart, so most are alike


def test_labels_count_once_in_the_usage_of_a_job_of_many_chunks() -> None:
    jobs = Jobs()
    job = jobs.submitted(10)
    jobs.work()

    usage = jobs.responder.respond(jobs.job(job), "l").usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.inference_time_tokens, usage.total_tokens) == (20, 10, 3, 33)


NAMED = [{"type": "text", "value": value, "custom_id": f"id-{value}"} for value in ("1", BAD, "3", "4", "5")]


def test_a_job_repeats_the_callers_names_of_its_samples() -> None:
    jobs = Jobs()
    job = jobs.submitted(5, dataset=NAMED)
    jobs.work()

    response = jobs.responder.respond(jobs.job(job), "l")
    assert response.custom_ids == [sample["custom_id"] for sample in NAMED]
    assert [(error.index, error.custom_id) for error in response.errors or ()] == [(1, f"id-{BAD}")]


def test_the_errors_of_an_abandoned_chunk_have_the_callers_names() -> None:
    jobs = Jobs()
    job = jobs.submitted(5, dataset=NAMED)
    for message in list(jobs.queue.sent):
        jobs.abandon(message)

    errors = jobs.responder.respond(jobs.job(job), "l").errors or ()
    assert [error.custom_id for error in errors] == [sample["custom_id"] for sample in NAMED]


def test_a_job_without_names_stores_and_answers_none() -> None:
    jobs = Jobs()
    job = jobs.submitted(5)
    jobs.work()

    assert job_names_key(job.tenant_id, job.id) not in jobs.objects.objects
    assert jobs.responder.respond(jobs.job(job), "l").custom_ids is None


def test_a_redriven_job_keeps_the_callers_names() -> None:
    record = decode_job_input(encode_job_input(JobInput("l", request(5, dataset=NAMED))))

    assert record.request.custom_ids == [sample["custom_id"] for sample in NAMED]
