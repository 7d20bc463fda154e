"""ports.ApiKeyRegistry: the fake and API Gateway's adapter behave alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from pigeonhole.aws.apigateway import ApiGatewayKeys
from pigeonhole.tenants.ports import ApiKeyRegistry
from support.fakes import FakeApiKeyRegistry
from support.moto_aws import REGION

VALUE = "pghThisIsNoKeyOfAnybodyItOnlyLooksLikeOne00"


@dataclass
class Gateway:
    """`opens`: the values that the gateway lets in; `held`: the values that it keeps at all."""

    registry: ApiKeyRegistry
    opens: Callable[[], set[str]]
    held: Callable[[], set[str]]


@pytest.fixture
def gateway(is_real: bool) -> Gateway:
    if not is_real:
        fake = FakeApiKeyRegistry()
        return Gateway(fake, lambda: {fake.values[key_id] for key_id in fake.admitted}, lambda: set(fake.values.values()))
    client = boto3.client("apigateway", region_name=REGION)
    plan = client.create_usage_plan(name="plan")["id"]
    return Gateway(
        ApiGatewayKeys(client, plan),
        lambda: _values(client.get_usage_plan_keys(usagePlanId=plan)) & _values(client.get_api_keys(includeValues=True)),
        lambda: _values(client.get_api_keys(includeValues=True)),
    )


def _values(answer: dict[str, Any]) -> set[str]:
    return {key["value"] for key in answer["items"]}


def test_a_new_key_opens_nothing_before_it_is_admitted(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    assert (gateway.held(), gateway.opens()) == ({VALUE}, set())

    gateway.registry.admit(key_id)
    assert gateway.opens() == {VALUE}


def test_a_deleted_key_opens_nothing_and_is_gone(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    gateway.registry.admit(key_id)
    gateway.registry.delete(key_id)

    assert (gateway.held(), gateway.opens()) == (set(), set())


def test_a_key_that_was_never_admitted_can_be_deleted(gateway: Gateway) -> None:
    gateway.registry.delete(gateway.registry.create("acme laptop", VALUE))

    assert gateway.held() == set()


def test_deleting_twice_is_no_fault(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    gateway.registry.delete(key_id)
    gateway.registry.delete(key_id)

    assert gateway.held() == set()
