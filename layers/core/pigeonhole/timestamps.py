"""Conversions between seconds since 1970 and the ISO 8601 texts that callers see."""

from __future__ import annotations

from datetime import UTC, datetime


def to_iso(seconds: float) -> str:
    """Format seconds since 1970 as ISO 8601 in UTC, with milliseconds unless it is a whole second."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def from_iso(text: str) -> float:
    """Parse ISO 8601 into seconds since 1970. A text without an offset is in UTC.

    Raises:
        ValueError: The text is not ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
