"""benchmarks/recording_server.py: the request units that DynamoDB bills for a call, and EventBridge's events."""

from __future__ import annotations

from typing import Any

import pytest

from recording_server import events, read_units, write_units


def size(item: dict[str, int]) -> int:
    return item.get("bytes", 0)


@pytest.mark.parametrize(
    ("asked", "answer", "units"),
    [
        ({"ConsistentRead": True}, {"Item": {"bytes": 4096}}, 1.0),
        ({"ConsistentRead": True}, {"Item": {"bytes": 4097}}, 2.0),
        ({}, {"Item": {"bytes": 10}}, 0.5),
        ({"ConsistentRead": True}, {}, 1.0),
        ({"ConsistentRead": True}, {"Items": [{"bytes": 3000}, {"bytes": 3000}, {"bytes": 3000}]}, 3.0),
        ({}, {"Items": []}, 0.5),
    ],
)
def test_a_read_costs_a_unit_for_4_kb_and_half_where_it_may_be_old(
    asked: dict[str, Any], answer: dict[str, Any], units: float
) -> None:
    assert read_units(asked, answer, size) == units


def test_of_a_batch_each_item_is_rounded_up_and_a_missing_one_costs_too() -> None:
    asked = {"RequestItems": {"table": {"Keys": [1, 2, 3], "ConsistentRead": True}}}

    assert read_units(asked, {"Responses": {"table": [{"bytes": 5000}, {"bytes": 10}]}}, size) == 3.0
    assert read_units(asked, {"Responses": {}}, size) == 3.0


def test_a_write_costs_what_ministack_says() -> None:
    assert write_units({}, {"ConsumedCapacity": {"CapacityUnits": 3.0}}, size) == 3.0
    assert write_units({}, {"ConsumedCapacity": [{"CapacityUnits": 3.0}, {"CapacityUnits": 4.0}]}, size) == 7.0


def test_a_refused_transaction_costs_twice_what_it_would_have_put() -> None:
    puts = [{"Put": {"Item": {"bytes": 700}}}, {"Put": {"Item": {"bytes": 1500}}}]

    assert write_units({"TransactItems": puts}, {"__type": "TransactionCanceledException"}, size) == 2.0 + 4.0


def test_each_entry_is_an_event_and_one_above_64_kb_several() -> None:
    named = {"Source": "pigeonhole", "DetailType": "Upload Classified"}
    small, large = named | {"Detail": "{}"}, named | {"Detail": "x" * 65_536}

    assert events({"Entries": [small] * 10}) == 10.0
    assert events({"Entries": [small, large]}) == 3.0
