"""Ids of jobs, and of whatever else needs one."""

from __future__ import annotations

import re
import secrets


def new_id(now: float) -> str:
    """Make a job's id, 32 hex digits that sort by time: milliseconds since 1970, then 80 random bits."""
    return f"{int(now * 1000):012x}{secrets.token_hex(10)}"


def is_id(text: str) -> bool:
    """Whether a job could have that id."""
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None
