"""WebhookSecretStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

import pytest

from pigeonhole.aws.dynamodb.webhook_secrets import DynamoWebhookSecretStore
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.ports import WebhookSecretStore
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import rotate_secrets
from support.fakes import FakeWebhookSecretStore
from support.moto_aws import TABLE, create_table


@pytest.fixture
def store(is_real: bool) -> WebhookSecretStore:
    return DynamoWebhookSecretStore(create_table(), TABLE) if is_real else FakeWebhookSecretStore()


def test_a_tenant_has_no_secret_until_it_creates_one(store: WebhookSecretStore) -> None:
    assert store.get_secrets("acme") == ()


def test_secrets_are_read_as_they_were_written(store: WebhookSecretStore) -> None:
    known: tuple[WebhookSecret, ...] = ()
    for now in (1_000, 2_000, 3_000):
        following = rotate_secrets(known, now)
        store.replace_secrets("acme", following, known)
        assert store.get_secrets("acme") == following
        known = following


def test_a_tenant_has_no_secret_of_another(store: WebhookSecretStore) -> None:
    store.replace_secrets("acme", rotate_secrets((), 1_000), ())

    assert store.get_secrets("zeta") == ()


def test_one_of_two_concurrent_rotations_is_overloaded(store: WebhookSecretStore) -> None:
    for known in ((), rotate_secrets((), 1_000)):
        mine, theirs = rotate_secrets(known, 2_000), rotate_secrets(known, 2_000)
        tenant = f"tenant-{len(known)}"
        if known:
            store.replace_secrets(tenant, known, ())
        store.replace_secrets(tenant, theirs, known)

        with pytest.raises(Overloaded):
            store.replace_secrets(tenant, mine, known)
        assert store.get_secrets(tenant) == theirs


def test_a_repeated_write_succeeds(store: WebhookSecretStore) -> None:
    """boto3 repeats a call whose answer was lost."""
    mine = rotate_secrets((), 1_000)
    store.replace_secrets("acme", mine, ())

    store.replace_secrets("acme", mine, ())
    assert store.get_secrets("acme") == mine
