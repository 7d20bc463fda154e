"""Whether a tenant may read a manifest. It is asked at every step of a job, so that a withdrawn grant has an effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import ForbiddenUrl
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import Tenant

NOT_GRANTED = "the manifest is under no prefix that is granted to you; GET /v1/account names yours"


@dataclass(frozen=True, kw_only=True)
class ManifestAccess:
    """Compares manifests with the grants of tenants.

    Attributes:
        uploads: Returns what a tenant may name without a grant: its own uploads.
        incoming: Returns the same for its uploads that a label set classifies.
    """

    tenants: TenantStore
    uploads: Callable[[str], S3Grant]
    incoming: Callable[[str], S3Grant]

    def is_granted(self, location: ManifestLocation, tenant: Tenant) -> bool:
        """Return whether a tenant may read a manifest."""
        return any(
            location.bucket == grant.bucket and location.object_key.startswith(grant.prefix)
            for grant in (*tenant.grants, self.uploads(tenant.id), self.incoming(tenant.id))
        )

    def check(self, location: ManifestLocation, tenant_id: str) -> Tenant:
        """Read a tenant, and return it if it may read a manifest.

        Raises:
            ForbiddenUrl: The tenant may not read the manifest any more.
            Overloaded: The table is busy. Trying again may help.
        """
        tenant = self.tenants.get_tenant(tenant_id)
        if tenant is None or not self.is_granted(location, tenant):
            raise ForbiddenUrl(NOT_GRANTED)
        return tenant
