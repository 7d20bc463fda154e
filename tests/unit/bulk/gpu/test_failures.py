"""A failed GPU task fails its open lines, a run without a machine fails its job, and late or duplicate events do nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from pigeonhole.bulk.gpu.failures import GpuFailure, GpuFailureHandler, to_error
from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.ports import GpuRun
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import FailedSpanMessage, PlanMessage, SpanMessage
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import Bulk, to_line
from support.fakes.bulk import FakeJobRunner

NO_CAPACITY = "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"
EXITED = "Essential container in task exited"


@dataclass
class Failures:
    """A bulk job whose spans a GPU run has, and the handler of its failures.

    Attributes:
        sent: The messages of the queue of functions/dead_letters.
    """

    bulk: Bulk = field(default_factory=Bulk)
    sent: list[FailedSpanMessage] = field(default_factory=list)
    runner: FakeJobRunner = field(default_factory=FakeJobRunner)

    def __post_init__(self) -> None:
        self.job = self.bulk.submit(b"".join(to_line(str(k)) for k in range(8)), span_samples=2)
        self.bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=self.job.id), lambda: 100)
        self.spans: list[SpanMessage] = [*self.bulk.span_queue.sent]
        self.bulk.span_queue.sent.clear()
        self.tasks = GpuTaskStore(objects=self.bulk.objects, task_spans=2)
        self.tasks.write("acme", self.job.id, 0, self.spans, len(self.spans))
        self.record_runs(1)
        self.run_id = self.runner.submit(GpuRun("acme", self.job.id, 0, tasks=2))

    def record_runs(self, count: int) -> None:
        job = self.read_job()
        assert job.bulk
        assert self.bulk.store.save(replace(job, bulk=replace(job.bulk, gpu_runs=count), version=job.version + 1))

    def read_job(self) -> Job:
        job: Job | None = self.bulk.store.get("acme", self.job.id)
        assert job
        return job

    def send(self, messages: Any) -> None:
        self.sent += messages

    def fail(self, index: int | None = 0, *, was_attempted: bool = True, reason: str = EXITED, run: int = 0) -> int:
        handler = GpuFailureHandler(
            store=self.bulk.store,
            spans=self.bulk.spans,
            tasks=self.tasks,
            failed_spans=self,
            runner=self.runner,
            clock=self.bulk.clock,
            sleep=self.bulk.sleep,
        )
        return handler.handle(GpuFailure(RunName("acme", self.job.id, run), self.run_id, index, was_attempted, reason))

    def process(self, span: SpanMessage) -> None:
        self.bulk.worker.process(span, lambda: 100)

    def fail_lines(self) -> int:
        """Do what functions/dead_letters does with its messages."""
        messages, self.sent = self.sent, []
        return sum(self.bulk.abandoner.fail(message) for message in messages)


def test_the_open_lines_of_a_failed_task_get_an_error_and_the_job_ends() -> None:
    failures = Failures()
    for span in (failures.spans[0], *failures.spans[2:]):
        failures.process(span)

    assert failures.fail(0) == 2
    assert failures.fail_lines() == 2
    for span in failures.bulk.span_queue.sent:
        failures.process(span)
    failures.bulk.planner.advance(failures.bulk.plan_queue.sent[-1], lambda: 100)

    job = failures.read_job()
    assert (job.status, job.succeeded, job.failed) == (JobStatus.SUCCEEDED, 6, 2)
    rows = failures.bulk.results(job)["errors-00001.jsonl"]
    assert [(row["line"], row["code"]) for row in rows] == [(3, "internal_error"), (4, "internal_error")]
    assert rows[0]["message"] == "The GPU worker failed. Send the line again."


def test_an_event_that_arrives_twice_fails_no_line_twice() -> None:
    failures = Failures()

    failures.fail(0)
    failures.fail(0)

    assert failures.fail_lines() == 4


def test_lines_that_a_worker_has_classified_keep_their_results() -> None:
    failures = Failures()
    failures.fail(0)
    failures.process(failures.spans[0])

    assert failures.fail_lines() == 2
    assert failures.bulk.spans.count(failures.job).succeeded == 2


def test_a_late_event_of_an_earlier_run_does_nothing() -> None:
    failures = Failures()
    failures.record_runs(2)

    assert failures.fail(0, run=0) == 0
    assert failures.fail(None, run=0, reason=NO_CAPACITY) == 0
    assert failures.read_job().status is JobStatus.PROCESSING


def test_a_message_of_an_earlier_run_fails_no_line() -> None:
    failures = Failures()
    failures.fail(0)
    failures.record_runs(2)

    assert failures.fail_lines() == 0


@pytest.mark.parametrize("index", [0, None])
def test_a_run_without_a_machine_fails_its_job_with_the_reason(index: int | None) -> None:
    failures = Failures()

    assert failures.fail(index, was_attempted=False, reason=NO_CAPACITY) == 0

    job = failures.read_job()
    assert job.status is JobStatus.FAILED
    assert job.error
    assert job.error.code == "overloaded"
    assert "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY" in job.error.message
    assert [*failures.runner.canceled] == [failures.run_id], "its other tasks wait for a machine as well"


def test_a_task_without_a_machine_fails_only_its_lines_if_others_had_one() -> None:
    failures = Failures()
    failures.process(failures.spans[2])

    assert failures.fail(0, was_attempted=False, reason=NO_CAPACITY) == 2
    assert failures.read_job().status is JobStatus.PROCESSING
    assert {message.error.code for message in failures.sent} == {"overloaded"}


def test_the_failure_of_a_run_as_a_whole_is_left_to_its_tasks() -> None:
    failures = Failures()

    assert failures.fail(None, was_attempted=False, reason="Array Child Job failed") == 0
    assert failures.read_job().status is JobStatus.PROCESSING


def test_a_failure_after_the_end_of_the_job_does_nothing() -> None:
    failures = Failures()
    job = failures.read_job()
    assert failures.bulk.store.save(job.canceled(1_001.0))

    assert failures.fail(0) == failures.fail(0, was_attempted=False) == 0
    assert failures.read_job().status is JobStatus.CANCELED
    assert failures.runner.canceled == {}


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("Host EC2 (instance i-0123456789) terminated.", "overloaded", "taken away"),
        ("Job attempt duration exceeded timeout", "timed_out", "too long"),
        (EXITED, "internal_error", "failed"),
        ("", "internal_error", "failed"),
    ],
)
def test_a_caller_is_told_the_cause_but_no_machine(reason: str, code: str, text: str) -> None:
    error = to_error(GpuFailure(RunName("acme", "0" * 32, 0), "batch-1", 0, True, reason))

    assert error.code == code
    assert text in error.message
    assert "i-0123456789" not in error.message


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (NO_CAPACITY, "overloaded"),
        ("Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT", "internal_error"),
        ("Terminated by an operator", "internal_error"),
    ],
)
def test_a_job_without_a_machine_says_why(reason: str, code: str) -> None:
    error = to_error(GpuFailure(RunName("acme", "0" * 32, 0), "batch-1", 0, False, reason))

    assert error.code == code
    assert error.message != to_error(GpuFailure(RunName("acme", "0" * 32, 0), "batch-1", 0, True, EXITED)).message
