"""What follows when AWS Batch gives up a task of a GPU run.

The lines of the task that have no result get an error, and functions/worker then writes the parts. A task may have hundreds of
spans, so each span is a message of its own, and no call works on more than one.

If no GPU machine could be started at all, the job fails as a whole: millions of equal errors would help its caller less.

An event may arrive twice or late. It counts only for the last run of a job that hasn't ended.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.ports import JobRunner, SpanStore
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.messages import FailedSpanMessage
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.update import JobUpdater

_PLACEMENT = re.compile(r"(CAPACITY|MISCONFIGURATION):\w+")
NO_CAPACITY = (
    "overloaded",
    'AWS had no GPU machine for the job ({cause}). Send it again later, or with compute: "lambda".',
)
MISCONFIGURED = ("internal_error", "No GPU machine of this deployment can do the job ({cause}). Tell its operator.")
NOT_STARTED = ("internal_error", "The job was stopped before a GPU machine took it up. Send it again.")
# By the beginning of AWS Batch's reason.
CAUSES = (
    ("Host EC2", ("overloaded", "The GPU machine was taken away on every attempt. Send the line again.")),
    ("Job attempt duration", ("timed_out", "The GPU worker took too long. Send the line again.")),
)
FAILED = ("internal_error", "The GPU worker failed. Send the line again.")


class FailedSpanQueue(Protocol):
    """The queue of functions/dead_letters."""

    def send(self, messages: Sequence[FailedSpanMessage]) -> None:
        """Queue messages.

        Raises:
            Overloaded: At least one message may not have been queued.
        """
        ...


@dataclass(frozen=True)
class GpuFailure:
    """A task that failed, or a run with several tasks.

    Attributes:
        name: The run.
        run_id: The id of the run in its JobRunner.
        index: The number of the task, None for the run as a whole.
        was_attempted: Whether a machine has attempted it. A run as a whole has no attempts.
        reason: Why it failed, in the words of AWS Batch.
    """

    name: RunName
    run_id: str
    index: int | None
    was_attempted: bool
    reason: str

    @property
    def was_placed(self) -> bool:
        """Whether there was a machine. A run as a whole doesn't say it, unless AWS Batch canceled it for the lack of one."""
        return self.was_attempted or (self.index is None and not _PLACEMENT.search(self.reason))


@dataclass(frozen=True, kw_only=True)
class GpuFailureHandler:
    """The service behind functions/dead_letters for GPU runs."""

    store: JobStore
    spans: SpanStore
    tasks: GpuTaskStore
    failed_spans: FailedSpanQueue
    runner: JobRunner
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def handle(self, failure: GpuFailure) -> int:
        """Fail the job, or queue the spans of the task to be failed.

        Returns:
            The number of queued spans. Some of them may be complete.

        Raises:
            Overloaded: The table, the bucket, the queue or AWS Batch is busy. Trying again may help.
        """
        name = failure.name
        job = self.store.get(name.tenant_id, name.job_id)
        if job is None or not is_last_run(job, name.number):
            return 0
        error = to_error(failure)
        if not failure.was_placed and not self.spans.count(job).spans:
            self._fail_job(failure, error)
            return 0
        if failure.index is None:
            return 0  # each of its tasks has an event of its own
        spans = self.tasks.read(name.tenant_id, name.job_id, name.number, failure.index)
        self.failed_spans.send(
            [
                FailedSpanMessage(tenant_id=name.tenant_id, job_id=name.job_id, run=name.number, span=span, error=error)
                for span in spans
            ]
        )
        return len(spans)

    def _fail_job(self, failure: GpuFailure, error: ErrorReply) -> None:
        JobUpdater(store=self.store, sleep=self.sleep).update(
            failure.name.tenant_id,
            failure.name.job_id,
            lambda latest: None if latest.has_ended else latest.failed_as_a_whole(self.clock(), error),
        )
        self.runner.cancel(failure.run_id, "the job has failed")  # its other tasks wait as well


def is_last_run(job: Job, number: int) -> bool:
    """Return whether a run is the last one of a job that hasn't ended.

    A planner submits a run before it records it, so the number may be one that the job doesn't know yet.
    """
    return not job.has_ended and job.bulk is not None and number >= job.bulk.gpu_runs - 1


def to_error(failure: GpuFailure) -> ErrorReply:
    """Return the error for callers. AWS Batch's own reason may name machines, so only a part of it is passed on."""
    placement = _PLACEMENT.search(failure.reason)
    if placement:
        code, message = NO_CAPACITY if placement[1] == "CAPACITY" else MISCONFIGURED
        return ErrorReply(code=code, message=message.format(cause=placement[0]))
    if not failure.was_placed:
        return ErrorReply(code=NOT_STARTED[0], message=NOT_STARTED[1])
    code, message = next((text for beginning, text in CAUSES if failure.reason.startswith(beginning)), FAILED)
    return ErrorReply(code=code, message=message)
