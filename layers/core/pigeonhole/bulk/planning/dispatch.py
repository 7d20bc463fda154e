"""Have the spans of a bulk job classified: by messages to functions/worker, or by tasks of GPU workers.

On Lambda, each segment is queued as soon as it is planned. GPU workers start when the whole input is planned, because AWS Batch
takes the number of tasks at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.planning.segments import Segment, SegmentStore
from pigeonhole.bulk.ports import GpuRun, JobRunner, SpanQueue, SpanStore
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.update import JobUpdater

REQUEUED_SPANS = 5_000  # at least as many as all workers of a deployment have in hand


@dataclass(frozen=True, kw_only=True)
class SpanDispatcher:
    """Has spans classified.

    Attributes:
        runner: Starts GPU workers. None if the deployment has none.
        stuck_s: After how many seconds without progress open spans are dispatched again.
        stop_s: How many seconds before the function's end no further span is dispatched.
    """

    store: JobStore
    spans: SpanStore
    segments: SegmentStore
    span_queue: SpanQueue
    tasks: GpuTaskStore
    runner: JobRunner | None = None
    stuck_s: int = 3_600
    stop_s: float = 30.0
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def dispatch(self, job: Job, segment: Segment) -> None:
        """Queue the spans of a planned segment. GPU workers get theirs by `start`.

        Raises:
            Overloaded: The queue is busy. Trying again may help.
        """
        if not _is_on_gpu(job):
            self.span_queue.send(segment.to_messages(job))

    def start(self, job: Job) -> Job | None:
        """Start the GPU workers of a planned job, unless they were started before.

        Returns:
            The job as it is then.

        Raises:
            Overloaded: AWS is busy. Trying again may help.
        """
        is_waiting = _is_on_gpu(job) and job.bulk is not None and job.bulk.gpu_run_id is None
        return self._submit(job) if is_waiting else job

    def dispatch_if_stuck(self, job: Job, time_left_s: Callable[[], float]) -> Job | None:
        """Dispatch open spans again, if none was completed for long: their messages may be lost, or their workers gone.

        The pauses double while a job makes no progress in a long queue. The job is postponed first, so that a planner that is
        killed here isn't followed by the next one at once.

        Raises:
            Overloaded: AWS is busy. Trying again may help.
        """
        now, progress_at = self.clock(), max(job.updated_at, self.spans.count(job).updated_at or 0)
        if job.bulk is None or job.bulk.etag is None or now < progress_at + self.stuck_s:
            return job
        due_at = now + max(self.stuck_s, now - progress_at)
        postponed = JobUpdater(store=self.store, sleep=self.sleep).update(
            job.tenant_id, job.id, lambda latest: None if latest.has_ended else latest.with_next_check(due_at)
        )
        if postponed is None or postponed.has_ended:
            return postponed
        if _is_on_gpu(job):
            is_active = job.bulk.gpu_run_id is not None and self.runner and self.runner.is_active(job.bulk.gpu_run_id)
            return postponed if is_active else self._submit(postponed)
        self._queue_open(job, time_left_s)
        return postponed

    def stop(self, job: Job) -> None:
        """Stop the GPU workers of a job that was canceled. Workers on Lambda see it by themselves.

        Raises:
            Overloaded: AWS is busy. Trying again may help.
        """
        if job.bulk and job.bulk.gpu_run_id and self.runner and self.runner.is_active(job.bulk.gpu_run_id):
            self.runner.cancel(job.bulk.gpu_run_id, f"the job is {job.status.value}")

    def _queue_open(self, job: Job, time_left_s: Callable[[], float]) -> None:
        """Queue the first open spans, which are enough to make progress."""
        batch: list[SpanMessage] = []
        for queued, message in enumerate(self._open_messages(job)):
            batch.append(message)
            if queued + 1 >= REQUEUED_SPANS or time_left_s() < self.stop_s:
                break
        if batch:
            self.span_queue.send(batch)

    def _open_messages(self, job: Job) -> Iterator[SpanMessage]:
        complete = {span.number for span in self.spans.list_complete(job)}
        return (message for message in self.segments.read_messages(job) if message.number not in complete)

    def _submit(self, job: Job) -> Job | None:
        """Start GPU workers for all open spans.

        The run gets its number before it is submitted, and its id after that. A planner that is killed between the two leaves a
        run whose number is no longer the job's last one. Its spans count once, whichever run completes them.
        """
        if job.bulk is None or self.runner is None:
            return job
        number, updater = job.bulk.gpu_runs, JobUpdater(store=self.store, sleep=self.sleep)
        claimed = updater.write(
            job.tenant_id,
            job.id,
            lambda latest: latest.with_gpu_run(self.clock()) if _has_run(latest, number) else None,
        )
        if claimed is None:  # the job has ended, or another planner submits
            return self.store.get(job.tenant_id, job.id)
        tasks = self.tasks.write(job.tenant_id, job.id, number, self._open_messages(job), job.bulk.spans or 0)
        if not tasks:
            return claimed
        run_id = self.runner.submit(GpuRun(job.tenant_id, job.id, number, tasks))
        due_at = self.clock() + self.stuck_s
        return updater.update(
            job.tenant_id,
            job.id,
            lambda latest: latest.with_gpu_run_id(run_id, due_at) if _has_run(latest, number + 1) else None,
        )


def _is_on_gpu(job: Job) -> bool:
    return job.bulk is not None and job.bulk.compute == Compute.GPU


def _has_run(job: Job, number: int) -> bool:
    """Return whether `number` is the number of the next run of a job that hasn't ended."""
    return not job.has_ended and job.bulk is not None and job.bulk.gpu_runs == number
