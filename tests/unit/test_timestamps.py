"""Seconds since 1970 as ISO 8601, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.timestamps import from_iso, to_iso


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_700_000_000, "2023-11-14T22:13:20Z"), (1_700_000_000.25, "2023-11-14T22:13:20.250Z")],
)
def test_a_time_has_milliseconds_only_if_it_is_no_whole_second(seconds: float, text: str) -> None:
    assert to_iso(seconds) == text
    assert from_iso(text) == seconds


@pytest.mark.parametrize("text", ["2023-11-14T22:13:20", "2023-11-14T22:13:20+00:00", "2023-11-15T00:13:20+02:00"])
def test_a_time_without_an_offset_is_utc(text: str) -> None:
    assert from_iso(text) == 1_700_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "1700000000.5.1", "2023-13-01T00:00:00Z"])
def test_what_is_no_iso_8601_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_iso(text)


@given(st.integers(0, 4_000_000_000_000))
def test_a_time_in_milliseconds_survives_both_ways(milliseconds: int) -> None:
    assert from_iso(to_iso(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=0.001)
