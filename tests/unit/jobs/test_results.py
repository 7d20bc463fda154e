"""The results of all parts of a job together: warnings and usage."""

from __future__ import annotations

from typing import Any

from pigeonhole.contract.messages import ChunkResult, ClassifyCommand
from pigeonhole.jobs.results import MAX_WARNINGS
from support.job_fixtures import Jobs


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
