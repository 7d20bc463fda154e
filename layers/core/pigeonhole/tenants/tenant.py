"""Tenants, API keys and webhook secrets. Only the SHA-256 of an API key is stored."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass

from pigeonhole.contract.commands import S3Grant

TENANT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
API_KEY_PREFIX = "pgh"
_API_KEY_ALPHABET = string.ascii_letters + string.digits  # the characters that API Gateway takes in an API key
_API_KEY_CHARS = 40  # 238 random bits


@dataclass(frozen=True)
class Tenant:
    """A caller of the API.

    Attributes:
        id: Lower-case letters, digits and hyphens, as in a host name.
        created_at: Seconds since 1970, UTC.
        grants: The S3 prefixes whose images the tenant's requests may name.
    """

    id: str
    created_at: int
    grants: tuple[S3Grant, ...] = ()

    def __post_init__(self) -> None:
        """Check the id.

        Raises:
            ValueError: It isn't a tenant id.
        """
        if not TENANT_ID.fullmatch(self.id):
            raise ValueError(
                f"{self.id[:70]!r} is no tenant id: 1 to 63 lower-case letters, digits and hyphens, no hyphen at an end"
            )


@dataclass(frozen=True)
class ApiKeyRecord:
    """What is stored of an API key.

    Attributes:
        key_id: The id that API Gateway gave to the API key.
        key_hash: What `hash_api_key` returns for it.
        tenant_id: The tenant that it belongs to.
        name: What it is for.
        created_at: Seconds since 1970, UTC.
        ends_at: From when it is refused, in seconds since 1970, UTC. None if it has no end.
    """

    key_id: str
    key_hash: str
    tenant_id: str
    name: str
    created_at: int
    ends_at: int | None = None

    def is_valid(self, now: float) -> bool:
        """Return whether the API key hasn't ended."""
        return self.ends_at is None or now < self.ends_at


def hash_api_key(api_key: str) -> str:
    """Return the SHA-256 of an API key, 64 hex digits.

    An API key has 238 random bits, so a slow hash or a salt would add nothing.
    """
    return hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest()


def new_api_key() -> str:
    """Create a random API key: `pgh` and 40 letters or digits."""
    return API_KEY_PREFIX + "".join(secrets.choice(_API_KEY_ALPHABET) for _ in range(_API_KEY_CHARS))


@dataclass(frozen=True)
class WebhookSecret:
    """A tenant's secret for the signatures of webhooks.

    Attributes:
        value: `whsec_` and base64.
        created_at: Seconds since 1970, UTC.
        ends_at: Until when deliveries are signed with it, in seconds since 1970, UTC. None for the newest secret.
    """

    value: str
    created_at: int
    ends_at: int | None = None

    def is_valid(self, now: float) -> bool:
        """Return whether deliveries are signed with the secret."""
        return self.ends_at is None or now < self.ends_at
