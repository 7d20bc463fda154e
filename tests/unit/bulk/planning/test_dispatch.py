"""GPU workers get the open spans of a planned job as tasks, and a run that has ended is followed by another one."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.bulk.ports import GpuRun
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import Bulk, to_line
from support.fakes.bulk import FakeJobRunner
from support.job_fixtures import ACME


def submitted(compute: Compute = Compute.GPU, count: int = 10) -> tuple[Bulk, Job]:
    """Make a job of five spans. A segment has two of them, and so has a task."""
    bulk = Bulk(runner=FakeJobRunner())
    return bulk, bulk.submit(b"".join(to_line(str(k)) for k in range(count)), span_samples=2, compute=compute)


def advance(bulk: Bulk, job: Job, time_left_s: float = 100) -> Any:
    return bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: time_left_s)


def tasks(bulk: Bulk, run: GpuRun) -> list[list[int]]:
    read = (bulk.tasks.read(run.tenant_id, run.job_id, run.number, index) for index in range(run.tasks))
    return [[message.number for message in task] for task in read]


def test_a_run_has_all_spans_once_the_whole_manifest_is_planned() -> None:
    bulk, job = submitted()
    advance(bulk, job, time_left_s=10)
    assert bulk.runner.runs == {}
    planned = advance(bulk, job)

    assert bulk.runner.runs == {"run-0": GpuRun("acme", job.id, 0, 3)}
    assert tasks(bulk, bulk.runner.runs["run-0"]) == [[0, 1], [2, 3], [4]]
    assert (planned.bulk.compute, planned.bulk.gpu_runs, planned.bulk.gpu_run_id) == ("gpu", 1, "run-0")
    assert bulk.span_queue.sent == []


def test_workers_on_lambda_are_chosen_by_the_caller() -> None:
    bulk, job = submitted(Compute.LAMBDA)

    planned = advance(bulk, job)

    assert (planned.bulk.compute, bulk.runner.runs) == ("lambda", {})
    assert len(bulk.span_queue.sent) == 5


def test_an_active_run_is_left_alone() -> None:
    bulk, job = submitted()
    advance(bulk, job)
    bulk.now += 10 * bulk.rules.stuck_s

    postponed = advance(bulk, job)

    assert len(bulk.runner.runs) == 1
    assert postponed.due_at > bulk.now


def test_the_open_spans_of_a_run_that_has_ended_are_submitted_again() -> None:
    bulk, job = submitted()
    advance(bulk, job)
    for message in bulk.tasks.read("acme", job.id, 0, 1):
        bulk.worker.process(message, lambda: 100)
    bulk.runner.ended.add("run-0")
    advance(bulk, job)
    assert len(bulk.runner.runs) == 1, "the events of its failure may still be on their way"
    bulk.now += 2 * bulk.rules.stuck_s
    again = advance(bulk, job)

    assert bulk.runner.runs["run-1"] == GpuRun("acme", job.id, 1, 2)
    assert tasks(bulk, bulk.runner.runs["run-1"]) == [[0, 1], [4]]
    assert (again.bulk.gpu_runs, again.bulk.gpu_run_id) == (2, "run-1")


def test_a_run_that_could_not_be_submitted_is_submitted_with_the_next_message() -> None:
    bulk, job = submitted()
    submit = bulk.runner.submit

    def refuse(run: GpuRun) -> str:
        raise Overloaded("busy")

    bulk.runner.submit = refuse
    with pytest.raises(Overloaded):
        advance(bulk, job)
    bulk.runner.submit = submit

    planned = advance(bulk, job)

    assert (planned.bulk.gpu_runs, planned.bulk.gpu_run_id) == (2, "run-0")
    assert tasks(bulk, bulk.runner.runs["run-0"]) == [[0, 1], [2, 3], [4]]


def test_a_job_whose_spans_are_complete_ends_and_its_results_are_in_order() -> None:
    bulk, job = submitted()
    run = advance(bulk, job) and bulk.runner.runs["run-0"]
    for index in (2, 0, 1):
        for message in bulk.tasks.read("acme", job.id, run.number, index):
            bulk.worker.process(message, lambda: 100)

    ended = advance(bulk, job)

    assert (ended.status, ended.succeeded) == (JobStatus.SUCCEEDED, 10)
    assert [part["name"] for part in bulk.results(job)["_manifest.json"]["results"]] == [
        f"part-0000{k}.jsonl" for k in range(5)
    ]


def test_a_canceled_job_stops_its_run() -> None:
    bulk, job = submitted()
    advance(bulk, job)

    bulk.canceler.cancel(ACME, job.id)
    (message,) = bulk.plan_queue.sent
    bulk.planner.advance(message, lambda: 100)

    assert bulk.runner.canceled == {"run-0": "the job is canceled"}


def test_a_job_of_lambda_workers_is_canceled_without_a_message() -> None:
    bulk, job = submitted(Compute.LAMBDA)
    advance(bulk, job)

    bulk.canceler.cancel(ACME, job.id)

    assert bulk.plan_queue.sent == []
