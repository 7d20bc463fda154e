"""The time that all steps of one fetch share."""

from __future__ import annotations

import time

import httpcore


class Deadline:
    """The end of a fetch. Each wait of the fetch asks it for the seconds that are left."""

    def __init__(self, timeout_s: float) -> None:
        """Start the time of a fetch."""
        self._ends_at = time.monotonic() + timeout_s

    def remaining_s(self) -> float:
        """Return the seconds that are left, more than 0.

        Raises:
            httpcore.ReadTimeout: The time is up.
        """
        remaining_s = self._ends_at - time.monotonic()
        if remaining_s <= 0:
            raise httpcore.ReadTimeout
        return remaining_s
