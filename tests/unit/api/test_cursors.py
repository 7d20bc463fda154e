"""Cursors carry any text in a URL's query."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from pigeonhole.api.cursors import decode_cursor, encode_cursor


@pytest.mark.parametrize("position", ["", "a", "ab", "abc", "300.0 incoming/acme/pets/a cat+ü.jpg", "?&=#%"])
def test_a_position_is_decoded_as_it_was_encoded(position: str) -> None:
    cursor = encode_cursor(position)

    assert decode_cursor(cursor) == position
    assert quote(cursor, safe="") == cursor


@pytest.mark.parametrize("cursor", ["x", "ü", "a b", "=", "*", base64.urlsafe_b64encode(b"\xff").decode().rstrip("=")])
def test_another_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64 and UTF-8 each have a message of their own
        decode_cursor(cursor)
