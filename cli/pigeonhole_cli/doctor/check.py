"""The result of one check, and how results are printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`warn`: it works, but not as expected. `fail`: it doesn't work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked, in a word.
        level: The result.
        message: What was found.
        advice: What to do about it, empty if there is nothing to do.
    """

    name: str
    level: Level
    message: str
    advice: str = ""


def to_lines(checks: Sequence[Check]) -> Iterator[str]:
    """Yield the lines of a report: level, name and message, and the advice below them."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.level:<4}  {check.name:<{width}}  {check.message}"
        if check.advice:
            yield f"{'':{width + 6}}  {check.advice}"
