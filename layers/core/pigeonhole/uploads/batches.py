"""Divide uploads into batches, each of which becomes one job."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pigeonhole.contract.uploads import FileKind, UploadedFile
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.label_sets.apply import AppliedLabelSet
from pigeonhole.object_keys import UploadLocation
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.uploaded_file import to_file_kind

Uploads = Sequence[UploadedFile]


@dataclass(frozen=True)
class Batch:
    """Uploads of one kind that become one job.

    Attributes:
        tenant: The owner of the uploads.
        applied: A request's body with the label set.
        uploads: The uploads.
    """

    tenant: Tenant
    applied: AppliedLabelSet
    uploads: Uploads

    @property
    def kind(self) -> FileKind:
        """How the files are read."""
        return to_file_kind(self.uploads[0].key)


def group_uploads(uploads: Iterable[UploadedFile]) -> tuple[dict[tuple[str, str], list[UploadedFile]], int]:
    """Group uploads by tenant and label set, and count those in no tenant's folder."""
    groups: dict[tuple[str, str], list[UploadedFile]] = defaultdict(list)
    strays = 0
    for upload in uploads:
        if location := UploadLocation.parse(upload.key):
            groups[location.tenant_id, location.label_set].append(upload)
        else:
            strays += not upload.key.endswith("/")  # S3's console creates such an object for a folder
    return groups, strays


def divide_uploads(uploads: Uploads, max_samples: int) -> Iterator[list[UploadedFile]]:
    """Divide uploads into jobs: images and texts apart, and each .jsonl file by itself."""
    by_kind = {kind: [upload for upload in uploads if to_file_kind(upload.key) is kind] for kind in FileKind}
    for kind, files in by_kind.items():
        size = 1 if kind is FileKind.LINES else max_samples
        yield from (files[first : first + size] for first in range(0, len(files), size))


def create_idempotency_key(uploads: Uploads) -> IdempotencyKey:
    """Create the same key for the same uploads, in any order."""
    versions = sorted([upload.key, upload.version_id or "", upload.sequencer] for upload in uploads)
    body = json.dumps(versions).encode()
    return IdempotencyKey("uploads", hashlib.sha256(body).hexdigest(), body)
