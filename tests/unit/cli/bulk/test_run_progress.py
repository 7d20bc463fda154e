"""A run shows how far it is, its rate and the time left. Without a terminal it prints a line now and then."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from pigeonhole.contract.bulk_results import Counts
from pigeonhole.contract.jobs import JobInfo
from pigeonhole_cli.bulk.run_progress import JobProgress, RunProgress, format_duration
from support.cli.job_api import job_info


@dataclass
class FakeBar:
    is_drawn: bool
    shown: list[tuple[str, int, int, int]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def show(self, activity: str, done: int, total: int, failed: int) -> None:
        self.shown.append((activity, done, total, failed))

    def say(self, line: str) -> None:
        self.lines.append(line)


@dataclass
class FakeClock:
    now_s: float = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def test_the_rate_counts_only_the_samples_of_this_run() -> None:
    bar, clock = FakeBar(is_drawn=True), FakeClock()
    progress = RunProgress(bar, total=1_000, already=Counts(total=500, succeeded=499, failed=1), clock=clock)
    clock.now_s += 10

    progress.add(95, 5)

    assert bar.shown[-1] == ("10.0/s, 40 s left", 600, 1_000, 6)
    assert progress.summary() == "Classified 100 samples in 10 s (10.0/s)."


@pytest.mark.parametrize("is_drawn", [True, False])
def test_a_line_is_printed_every_half_minute_where_no_bar_is_drawn(is_drawn: bool) -> None:
    bar, clock = FakeBar(is_drawn), FakeClock()
    progress = RunProgress(bar, total=1_000, already=Counts(total=0, succeeded=0, failed=0), clock=clock)
    for _ in range(7):
        clock.now_s += 10
        progress.add(10, 0)

    expected = [
        "30 of 1000 samples, 0 with an error, 1.0/s, 16 min left",
        "60 of 1000 samples, 0 with an error, 1.0/s, 16 min left",
    ]
    assert bar.lines == ([] if is_drawn else expected)


def show(progress: JobProgress, status: str, total: int, succeeded: int, failed: int = 0) -> None:
    progress.show(JobInfo.model_validate(job_info(status, total, succeeded, failed)))


def test_the_rate_of_a_job_is_that_of_the_last_looks() -> None:
    bar, clock = FakeBar(is_drawn=True), FakeClock()
    progress = JobProgress(bar, clock)
    for done in (0, 0, 300, 600):  # the first minute passes before a worker starts
        show(progress, "processing", 3_000, done, failed=done // 100)
        clock.now_s += 30

    assert [shown[0] for shown in bar.shown] == [
        "processing",
        "processing",
        "5.0/s, 9 min left",
        "10.1/s, 4 min left",
    ]
    assert bar.shown[-1][1:] == (606, 3_000, 6)


def test_a_job_whose_samples_are_not_counted_yet_has_a_rate_only() -> None:
    bar, clock = FakeBar(is_drawn=True), FakeClock()
    progress = JobProgress(bar, clock)
    show(progress, "processing", 0, 0)
    clock.now_s += 10
    show(progress, "processing", 0, 50)

    assert bar.shown[-1][0] == "5.0/s"


def test_a_job_is_reported_in_lines_where_no_bar_is_drawn() -> None:
    bar, clock = FakeBar(is_drawn=False), FakeClock()
    progress = JobProgress(bar, clock)
    show(progress, "queued", 0, 0)
    clock.now_s += 30
    show(progress, "queued", 0, 0)
    clock.now_s += 30
    show(progress, "processing", 1_000, 300)

    assert bar.lines == ["queued", "300 of 1000 samples, 0 with an error, 5.0/s, 2 min left"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99, "99 s"), (100, "2 min"), (5_939, "99 min"), (7_500, "2 h 5 min")]
)
def test_a_duration_is_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
