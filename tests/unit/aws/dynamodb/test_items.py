"""The codec for items, and the version of a record."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pigeonhole.aws.dynamodb.items import NewerRecord, StoredRecord, from_tagged, to_tagged


class Colour(StrEnum):
    RED = "red"


class StoredThing(StoredRecord):
    """A record of version 2."""

    LATEST_VERSION = 2
    size: int
    weight: float | None = None


def test_each_kind_of_value_has_its_tag() -> None:
    values = {"text": "x", "whole": 3, "real": 0.1, "flag": True, "raw": b"\x00", "colour": Colour.RED, "list": ("a", 1)}

    assert to_tagged(values) == {
        "text": {"S": "x"},
        "whole": {"N": "3"},
        "real": {"N": "0.1"},
        "flag": {"BOOL": True},
        "raw": {"B": b"\x00"},
        "colour": {"S": "red"},
        "list": {"L": [{"S": "a"}, {"N": "1"}]},
    }


def test_none_is_left_out_at_each_depth() -> None:
    assert to_tagged({"a": None, "b": {"c": None, "d": [{"e": None}]}}) == {"b": {"M": {"d": {"L": [{"M": {}}]}}}}


def test_bytes_come_back_as_bytes() -> None:
    assert from_tagged({"data": {"B": b"\x1f\x8b"}, "more": {"L": [{"M": {"raw": {"B": b"x"}}}]}}) == {
        "data": b"\x1f\x8b",
        "more": [{"raw": b"x"}],
    }


# DynamoDB's range of numbers is smaller than that of floats.
@given(
    st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100).filter(
        lambda x: not 0 < abs(x) < 1e-100
    )
)
def test_a_float_comes_back_exactly(number: float) -> None:
    assert float(from_tagged(to_tagged({"n": number}))["n"]) == number


@given(st.integers(min_value=-(10**37), max_value=10**37))
def test_an_integer_comes_back_exactly(number: int) -> None:
    assert int(from_tagged(to_tagged({"n": number}))["n"]) == number


def test_an_item_without_a_version_is_read() -> None:
    assert StoredThing.read(from_tagged({"size": {"N": "3"}, "unknown": {"S": "x"}})) == StoredThing(size=3)


def test_an_item_of_a_newer_release_is_an_error_that_names_both_versions() -> None:
    with pytest.raises(NewerRecord, match=r"StoredThing of version 3.* up to 2"):
        StoredThing.read(from_tagged({"size": {"N": "3"}, "record_version": {"N": "3"}}))


@pytest.mark.parametrize("version", [{"S": "x"}, {"NULL": True}, {"L": []}])
def test_an_item_whose_version_is_no_number_is_an_error(version: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="record_version"):
        StoredThing.read(from_tagged({"size": {"N": "3"}, "record_version": version}))


def test_an_item_that_lacks_an_attribute_is_an_error_that_quotes_no_value() -> None:
    with pytest.raises(ValidationError, match="size") as raised:
        StoredThing.read({"weight": "a secret"})

    assert "secret" not in str(raised.value)


def test_a_record_is_written_with_its_version() -> None:
    assert to_tagged(StoredThing(size=3).to_item()) == {"record_version": {"N": "2"}, "size": {"N": "3"}}
