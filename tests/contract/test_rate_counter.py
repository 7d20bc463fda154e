"""RateCounter: the fake and DynamoDB's adapter count alike."""

from __future__ import annotations

import pytest

from pigeonhole.api.rate_headers import RateCounter
from pigeonhole.aws.dynamodb.rate_counter import DynamoRateCounter
from support.fakes import FakeRateCounter
from support.moto_aws import TABLE, create_table


@pytest.fixture
def counter(is_real: bool) -> RateCounter:
    return DynamoRateCounter(create_table(), TABLE) if is_real else FakeRateCounter()


def test_each_call_counts_one(counter: RateCounter) -> None:
    assert [counter.count("acme", "2026-11-01", 10) for _ in range(3)] == [1, 2, 3]


def test_tenants_and_windows_are_counted_separately(counter: RateCounter) -> None:
    counter.count("acme", "2026-11-01", 10)

    assert counter.count("other", "2026-11-01", 10) == 1
    assert counter.count("acme", "2026-12-01", 10) == 1


@pytest.mark.usefixtures("aws")
def test_a_count_is_one_atomic_update() -> None:
    client, requests = create_table(), []
    client.meta.events.register(
        "provide-client-params.dynamodb", lambda params, model, **_: requests.append((model.name, params))
    )
    DynamoRateCounter(client, TABLE).count("acme", "2026-11-01", 10)

    ((operation, params),) = requests
    assert operation == "UpdateItem"
    assert "ADD requests :one" in params["UpdateExpression"]


@pytest.mark.usefixtures("aws")
def test_a_counter_expires_after_its_window() -> None:
    client = create_table()
    DynamoRateCounter(client, TABLE).count("acme", "2026-11-01", 1_796_688_000)

    (item,) = client.scan(TableName=TABLE)["Items"]
    assert item["expires_at"] == {"N": "1796688000"}
