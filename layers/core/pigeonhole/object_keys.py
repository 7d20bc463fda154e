"""Where callers' uploads lie: under their tenant's prefix of the upload bucket, each under a key of its own. Pure."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

from pigeonhole.contract.messages import S3Grant, Span
from pigeonhole.ids import new_id
from pigeonhole.tenants.tenant import TENANT_ID

UPLOADS = "uploads/"  # prefix of the upload bucket


def uploads_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant's uploads are, and what its requests may name of the bucket."""
    return S3Grant(bucket=bucket, prefix=f"{UPLOADS}{tenant_id}/")


def new_upload_key(prefix: str, filename: str | None, now: float, ending: str = "") -> str:
    """The key of a new upload, which nobody can guess. The file's name is its end: its letters, digits, `-`, `_` and dots.

    `prefix`: where it lies, with a slash at its end; `ending`: is added unless the name has it.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", filename or "").strip("-.")[-100:]
    key = f"{prefix}{new_id(now)}" + (f"-{plain}" if plain else "")
    return key if key.lower().endswith(ending) else key + ending


JOB_INPUTS, JOB_RESULTS = "inputs/", "results/"  # prefixes of the job bucket


def job_input_key(tenant_id: str, job_id: str) -> str:
    """The object that holds a job's JobInput."""
    return f"{JOB_INPUTS}{tenant_id}/{job_id}.json"


def job_results_key(tenant_id: str, job_id: str) -> str:
    """The object that holds the whole answer of a job, where it is too large for one of the API's."""
    return f"{JOB_RESULTS}{tenant_id}/{job_id}/results.json"


def part_key(tenant_id: str, job_id: str, span: Span) -> str:
    """A new object for a part's results. No two writers share one: the loser's must not replace the winner's."""
    return f"{JOB_RESULTS}{tenant_id}/{job_id}/{span.start:06d}-{secrets.token_hex(8)}.json.gz"


LABEL_IMAGES, EMBEDDINGS = "label-sets/", "embeddings/"  # prefixes of the job bucket


def label_image_key(tenant_id: str, name: str, digest: str) -> str:
    """The object that holds an image of a set. `digest`: SHA-256 of its bytes, so the same image is the same object."""
    return f"{LABEL_IMAGES}{tenant_id}/{name}/{digest}"


def label_images_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant's kept images are."""
    return S3Grant(bucket=bucket, prefix=f"{LABEL_IMAGES}{tenant_id}/")


INCOMING, UPLOAD_RESULTS = "incoming/", "results/"  # prefixes of the upload bucket


MAX_KEY_BYTES = 1024  # S3's


@dataclass(frozen=True)
class UploadLocation:
    """Whose file it is, and which label set it is for: a name that no set may have, none if it is in no folder of one."""

    tenant_id: str
    label_set: str


def place_of(key: str) -> UploadLocation | None:
    """Where a key lies; None for one that is no file of a tenant's, such as the folders that S3's console makes."""
    parts = key.split("/", 3)
    if len(parts) < 3 or parts[0] + "/" != INCOMING or not TENANT_ID.fullmatch(parts[1]) or key.endswith("/"):
        return None
    return UploadLocation(parts[1], parts[2] if len(parts) == 4 else "")


def upload_result_key(key: str) -> str:
    """The object that says what became of the file of that key."""
    place, digest = place_of(key), hashlib.sha256(key.encode()).hexdigest()
    shorter = [f"{place.tenant_id}/{place.label_set}/{digest}", f"{place.tenant_id}/{digest}"] if place else []
    made = (f"{UPLOAD_RESULTS}{name}.json" for name in (key.removeprefix(INCOMING), *shorter, digest))
    return next(each for each in made if len(each.encode()) <= MAX_KEY_BYTES)  # a folder may be as long as a key


def incoming_grant(tenant_id: str, bucket: str) -> S3Grant:
    """Where a tenant drops files, and what its requests may name of the bucket."""
    return S3Grant(bucket=bucket, prefix=f"{INCOMING}{tenant_id}/")
