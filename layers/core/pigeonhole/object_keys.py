"""Where callers' uploads lie: under their tenant's prefix of the upload bucket, each under a key of its own. Pure."""

from __future__ import annotations

import re

from pigeonhole.contract.messages import S3Grant
from pigeonhole.jobs.job import new_id

UPLOADS = "uploads/"  # prefix of the upload bucket


def grant_of(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant's uploads are, and what its requests may name of the bucket."""
    return S3Grant(bucket=bucket, prefix=f"{UPLOADS}{tenant_id}/")


def new_key(prefix: str, filename: str | None, now: float, ending: str = "") -> str:
    """The key of a new upload, which nobody can guess. The file's name is its end: its letters, digits, `-`, `_` and dots.

    `prefix`: where it lies, with a slash at its end; `ending`: is added unless the name has it.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", filename or "").strip("-.")[-100:]
    key = f"{prefix}{new_id(now)}" + (f"-{plain}" if plain else "")
    return key if key.lower().endswith(ending) else key + ending
