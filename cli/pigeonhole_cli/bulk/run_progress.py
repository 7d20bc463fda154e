"""How far a run is, how fast it is, and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.contract.bulk import Counts
from pigeonhole_cli.console import plural
from pigeonhole_cli.progress import ProgressBar

LINE_S = 30.0  # between two lines where no bar is drawn


@dataclass
class RunProgress:
    """Shows the progress of a run.

    Attributes:
        bar: The bar.
        total: The number of samples.
        already: The samples of earlier runs, which don't count for the rate.
        clock: Tells the time in seconds.
    """

    bar: ProgressBar
    total: int
    already: Counts
    clock: Callable[[], float] = time.monotonic
    _succeeded: int = field(init=False, default=0)
    _failed: int = field(init=False, default=0)
    _started_s: float = field(init=False)
    _next_line_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_s = self.clock()
        self._next_line_s = self._started_s + LINE_S

    def add(self, succeeded: int, failed: int) -> None:
        """Show that more samples are done."""
        self._succeeded += succeeded
        self._failed += failed
        done, with_error = self.already.total + self._done, self.already.failed + self._failed
        left = f"{self._rate:,.1f}/s, {format_duration((self.total - done) / max(1e-9, self._rate))} left"
        self.bar.show(left, done, self.total, with_error)
        if not self.bar.is_drawn and self.clock() >= self._next_line_s:
            self._next_line_s = self.clock() + LINE_S
            self.bar.say(f"{done} of {plural(self.total, 'sample')}, {with_error} with an error, {left}")

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


def format_duration(seconds: float) -> str:
    """Format a duration: `42 s`, `3 min`, `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
