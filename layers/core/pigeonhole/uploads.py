"""Where callers' uploads lie: under their tenant's prefix of the upload bucket, each under a key of its own. Pure."""

from __future__ import annotations

import re

from pigeonhole.jobs import new_id
from pigeonhole.messages import S3Grant

UPLOADS = "uploads/"  # prefix of the upload bucket


def grant_of(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant's uploads are, and what its requests may name of the bucket."""
    return S3Grant(bucket=bucket, prefix=f"{UPLOADS}{tenant_id}/")


def new_key(tenant_id: str, filename: str | None, now: float) -> str:
    """The key of a new upload, which nobody can guess. The file's name is its end: its letters, digits, `-`, `_` and dots."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", filename or "").strip("-.")[-100:]
    return f"{UPLOADS}{tenant_id}/{new_id(now)}" + (f"-{plain}" if plain else "")
