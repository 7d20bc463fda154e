"""Random ids that sort by time, of jobs and of uploads."""

from __future__ import annotations

import re
import secrets


def new_id(now: float) -> str:
    """Create an id of 32 hex digits: milliseconds since 1970, then 80 random bits.

    Args:
        now: Seconds since 1970, UTC.
    """
    return f"{int(now * 1000):012x}{secrets.token_hex(10)}"


def is_id(text: str) -> bool:
    """Return whether `new_id` could have created `text`."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None
