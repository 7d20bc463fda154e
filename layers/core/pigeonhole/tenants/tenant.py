"""Tenants and their API keys. A key is kept as its SHA-256 only; nobody can read it back."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass

from pigeonhole.contract.messages import S3Grant

TENANT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_KEY_ALPHABET = string.ascii_letters + string.digits  # all that API Gateway takes in a key
_KEY_LENGTH = 40  # 238 bits


@dataclass(frozen=True)
class Tenant:
    """Who calls. `grants`: where on S3 the tenant's requests may point; `created_at`: seconds since 1970, UTC."""

    id: str
    created_at: int
    grants: tuple[S3Grant, ...] = ()

    def __post_init__(self) -> None:
        if not TENANT_ID.fullmatch(self.id):
            raise ValueError(
                f"{self.id[:70]!r} is no tenant id: 1 to 63 lower-case letters, digits and hyphens, no hyphen at an end"
            )


@dataclass(frozen=True)
class ApiKeyRecord:
    """One key of a tenant. `key_id`: API Gateway's; `ends_at`: from when it is refused (seconds since 1970), None: it isn't."""

    key_id: str
    key_hash: str
    tenant_id: str
    name: str
    created_at: int
    ends_at: int | None = None

    def is_valid(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at


def hash_api_key(key: str) -> str:
    """SHA-256 of a key, 64 hex digits. A key is 238 random bits, so a slow hash or a salt would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def new_api_key() -> str:
    """Make a key that nobody can guess: `pgh` and 40 letters or digits."""
    return "pgh" + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))


@dataclass(frozen=True)
class WebhookSecret:
    """A tenant's signing secret: `whsec_` and base64. Times are seconds since 1970, UTC; `ends_at`: None for the newest."""

    value: str
    created_at: int
    ends_at: int | None = None

    def signs(self, now: float) -> bool:
        return self.ends_at is None or now < self.ends_at
