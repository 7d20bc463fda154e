"""A caller sees how far a bulk job is, and where its results are once all lines are done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pigeonhole.bulk.outputs import FIRST_FILES
from pigeonhole.bulk.read import BulkJobReader
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import JobStatus, Progress
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import Bulk, to_line
from support.job_fixtures import BAD


def ended(count: int = 5, *, span_samples: int = 2, is_worked: bool = True) -> tuple[Bulk, Job, BulkJobReader]:
    bulk = Bulk()
    values = [BAD if k == 1 else str(k) for k in range(count)]
    job = bulk.submit(b"".join(map(to_line, values)), span_samples=span_samples)
    message = PlanMessage(tenant_id="acme", job_id=job.id)
    bulk.planner.advance(message, lambda: 100)
    while is_worked and bulk.span_queue.sent:
        bulk.worker.process(bulk.span_queue.sent.pop(0), lambda: 100)
    job = bulk.planner.advance(message, lambda: 100) or job
    return bulk, job, BulkJobReader(spans=bulk.spans, objects=bulk.objects, bucket="jobs")


def test_the_progress_of_a_running_job_counts_its_complete_spans() -> None:
    bulk, job, reader = ended(is_worked=False)
    assert reader.read_progress(job) == Progress(total=5, succeeded=0, failed=0)

    bulk.worker.process(bulk.span_queue.sent.pop(0), lambda: 100)

    assert reader.read_progress(job) == Progress(total=5, succeeded=1, failed=1)
    assert reader.read_results(job) is None


def test_an_ended_job_has_links_to_its_files() -> None:
    _, job, reader = ended()

    results = reader.read_results(job)

    assert reader.read_progress(job) == Progress(total=5, succeeded=4, failed=1)
    assert results
    prefix = f"bulk/acme/{job.id}/results/"
    assert results.prefix == f"s3://jobs/{prefix}"
    assert prefix + "_manifest.json" in results.manifest_url
    assert [(file.name, file.rows) for file in results.parts] == [(f"part-0000{k}.jsonl", n) for k, n in enumerate((1, 2, 1))]
    assert [(file.name, file.rows) for file in results.errors] == [("errors-00000.jsonl", 1)]
    assert prefix + "part-00000.jsonl" in results.parts[0].url


def test_a_job_of_many_parts_has_links_to_the_first_ones() -> None:
    _, job, reader = ended(FIRST_FILES + 10, span_samples=1)

    results = reader.read_results(job)

    assert results
    assert len(results.parts) == FIRST_FILES


@pytest.mark.parametrize("status", [JobStatus.CANCELED, JobStatus.PROCESSING])
def test_a_job_that_is_not_complete_has_no_results(status: JobStatus) -> None:
    _, job, reader = ended()

    assert reader.read_results(replace(job, status=status)) is None


def test_a_job_that_failed_as_a_whole_has_no_results() -> None:
    _, job, reader = ended()

    failed = replace(job, status=JobStatus.FAILED, error=ErrorReply(code="x", message="y"))

    assert reader.read_results(failed) is None


def test_results_that_have_expired_are_absent() -> None:
    bulk, job, reader = ended()
    bulk.objects.objects.clear()

    assert reader.read_results(job) is None
