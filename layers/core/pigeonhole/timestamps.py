"""Times as callers see them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Seconds since 1970 as ISO 8601, UTC, to the millisecond if it isn't a whole second."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def seconds_of(moment: str) -> float:
    """The inverse of `iso`; without an offset it is taken for UTC. Raises ValueError for what isn't ISO 8601."""
    read = datetime.fromisoformat(moment)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
