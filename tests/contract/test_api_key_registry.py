"""ApiKeyRegistry: the fake and API Gateway's adapter behave alike."""

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
    """A registry, and what the gateway has of its API keys.

    Attributes:
        registry: The registry.
        admitted: The values of API keys that a usage plan admits.
        stored: The values of all API keys.
    """

    registry: ApiKeyRegistry
    admitted: Callable[[], set[str]]
    stored: Callable[[], set[str]]


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
    return {api_key["value"] for api_key in answer["items"]}


def test_a_new_api_key_is_refused_until_it_is_admitted(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    assert (gateway.stored(), gateway.admitted()) == ({VALUE}, set())

    gateway.registry.admit(key_id)
    assert gateway.admitted() == {VALUE}


def test_a_deleted_api_key_is_neither_admitted_nor_stored(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    gateway.registry.admit(key_id)
    gateway.registry.delete(key_id)

    assert (gateway.stored(), gateway.admitted()) == (set(), set())


def test_an_api_key_that_was_never_admitted_can_be_deleted(gateway: Gateway) -> None:
    gateway.registry.delete(gateway.registry.create("acme laptop", VALUE))

    assert gateway.stored() == set()


def test_deleting_twice_is_no_error(gateway: Gateway) -> None:
    key_id = gateway.registry.create("acme laptop", VALUE)
    gateway.registry.delete(key_id)
    gateway.registry.delete(key_id)

    assert gateway.stored() == set()
