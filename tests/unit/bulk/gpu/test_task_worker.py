"""A GPU worker processes the spans of its task, stops on request, and reports by its exit code what is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import pytest

from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.gpu.task_worker import AGAIN, DONE, FAULT, GpuTaskWorker, OpenSpans, TaskOutcome
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import PlanMessage, SpanMessage
from pigeonhole.errors import InternalError, Overloaded
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import Bulk, to_line
from support.job_fixtures import even_or_odd

LINES, SPAN = 40, 4


@dataclass
class Task:
    """A job whose spans are the one task of a run.

    Attributes:
        faults: The spans that could not be processed.
    """

    bulk: Bulk = field(default_factory=Bulk)
    stop: Event = field(default_factory=Event)
    faults: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.job = self.bulk.submit(b"".join(to_line(str(k)) for k in range(LINES)), span_samples=SPAN)
        while self.bulk.plan_queue.sent or not self.bulk.span_queue.sent:
            self.bulk.plan_queue.sent.clear()
            self.bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=self.job.id), lambda: 100)
        self.spans: list[SpanMessage] = [*self.bulk.span_queue.sent]
        self.bulk.span_queue.sent.clear()
        self.tasks = GpuTaskStore(objects=self.bulk.objects)
        self.tasks.write("acme", self.job.id, 0, self.spans, len(self.spans))

    def run(self, **options: Any) -> TaskOutcome:
        """Start the worker, as AWS Batch does."""
        left = OpenSpans()
        worker = GpuTaskWorker(
            tasks=self.tasks,
            worker=replace(self.bulk.worker, span_queue=left, stop_s=1.0),
            left=left,
            **{"max_s": 1_000.0, "pause_s": 0.0, **options},
            report_fault=lambda message, error: self.faults.append(message.number),
        )
        return worker.run(RunName("acme", self.job.id, 0), 0, self.stop)

    def read_job(self) -> Job:
        for message in self.bulk.plan_queue.sent:
            self.bulk.planner.advance(message, lambda: 100)
        job: Job = self.bulk.store.get("acme", self.job.id)
        return job

    def lines(self) -> list[int]:
        parts = [rows for name, rows in sorted(self.bulk.results(self.job).items()) if name.startswith(("part-", "errors-"))]
        return [row["line"] for rows in parts for row in rows]


def at(number: str, do: Callable[[], None]) -> Callable[..., ChunkResult]:
    """Classify, but first do something when the line `number` is classified."""

    def run(command: ClassifyCommand, **options: Any) -> ChunkResult:
        if any(sample.value == number for sample in command.request.dataset):
            do()
        return even_or_odd(command)

    return run


def raising(error: Exception) -> Callable[[], None]:
    def do() -> None:
        raise error

    return do


def test_all_spans_of_a_task_are_done_and_the_job_ends() -> None:
    task = Task()

    outcome = task.run()

    assert (outcome.exit_code, outcome.spans, outcome.samples, outcome.failed_samples) == (DONE, 10, LINES, 0)
    assert task.read_job().status is JobStatus.SUCCEEDED
    assert task.lines() == list(range(1, LINES + 1))


@pytest.mark.parametrize("concurrent_spans", [1, 2])
def test_a_worker_that_is_stopped_in_mid_span_stores_what_it_has_and_the_next_one_does_the_rest(concurrent_spans: int) -> None:
    task = Task()
    task.bulk.run = at("13", task.stop.set)

    stopped = task.run(concurrent_spans=concurrent_spans)
    pieces = {key for key in task.bulk.objects.objects if "/pieces/" in key}
    task.stop.clear()
    again = task.run()

    assert stopped.exit_code == AGAIN
    assert 0 < stopped.open_spans < 10
    assert len(pieces) > stopped.spans, "the span in progress has a piece"
    assert again.exit_code == DONE
    assert stopped.spans + again.spans == 10
    assert task.read_job().status is JobStatus.SUCCEEDED
    assert task.lines() == list(range(1, LINES + 1))


def test_a_worker_that_is_stopped_before_it_begins_does_nothing() -> None:
    task = Task()
    task.stop.set()

    outcome = task.run()

    assert (outcome.exit_code, outcome.open_spans, outcome.spans) == (AGAIN, 10, 0)


def test_a_worker_whose_time_is_over_leaves_the_rest() -> None:
    task, times = Task(), iter(range(0, 10_000, 100))

    outcome = task.run(max_s=1_000.0, clock=lambda: float(next(times)), concurrent_spans=1)

    assert outcome.exit_code == AGAIN
    assert 0 < outcome.open_spans < 10


def test_a_span_that_fails_leaves_the_others_alone() -> None:
    task = Task()
    task.bulk.run = at("13", raising(RuntimeError("fault")))

    outcome = task.run()

    assert (outcome.exit_code, outcome.spans, outcome.faults, outcome.open_spans) == (FAULT, 9, 1, 0)
    assert task.faults == [3]


def test_a_busy_table_is_waited_for() -> None:
    task, failures = Task(), iter([True, True, False, False])

    def fail_twice() -> None:
        if next(failures):
            raise Overloaded()

    task.bulk.run = at("13", fail_twice)

    assert task.run().exit_code == DONE
    assert task.lines() == list(range(1, LINES + 1))


def test_a_table_that_stays_busy_has_the_task_started_again() -> None:
    task = Task()
    task.bulk.run = at("13", raising(Overloaded()))

    outcome = task.run(concurrent_spans=1)

    assert outcome.exit_code == AGAIN
    assert (outcome.spans, outcome.open_spans) == (3, 7), "the spans behind it would have waited as long"


def test_a_worker_that_waits_for_a_busy_table_stops_at_once() -> None:
    task = Task()

    def be_busy_and_stop() -> None:
        task.stop.set()
        raise Overloaded()

    task.bulk.run = at("13", be_busy_and_stop)

    assert task.run(concurrent_spans=1, pause_s=1_000.0).exit_code == AGAIN


def test_a_canceled_job_needs_no_further_work() -> None:
    task = Task()
    assert task.bulk.store.save(task.read_job().canceled(1_001.0))

    outcome = task.run()

    assert (outcome.exit_code, outcome.spans, outcome.open_spans) == (DONE, 0, 0)


def test_the_task_of_an_expired_job_is_a_fault() -> None:
    task = Task()
    task.bulk.objects.objects.clear()

    with pytest.raises(InternalError):
        task.run()
