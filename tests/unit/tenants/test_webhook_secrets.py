"""Webhook secrets: a replaced secret stays valid for a day, and a tenant has a bounded number of secrets."""

from __future__ import annotations

import pytest

from pigeonhole.errors import RateLimited
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import MAX_SECRETS, OLD_SECRET_S, old_valid_until, rotate_secrets

NOW = 1_000_000.0


def test_a_replaced_secret_is_valid_for_a_day() -> None:
    new, old = rotate_secrets(rotate_secrets((), NOW), NOW + 100)

    assert new.is_valid(NOW + 10 * OLD_SECRET_S)
    assert old.is_valid(NOW + 100 + OLD_SECRET_S - 1)
    assert not old.is_valid(NOW + 100 + OLD_SECRET_S)
    assert old_valid_until((new, old), NOW + 100) == NOW + 100 + OLD_SECRET_S
    assert old_valid_until((new, old), NOW + 100 + OLD_SECRET_S) is None


def test_a_second_rotation_doesnt_lengthen_the_first_secrets_day() -> None:
    first = rotate_secrets((), NOW)
    third = rotate_secrets(rotate_secrets(first, NOW), NOW + 1_000)

    assert [secret.ends_at for secret in third] == [None, NOW + 1_000 + OLD_SECRET_S, NOW + OLD_SECRET_S]
    assert len(rotate_secrets(third, NOW + 2 * OLD_SECRET_S)) == 2, "expired secrets are left out"


def test_a_tenant_has_no_more_secrets_than_a_header_should_hold() -> None:
    stored: tuple[WebhookSecret, ...] = ()
    for second in range(MAX_SECRETS):
        stored = rotate_secrets(stored, NOW + second)

    with pytest.raises(RateLimited, match="10 secrets sign already") as caught:
        rotate_secrets(stored, NOW + MAX_SECRETS + 0.5)
    wait_s = caught.value.retry_after_s
    assert wait_s == OLD_SECRET_S - 9, "a day after the first one was replaced, which was at the first second"
    assert len(rotate_secrets(stored, NOW + MAX_SECRETS + 0.5 + wait_s)) == MAX_SECRETS
    assert len(stored) == MAX_SECRETS
    assert len(rotate_secrets(stored, NOW + OLD_SECRET_S + 1)) == MAX_SECRETS, "the first secret has expired"
