"""A caller's account: its S3 prefixes and its webhook secrets."""

from __future__ import annotations

from pigeonhole.api.account import Account, AccountReader
from pigeonhole.api.rate_headers import Quota
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.settings import Settings
from pigeonhole.tenants.webhook_secrets import OLD_SECRET_S, WebhookSecretRotator
from support.fakes import FakeWebhookSecretStore
from support.job_fixtures import ACME


def read(store: FakeWebhookSecretStore, *, now: float = 2_000.0, **settings: str) -> Account:
    reader = AccountReader(
        settings=Settings(**settings),  # type: ignore[arg-type]
        limits=RequestLimits(),
        quota=Quota(10, "DAY"),
        secrets=store,
        clock=lambda: now,
    )
    return reader.read(ACME)


def test_the_prefixes_are_those_of_the_upload_bucket() -> None:
    account = read(FakeWebhookSecretStore(), upload_bucket="uploads")

    assert account.uploads == S3Grant(bucket="uploads", prefix="uploads/acme/")
    assert account.incoming == S3Grant(bucket="uploads", prefix="incoming/acme/")


def test_without_an_upload_bucket_there_are_no_prefixes() -> None:
    account = read(FakeWebhookSecretStore())

    assert (account.uploads, account.incoming) == (None, None)


def test_a_replaced_secret_signs_for_another_day() -> None:
    store = FakeWebhookSecretStore(stored={})
    assert read(store).secret_created_at is None

    for now in (1_000.0, 2_000.0):
        WebhookSecretRotator(store=store, clock=lambda now=now: now).rotate(ACME)  # type: ignore[misc]

    account = read(store)
    assert (account.secret_created_at, account.old_secret_valid_until) == (2_000, 2_000 + OLD_SECRET_S)
    assert read(store, now=2_000.0 + OLD_SECRET_S).old_secret_valid_until is None
