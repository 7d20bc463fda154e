"""Read a caller's account: its tenant, its limits, and the S3 prefixes of its images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.api.rate_headers import Quota
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.object_keys import incoming_grant, uploads_grant
from pigeonhole.settings import Settings
from pigeonhole.tenants.ports import WebhookSecretStore
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.tenants.webhook_secrets import old_valid_until


@dataclass(frozen=True, kw_only=True)
class Account:
    """A tenant and what it may request. Times are seconds since 1970, UTC.

    Attributes:
        tenant: The caller's tenant.
        request_limits: The limits of one request.
        settings: The deployment's settings, which hold the limits of jobs and images.
        quota: How many requests the usage plan admits per period.
        uploads: The prefix of the tenant's uploads, None without an upload bucket.
        incoming: The prefix of uploads that a label set classifies, None without an upload bucket.
        secret_created_at: When the tenant's webhook secret was created, None if there is none.
        old_secret_valid_until: Until when a replaced webhook secret still signs, None if none does.
    """

    tenant: Tenant
    request_limits: RequestLimits
    settings: Settings
    quota: Quota
    uploads: S3Grant | None
    incoming: S3Grant | None
    secret_created_at: float | None
    old_secret_valid_until: float | None


@dataclass(frozen=True, kw_only=True)
class AccountReader:
    """The service behind `GET /v1/account`."""

    settings: Settings
    limits: RequestLimits
    quota: Quota
    secrets: WebhookSecretStore
    clock: Callable[[], float] = time.time

    def read(self, tenant: Tenant) -> Account:
        """Read the account of `tenant`.

        Raises:
            Overloaded: The table is busy.
        """
        bucket, secrets = self.settings.upload_bucket, self.secrets.get_secrets(tenant.id)
        return Account(
            tenant=tenant,
            request_limits=self.limits,
            settings=self.settings,
            quota=self.quota,
            uploads=uploads_grant(tenant.id, bucket) if bucket else None,
            incoming=incoming_grant(tenant.id, bucket) if bucket else None,
            secret_created_at=secrets[0].created_at if secrets else None,
            old_secret_valid_until=old_valid_until(secrets, self.clock()),
        )
