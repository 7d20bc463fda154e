"""Tenants, and keys that are kept as a hash only."""

from __future__ import annotations

import re

import pytest

from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key, new_api_key


@pytest.mark.parametrize("tenant_id", ["acme", "a", "a-1", "0", "x" * 63])
def test_a_tenant_id_is_like_a_host_name(tenant_id: str) -> None:
    assert Tenant(tenant_id, created_at=0).id == tenant_id


@pytest.mark.parametrize("tenant_id", ["", "Acme", "a b", "-a", "a-", "a/b", "a#b", "ä", "x" * 64, "a\n", "../a"])
def test_another_tenant_id_is_refused(tenant_id: str) -> None:
    with pytest.raises(ValueError, match="is no tenant id"):
        Tenant(tenant_id, created_at=0)


def test_a_key_is_long_random_and_made_of_letters_and_digits() -> None:
    keys = {new_api_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(re.fullmatch(r"pgh[A-Za-z0-9]{40}", key) for key in keys)


def test_the_hash_of_a_key_is_its_sha_256() -> None:
    assert hash_api_key("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len(hash_api_key("\ud800 whatever a header may hold é")) == 64


@pytest.mark.parametrize(("ends_at", "valid"), [(None, True), (101, True), (100, False), (99, False)])
def test_a_key_is_valid_until_it_ends(ends_at: int | None, valid: bool) -> None:
    record = ApiKeyRecord("id", "hash", "acme", "laptop", created_at=0, ends_at=ends_at)

    assert record.is_valid(now=100) is valid
