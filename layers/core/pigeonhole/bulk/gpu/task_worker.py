"""Process the spans of one task on a GPU worker, several at a time.

The parts of one span are written while the next span is fetched, decoded and encoded. A worker that has to stop stores what it
has of its spans and leaves the rest open: the task is then started again, and skips what is done. A span that fails leaves the
other spans of the task alone.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock

from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.gpu_tasks import GpuTaskStore
from pigeonhole.bulk.ports import CompletedSpan
from pigeonhole.bulk.worker import SpanWorker
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.errors import Overloaded

CONCURRENT_SPANS = 2
ATTEMPTS = 4  # at a span, if the table or a bucket is busy
PAUSE_S = 15.0  # after the first attempt; doubles with each further one
DONE, FAULT, AGAIN = (
    0,
    1,
    75,
)  # exit codes of a worker; 75 is EX_TEMPFAIL of sysexits.h, and the template starts such a task again


@dataclass
class OpenSpans:
    """The SpanQueue of a GPU worker. It sends nothing: it holds the spans that are left for the next start of the task."""

    messages: list[SpanMessage] = field(default_factory=list)

    def send(self, messages: Iterable[SpanMessage]) -> None:
        """Note that spans are open."""
        self.messages += messages


@dataclass
class TaskOutcome:
    """The counts of the spans of a task. Thread-safe.

    Attributes:
        spans: How many spans this worker completed.
        samples: How many lines these spans have.
        failed_samples: How many of these lines have an error.
        faults: How many spans could not be processed.
        open_spans: How many spans are left for the next start of the task.
    """

    spans: int = 0
    samples: int = 0
    failed_samples: int = 0
    faults: int = 0
    open_spans: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, completed: CompletedSpan | None) -> None:
        """Count a processed span."""
        if completed is None:
            return
        with self._lock:
            self.spans += 1
            self.samples += completed.results.rows + completed.failed
            self.failed_samples += completed.failed

    def add_fault(self) -> None:
        """Count a span that could not be processed."""
        with self._lock:
            self.faults += 1

    @property
    def exit_code(self) -> int:
        """The exit code of the worker."""
        return AGAIN if self.open_spans else FAULT if self.faults else DONE


@dataclass(frozen=True, kw_only=True)
class GpuTaskWorker:
    """The service behind functions/gpu.

    Attributes:
        tasks: The tasks of runs.
        worker: Processes a span. Its queue is `left`.
        left: Holds the spans that the worker had no time for.
        max_s: After how many seconds the worker begins no further span. The rest is left for the next start of the task.
        concurrent_spans: The number of spans that are processed at the same time.
        attempts: How often a span is attempted while the table or a bucket is busy.
        pause_s: The seconds after the first attempt.
        report_fault: Is called with each span that could not be processed.
    """

    tasks: GpuTaskStore
    worker: SpanWorker
    left: OpenSpans
    max_s: float
    concurrent_spans: int = CONCURRENT_SPANS
    attempts: int = ATTEMPTS
    pause_s: float = PAUSE_S
    clock: Callable[[], float] = time.monotonic
    report_fault: Callable[[SpanMessage, Exception], None] = lambda message, error: None

    def run(self, name: RunName, index: int, stop: Event) -> TaskOutcome:
        """Process the spans of a task.

        Args:
            name: The run.
            index: The number of the task.
            stop: Once it is set, the worker stores what it has and returns.

        Raises:
            InternalError: The task was deleted, because its job has expired.
            Overloaded: The bucket is too busy to read the task. Trying again may help.
        """
        waiting = deque(self.tasks.read(name.tenant_id, name.job_id, name.number, index))
        outcome, end = TaskOutcome(), self.clock() + self.max_s

        def time_left_s() -> float:
            return 0.0 if stop.is_set() else end - self.clock()

        with ThreadPoolExecutor(self.concurrent_spans, thread_name_prefix="span") as pool:
            threads = [pool.submit(self._work_off, waiting, outcome, stop, time_left_s) for _ in range(self.concurrent_spans)]
        for thread in threads:
            thread.result()
        outcome.open_spans = len(self.left.messages) + len(waiting)
        return outcome

    def _work_off(
        self, waiting: deque[SpanMessage], outcome: TaskOutcome, stop: Event, time_left_s: Callable[[], float]
    ) -> None:
        """Process waiting spans until there are none, or the time is over."""
        while time_left_s() > self.worker.stop_s:
            try:
                message = waiting.popleft()
            except IndexError:  # the other thread took the last one
                return
            try:
                outcome.add(self._process(message, stop, time_left_s))
            except Overloaded:
                self.left.send([message])
                stop.set()  # the next span would wait as long
            except Exception as error:
                outcome.add_fault()
                self.report_fault(message, error)

    def _process(self, message: SpanMessage, stop: Event, time_left_s: Callable[[], float]) -> CompletedSpan | None:
        """Process a span, with pauses while the table or a bucket is busy.

        Raises:
            Overloaded: It is still busy after all attempts, or the worker has to stop.
        """
        for attempt in range(1, self.attempts):
            try:
                return self.worker.process(message, time_left_s)
            except Overloaded:
                if stop.wait(self.pause_s * 2 ** (attempt - 1)):
                    raise
        return self.worker.process(message, time_left_s, is_last_delivery=True)
