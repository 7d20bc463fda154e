"""A range of a job's samples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A range of samples.

    Attributes:
        start: The index of the first sample.
        stop: The index after the last sample.
    """

    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)
