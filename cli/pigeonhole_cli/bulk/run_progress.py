"""How far a run or a job is, how fast it is, and how long it will take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.contract.bulk_results import Counts
from pigeonhole.contract.jobs import JobInfo
from pigeonhole_cli.console import plural
from pigeonhole_cli.progress import ProgressBar

LINE_S = 30.0  # between two lines where no bar is drawn
RATE_S = 60.0  # the rate of a job is that of its last minute, because its workers come and go

Clock = Callable[[], float]


@dataclass
class _Reporter:
    """Shows counts on a bar. Where no bar is drawn, it prints a line now and then."""

    bar: ProgressBar
    clock: Clock
    _next_line_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_line_s = self.clock() + LINE_S

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        self.bar.show(activity, done, total, failed)
        if not self.bar.is_drawn and self.clock() >= self._next_line_s:
            self._next_line_s = self.clock() + LINE_S
            counts = f"{done} of {plural(total, 'sample')}, {failed} with an error, " if total else ""
            self.bar.say(counts + activity)


@dataclass
class RunProgress:
    """Shows the progress of a run on this machine.

    Attributes:
        bar: The bar.
        total: The number of samples.
        already: The samples of earlier runs, which don't count for the rate.
        clock: Tells the time in seconds.
    """

    bar: ProgressBar
    total: int
    already: Counts
    clock: Clock = time.monotonic
    _succeeded: int = field(init=False, default=0)
    _failed: int = field(init=False, default=0)
    _started_s: float = field(init=False)
    _reporter: _Reporter = field(init=False)

    def __post_init__(self) -> None:
        self._started_s = self.clock()
        self._reporter = _Reporter(self.bar, self.clock)

    def add(self, succeeded: int, failed: int) -> None:
        """Show that more samples are done."""
        self._succeeded += succeeded
        self._failed += failed
        done, with_error = self.already.total + self._done, self.already.failed + self._failed
        self._reporter.show(_describe_pace(self._rate, self.total - done), done, self.total, with_error)

    def summary(self) -> str:
        """Return one line about the samples of this run."""
        return f"Classified {plural(self._done, 'sample')} in {format_duration(self._took_s)} ({self._rate:,.1f}/s)."

    @property
    def _done(self) -> int:
        return self._succeeded + self._failed

    @property
    def _took_s(self) -> float:
        return max(1e-9, self.clock() - self._started_s)

    @property
    def _rate(self) -> float:
        return self._done / self._took_s


@dataclass
class JobProgress:
    """Shows the progress of a job of a deployed API.

    Attributes:
        bar: The bar.
        clock: Tells the time in seconds.
    """

    bar: ProgressBar
    clock: Clock = time.monotonic
    _looks: deque[tuple[float, int]] = field(init=False, default_factory=deque)
    _reporter: _Reporter = field(init=False)

    def __post_init__(self) -> None:
        self._reporter = _Reporter(self.bar, self.clock)

    def show(self, job: JobInfo) -> None:
        """Show the latest state of the job."""
        counts = job.progress
        done = counts.succeeded + counts.failed
        self._reporter.show(self._describe(job, done), done, counts.total, counts.failed)

    def _describe(self, job: JobInfo, done: int) -> str:
        now = self.clock()
        self._looks.append((now, done))
        while len(self._looks) > 2 and self._looks[1][0] <= now - RATE_S:
            self._looks.popleft()
        first_s, first_done = self._looks[0]
        if done == first_done or now == first_s:
            return job.status
        rate = (done - first_done) / (now - first_s)
        # The total is unknown until the manifest is planned.
        return _describe_pace(rate, job.progress.total - done) if job.progress.total else f"{rate:,.1f}/s"


def _describe_pace(rate: float, left: int) -> str:
    return f"{rate:,.1f}/s, {format_duration(left / max(1e-9, rate))} left"


def format_duration(seconds: float) -> str:
    """Format a duration: `42 s`, `3 min`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
