"""Failures that a test plans."""

from __future__ import annotations

import itertools


class Fault:
    """A fake's hook that raises at its call of that number, from 0, and never again. `raised`: whether it has."""

    def __init__(self, number: int, error: BaseException) -> None:
        self.number, self.error, self.raised = number, error, False
        self._calls = itertools.count()

    def __call__(self) -> None:
        if next(self._calls) == self.number:
            self.raised = True
            raise self.error
