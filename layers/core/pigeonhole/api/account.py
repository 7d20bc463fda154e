"""Tell a caller who it is, how much it may ask for and where on S3 its images may lie."""

from __future__ import annotations

import time
from collections.abc import Callable

from pigeonhole.api.rate_headers import Quota, RateState
from pigeonhole.contract.classification import RequestLimits
from pigeonhole.contract.messages import S3Grant
from pigeonhole.contract.service import AccountResponse, Limits, SecretInfo, TenantInfo
from pigeonhole.object_keys import incoming_grant, uploads_grant
from pigeonhole.settings import Settings
from pigeonhole.tenants.ports import SecretStore
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.tenants.webhook_secrets import old_valid_until
from pigeonhole.timestamps import to_iso


class AccountReader:
    """The service behind `GET /v1/account`."""

    def __init__(
        self,
        *,
        settings: Settings,
        limits: RequestLimits,
        quota: Quota,
        secrets: SecretStore,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._secrets = secrets
        self._clock = clock
        self._settings = settings
        self._limits = limits
        self._quota = quota

    def read(self, tenant: Tenant, rate: RateState, log_id: str) -> AccountResponse:
        """Describe `tenant`, whose standing in the quota's period is `rate`."""
        bucket = self._settings.upload_bucket
        uploads = _address(uploads_grant(tenant.id, bucket)) if bucket else None
        incoming = _address(incoming_grant(tenant.id, bucket)) if bucket else None
        return AccountResponse(
            log_id=log_id,
            tenant=TenantInfo(id=tenant.id, created_at=to_iso(tenant.created_at)),
            limits=Limits(
                max_samples=self._limits.max_samples,
                max_job_samples=self._settings.max_job_samples,
                max_labels=self._limits.max_labels,
                max_text_chars=self._limits.max_text_chars,
                max_label_chars=self._limits.max_label_chars,
                max_body_bytes=self._limits.max_body_bytes,
                max_image_bytes=self._settings.max_image_bytes,
                max_image_megapixels=self._settings.max_image_megapixels,
                max_request_image_bytes=self._settings.max_request_bytes,
                max_label_sets=self._limits.max_label_sets,
                requests=rate.limit,
                requests_period=self._quota.period,
                requests_remaining=rate.remaining,
                requests_reset=rate.reset_ms,
            ),
            s3_prefixes=[*map(_address, tenant.grants), *filter(None, (uploads, incoming))],
            upload_prefix=uploads,
            incoming_prefix=incoming,
            webhook_secret=self._secret_of(tenant),
        )

    def _secret_of(self, tenant: Tenant) -> SecretInfo | None:
        secrets = self._secrets.secrets(tenant.id)
        if not secrets:
            return None
        until = old_valid_until(secrets, self._clock())
        return SecretInfo(created_at=to_iso(secrets[0].created_at), old_valid_until=None if until is None else to_iso(until))


def _address(grant: S3Grant) -> str:
    return f"s3://{grant.bucket}/{grant.prefix}"
