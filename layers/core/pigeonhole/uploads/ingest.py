"""Take files that were dropped under incoming/: those of one tenant and label set become a job of images, a job of texts, and a
job of each .jsonl file.

Whatever can't be taken gets a result that says why. S3 may tell of a file twice, late, or after it was overwritten: of one key
the last upload counts, and what has a result already is passed over. Files that come again together are the same job.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pigeonhole.contract.classification import ClassificationRequest, LabelSetRef, RequestLimits, is_set_name, parse_as
from pigeonhole.contract.messages import UploadedFile
from pigeonhole.contract.upload_results import ObjectFault
from pigeonhole.contract.uploads import FileKind
from pigeonhole.errors import InvalidRequest, NotFound
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.label_sets.apply import AppliedLabelSet, LabelSetApplier
from pigeonhole.object_keys import UploadLocation
from pigeonhole.ports import ObjectStore
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.ports import UploadResultStore
from pigeonhole.uploads.publish_results import UploadResultsPublisher, refused
from pigeonhole.uploads.read_files import Samples, UploadedFileReader, in_words
from pigeonhole.uploads.uploaded_file import to_file_kind, to_sortable_sequencer

AT_ONCE = 8  # jobs; each may have a file of 4 MB in hand
STOP_S = 20.0  # before the function's end no more are begun

Uploads = Sequence[UploadedFile]


@dataclass(frozen=True)
class IngestSummary:
    """What became of files. `jobs`, `samples`: taken; `refused`: files with an error for a result; `known`: files that have a
    result, or that a later upload of the batch replaces; `strays`: files that are no tenant's; `left`: not taken, for another
    try; `errors`: why, by tenant."""

    jobs: int = 0
    samples: int = 0
    refused: int = 0
    known: int = 0
    strays: int = 0
    left: frozenset[UploadedFile] = frozenset()
    errors: tuple[tuple[str, Exception], ...] = ()

    def __add__(self, other: IngestSummary) -> IngestSummary:
        return IngestSummary(
            self.jobs + other.jobs,
            self.samples + other.samples,
            self.refused + other.refused,
            self.known + other.known,
            self.strays + other.strays,
            self.left | other.left,
            self.errors + other.errors,
        )


@dataclass(frozen=True)
class Batch:
    """Files of one kind that are to be one job, by a tenant's label set."""

    tenant: Tenant
    applied: AppliedLabelSet
    uploads: Uploads


Step = tuple[IngestSummary, list[Batch]]  # what was done, and what is to be done next


@dataclass(frozen=True, kw_only=True)
class UploadIngester:
    """The service behind functions/ingest. `bucket`: of uploads; `keep_s`: how long a result is kept."""

    tenants: TenantStore
    label_sets: LabelSetApplier
    jobs: JobSubmitter
    files: ObjectStore
    results: UploadResultStore
    publisher: UploadResultsPublisher
    limits: RequestLimits
    bucket: str
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def ingest(self, uploads: Uploads, log_id: str, time_left_s: Callable[[], float] = lambda: math.inf) -> IngestSummary:
        """Take files, for as long as there is time. What can't be taken now is left, and costs no other job anything."""
        newest = {upload.key: upload for upload in sorted(uploads, key=lambda upload: to_sortable_sequencer(upload.sequencer))}
        groups, strays = _groups(newest.values())
        done = IngestSummary(known=len(set(uploads)) - len(newest), strays=strays)
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="ingest") as pool:

            def tried(tenant_id: str, uploads: Uploads, work: Callable[[], Step]) -> Step:
                if time_left_s() < STOP_S:
                    return IngestSummary(left=frozenset(uploads)), []
                try:
                    return work()
                except Exception as error:  # whatever it is, the others' turn comes
                    return IngestSummary(left=frozenset(uploads), errors=((tenant_id, error),)), []

            looked_at = [
                pool.submit(tried, tenant_id, group, partial(self._look_at, tenant_id, label_set, group))
                for (tenant_id, label_set), group in groups.items()
            ]
            batches = [batch for each in looked_at for batch in each.result()[1]]
            taken = [
                pool.submit(tried, batch.tenant.id, batch.uploads, partial(self._take, batch, log_id)) for batch in batches
            ]
            return sum((each.result()[0] for each in (*looked_at, *taken)), done)

    def _look_at(self, tenant_id: str, label_set: str, group: Uploads) -> Step:
        """Refuse files whose label set there isn't, pass over those that have a result, and say which become one job each."""
        tenant = self.tenants.tenant(tenant_id)
        if tenant is None:
            return IngestSummary(strays=len(group)), []
        applied = self.label_sets.apply({"label_set": label_set, "on_error": "null"}, tenant)
        if applied.ref is None:
            return self._refuse(tenant, dict.fromkeys(group, _no_such_set(label_set)), None), []
        known = self.results.sequencers(tenant.id, [upload.key for upload in group])
        new = [upload for upload in group if to_sortable_sequencer(upload.sequencer) > known.get(upload.key, "")]
        batches = [Batch(tenant, applied, together) for together in _together(new, self.limits.max_samples)]
        return IngestSummary(known=len(group) - len(new)), batches

    def _take(self, batch: Batch, log_id: str) -> Step:
        """Make a job of files, and refuse those that can't be part of it."""
        read = UploadedFileReader(files=self.files, limits=self.limits, bucket=self.bucket).read(batch.uploads)
        samples: dict[UploadedFile, Samples] = {}
        faults: dict[UploadedFile, ObjectFault] = {}
        for upload, found in zip(batch.uploads, read, strict=True):
            if isinstance(found, ObjectFault):
                faults[upload] = found
            else:
                samples[upload] = found
        done = IngestSummary()
        if samples:
            try:
                done = self._submit(batch, samples, log_id)
            except InvalidRequest as error:  # the set was kept under other limits; samples were looked at one by one
                fault = ObjectFault(code=error.code, message=f"The label set can't be applied: {in_words(error.details)}.")
                faults |= dict.fromkeys(samples, fault)
        return done + self._refuse(batch.tenant, faults, batch.applied.ref), []

    def _submit(self, batch: Batch, samples: Mapping[UploadedFile, Samples], log_id: str) -> IngestSummary:
        dataset = [sample for each in samples.values() for sample in each]
        body: Any = batch.applied.body
        are_lines = to_file_kind(batch.uploads[0].key) is FileKind.LINES
        # Of lines nobody is told the scores, and ten thousand times twenty-four are much to carry.
        request = parse_as(ClassificationRequest, {**body, "dataset": dataset, "scores": not are_lines}, self.limits)
        files = [upload.model_copy(update={"samples": len(own), "is_lines": are_lines}) for upload, own in samples.items()]
        self.jobs.submit(
            request,
            tenant=batch.tenant,
            log_id=log_id,
            idempotency_key=_key_of(list(samples)),
            label_set=batch.applied.ref,
            uploads=files,
        )
        return IngestSummary(jobs=1, samples=len(dataset))

    def _refuse(
        self, tenant: Tenant, faults: Mapping[UploadedFile, ObjectFault], label_set: LabelSetRef | None
    ) -> IngestSummary:
        now = self.clock()
        make = partial(refused, label_set=label_set, now=now, expires_at=int(now) + self.keep_s, bucket=self.bucket)
        self.publisher.publish([make(tenant.id, upload, fault) for upload, fault in faults.items()])
        return IngestSummary(refused=len(faults))


def _groups(uploads: Iterable[UploadedFile]) -> tuple[dict[tuple[str, str], list[UploadedFile]], int]:
    """Files by tenant and label set, and how many are no tenant's."""
    groups: dict[tuple[str, str], list[UploadedFile]] = defaultdict(list)
    strays = 0
    for upload in uploads:
        if place := UploadLocation.parse(upload.key):
            groups[place.tenant_id, place.label_set].append(upload)
        else:
            strays += not upload.key.endswith("/")  # which the console makes of a folder
    return groups, strays


def _together(uploads: Uploads, most: int) -> Iterator[list[UploadedFile]]:
    """Files that are one job each: all images, all texts, and every file of lines by itself."""
    by_kind = {kind: [upload for upload in uploads if to_file_kind(upload.key) is kind] for kind in FileKind}
    for kind, files in by_kind.items():
        at_once = 1 if kind is FileKind.LINES else most
        yield from (files[first : first + at_once] for first in range(0, len(files), at_once))


def _key_of(uploads: Uploads) -> IdempotencyKey:
    """What makes files that come again together the same job."""
    named = sorted([upload.key, upload.version_id or "", upload.sequencer] for upload in uploads)
    body = json.dumps(named).encode()
    return IdempotencyKey("uploads", hashlib.sha256(body).hexdigest(), body)


def _no_such_set(name: str) -> ObjectFault:
    if not name:
        return ObjectFault(code=NotFound.code, message="The file is in no label set's folder: incoming/TENANT/LABEL_SET/.")
    way_out = f"PUT /v1/label-sets/{name} first, and upload the file again" if is_set_name(name) else "Nor can there be one"
    return ObjectFault(code=NotFound.code, message=f"There is no label set called {name!r}. {way_out}.")
