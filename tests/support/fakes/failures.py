"""Failures that a test plans."""

from __future__ import annotations

import itertools


class FailOnce:
    """A fake's hook that raises at one of its calls, and at no other.

    Attributes:
        number: The number of that call, from 0.
        error: What it raises.
        raised: Whether it has raised.
    """

    def __init__(self, number: int, error: BaseException) -> None:
        self.number, self.error, self.raised = number, error, False
        self._calls = itertools.count()

    def __call__(self) -> None:
        if next(self._calls) == self.number:
            self.raised = True
            raise self.error
