"""The tenant of an API key: found by the hash, remembered for a minute, and refused with one message."""

from __future__ import annotations

import pytest

from pigeonhole.errors import InvalidApiKey, Overloaded
from pigeonhole.tenants.authenticate import Authenticator
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key
from support.fakes import FakeTenantStore


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def store_with(key: str, ends_at: int | None = None) -> FakeTenantStore:
    store = FakeTenantStore()
    record = ApiKeyRecord("id1", hash_api_key(key), "acme", "laptop", created_at=0, ends_at=ends_at)
    store.add_api_key(record, Tenant("acme", 0), known=None)
    return store


def test_a_key_leads_to_its_tenant() -> None:
    assert Authenticator(store=store_with("k1")).authenticate("k1").id == "acme"


@pytest.mark.parametrize("key", [None, "", "other", "K1", " k1"])
def test_no_key_and_a_wrong_key_are_refused_in_the_same_words(key: str | None) -> None:
    with pytest.raises(InvalidApiKey, match=r"missing or is not a valid key"):
        Authenticator(store=store_with("k1")).authenticate(key)


def test_a_key_whose_tenant_is_gone_is_refused() -> None:
    store = store_with("k1")
    store.tenants.clear()

    with pytest.raises(InvalidApiKey):
        Authenticator(store=store).authenticate("k1")


def test_an_ended_key_is_refused() -> None:
    clock = Clock()

    with pytest.raises(InvalidApiKey):
        Authenticator(store=store_with("k1", ends_at=1_000), clock=clock).authenticate("k1")


def test_a_found_key_is_remembered_for_a_minute() -> None:
    store, clock = store_with("k1"), Clock()
    authenticate = Authenticator(store=store, clock=clock)
    for clock.now in (1_000.0, 1_030.0, 1_059.9):
        authenticate.authenticate("k1")
    assert store.lookups == 1

    clock.now = 1_060.0
    authenticate.authenticate("k1")
    assert store.lookups == 2


def test_a_revoked_key_is_refused_within_a_minute() -> None:
    store, clock = store_with("k1"), Clock()
    authenticate = Authenticator(store=store, clock=clock)
    authenticate.authenticate("k1")
    store.end_api_key(store.records["id1"], 1_001)

    clock.now = 1_060.0
    with pytest.raises(InvalidApiKey):
        authenticate.authenticate("k1")


def test_a_remembered_key_ends_when_its_record_says_so() -> None:
    clock = Clock()
    authenticate = Authenticator(store=store_with("k1", ends_at=1_010), clock=clock)
    authenticate.authenticate("k1")

    clock.now = 1_010.0
    with pytest.raises(InvalidApiKey):
        authenticate.authenticate("k1")


def test_an_unknown_key_is_looked_up_each_time_so_that_it_works_once_created() -> None:
    store = FakeTenantStore()
    authenticate = Authenticator(store=store)
    with pytest.raises(InvalidApiKey):
        authenticate.authenticate("k1")
    store.add_api_key(ApiKeyRecord("id1", hash_api_key("k1"), "acme", "laptop", created_at=0), Tenant("acme", 0), known=None)

    assert authenticate.authenticate("k1").id == "acme"


def test_the_memory_is_bounded() -> None:
    store = FakeTenantStore()
    for number in range(10):
        record = ApiKeyRecord(f"id{number}", hash_api_key(f"k{number}"), f"tenant{number}", "n", created_at=0)
        store.add_api_key(record, Tenant(record.tenant_id, 0), known=None)
    authenticate = Authenticator(store=store, max_remembered=3)
    for number in range(10):
        authenticate.authenticate(f"k{number}")

    assert len(authenticate._remembered) <= 3


def test_a_store_that_is_busy_is_not_a_wrong_key() -> None:
    class Busy(FakeTenantStore):
        def find_api_key(self, key_hash: str) -> None:
            raise Overloaded("busy")

    with pytest.raises(Overloaded):
        Authenticator(store=Busy()).authenticate("k1")
