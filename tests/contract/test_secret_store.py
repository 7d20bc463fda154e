"""ports.SecretStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pigeonhole.aws.dynamodb.webhook_secrets import DynamoSecretStore
from pigeonhole.errors import Overloaded
from pigeonhole.tenants.ports import SecretStore
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import rotated
from support.fakes import FakeSecretStore
from support.moto_aws import TABLE, in_moto, table


@pytest.fixture(params=["fake", "dynamodb"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretStore]:
    if request.param == "fake":
        yield FakeSecretStore()
        return
    with in_moto(monkeypatch):
        yield DynamoSecretStore(table(), TABLE)


def test_a_tenant_has_no_secret_until_it_makes_one(store: SecretStore) -> None:
    assert store.secrets("acme") == ()


def test_secrets_are_read_as_they_were_written(store: SecretStore) -> None:
    known: tuple[WebhookSecret, ...] = ()
    for now in (1_000, 2_000, 3_000):
        following = rotated(known, now)
        store.replace_secrets("acme", following, known)
        assert store.secrets("acme") == following
        known = following


def test_a_tenant_has_no_secret_of_another(store: SecretStore) -> None:
    store.replace_secrets("acme", rotated((), 1_000), ())

    assert store.secrets("zeta") == ()


def test_of_two_who_make_a_secret_at_once_one_is_told_to_try_again(store: SecretStore) -> None:
    for known in ((), rotated((), 1_000)):
        mine, theirs = rotated(known, 2_000), rotated(known, 2_000)
        tenant = f"tenant-{len(known)}"
        if known:
            store.replace_secrets(tenant, known, ())
        store.replace_secrets(tenant, theirs, known)

        with pytest.raises(Overloaded):
            store.replace_secrets(tenant, mine, known)
        assert store.secrets(tenant) == theirs


def test_who_writes_the_same_again_has_written_it(store: SecretStore) -> None:
    """As boto3 does where the first answer was lost."""
    mine = rotated((), 1_000)
    store.replace_secrets("acme", mine, ())

    store.replace_secrets("acme", mine, ())
    assert store.secrets("acme") == mine
