"""Encode the position at which a next page begins, so that a URL's query can carry it."""

from __future__ import annotations

import base64


def encode_cursor(position: str) -> str:
    """Encode a position, which may hold any text, as base64url without padding."""
    return base64.urlsafe_b64encode(position.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """Decode a cursor that `encode_cursor` made.

    Raises:
        ValueError: The cursor isn't base64url, or doesn't hold UTF-8.
    """
    return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
