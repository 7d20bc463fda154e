"""Create jobs from files that were uploaded under `incoming/`.

The files of one tenant and label set become a job of images, a job of texts, and a job for each .jsonl file. That is a bulk job
if the file is larger than other jobs may be, or mixes texts and images. A file that can't be part of a job gets a result that
says why.

S3 may notify of a file twice, late, or after the file was overwritten. Only the last upload of an object key counts, and a file
that has a result is skipped. If the same files are ingested again, they are the same job.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pigeonhole.bulk.create import BulkJobCreator
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkSpec
from pigeonhole.contract.bulk import BulkOptions, OutputFormat
from pigeonhole.contract.classification import ClassificationRequest, max_samples_by_results, parse_body, parse_request
from pigeonhole.contract.labels import LabelSetRef, is_label_set_name
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind, UploadedFile
from pigeonhole.errors import InvalidRequest, NotFound
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.label_sets.apply import AppliedLabelSet, LabelSetApplier
from pigeonhole.ports import BlobStore
from pigeonhole.tenants.ports import TenantStore
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.batches import Batch, Uploads, create_idempotency_key, divide_uploads, group_uploads
from pigeonhole.uploads.ports import UploadResultStore
from pigeonhole.uploads.publish_results import UploadResultsPublisher
from pigeonhole.uploads.read_files import Manifest, Samples, UploadedFileReader, to_text
from pigeonhole.uploads.split_results import refuse_upload
from pigeonhole.uploads.upload_result import UploadFault
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer

MAX_THREADS = 8  # one for each batch; a batch may hold a file of 4 MB in memory
STOP_S = 20.0  # no batch begins later than this before the function's end


@dataclass(frozen=True)
class IngestSummary:
    """What happened to uploads.

    Attributes:
        jobs: Jobs that were created.
        samples: Samples of these jobs, but for those of bulk jobs, which aren't counted yet.
        refused: Uploads whose result is an error.
        known: Uploads that have a result already, or that a later upload in the same call replaces.
        strays: Uploads in no tenant's folder.
        left: Uploads that must be ingested again.
        errors: Why uploads are left, with the tenant's id. Uploads for which there was no time have no error.
    """

    jobs: int = 0
    samples: int = 0
    refused: int = 0
    known: int = 0
    strays: int = 0
    left: frozenset[UploadedFile] = frozenset()
    errors: tuple[tuple[str, Exception], ...] = ()

    def __add__(self, other: IngestSummary) -> IngestSummary:
        """Add up two summaries."""
        return IngestSummary(
            self.jobs + other.jobs,
            self.samples + other.samples,
            self.refused + other.refused,
            self.known + other.known,
            self.strays + other.strays,
            self.left | other.left,
            self.errors + other.errors,
        )


Step = tuple[IngestSummary, list[Batch]]  # what a step did, and the batches that it leaves to the next step


@dataclass(frozen=True, kw_only=True)
class UploadIngester:
    """The service behind functions/ingest.

    Attributes:
        tenants: Where tenants are stored.
        label_sets: Adds the folder's label set to the request.
        jobs: Creates jobs.
        bulk: Creates bulk jobs.
        files: Reads the upload bucket.
        results: Where results are stored.
        publisher: Publishes the results of uploads that can't be classified.
        limits: What a job may hold.
        bucket: The name of the upload bucket.
        keep_s: How long a result is stored.
        clock: Returns seconds since 1970.
    """

    tenants: TenantStore
    label_sets: LabelSetApplier
    jobs: JobSubmitter
    bulk: BulkJobCreator
    files: BlobStore
    results: UploadResultStore
    publisher: UploadResultsPublisher
    limits: RequestLimits
    bucket: str
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def ingest(self, uploads: Uploads, log_id: str, time_left_s: Callable[[], float] = lambda: math.inf) -> IngestSummary:
        """Create the jobs of uploads. An error affects only the uploads of one batch, or of one label set.

        Args:
            uploads: The uploads, of any tenants.
            log_id: The id that the jobs carry in logs.
            time_left_s: Returns how many seconds the function has left.
        """
        in_order = sorted(uploads, key=lambda upload: to_sortable_sequencer(upload.sequencer))
        newest = {upload.key: upload for upload in in_order}
        groups, strays = group_uploads(newest.values())
        summary = IngestSummary(known=len(set(uploads)) - len(newest), strays=strays)
        with ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="ingest") as pool:

            def run(tenant_id: str, uploads: Uploads, step: Callable[[], Step]) -> Step:
                if time_left_s() < STOP_S:
                    return IngestSummary(left=frozenset(uploads)), []
                try:
                    return step()
                except Exception as error:  # any error: the other groups and batches must not be lost
                    return IngestSummary(left=frozenset(uploads), errors=((tenant_id, error),)), []

            plans = [
                pool.submit(run, tenant_id, group, partial(self._plan, tenant_id, label_set, group))
                for (tenant_id, label_set), group in groups.items()
            ]
            batches = [batch for plan in plans for batch in plan.result()[1]]
            submissions = [
                pool.submit(run, batch.tenant.id, batch.uploads, partial(self._submit, batch, log_id)) for batch in batches
            ]
            return sum((step.result()[0] for step in (*plans, *submissions)), summary)

    def _plan(self, tenant_id: str, label_set: str, uploads: Uploads) -> Step:
        """Divide the uploads of a label set into batches. Uploads that have a result are skipped."""
        tenant = self.tenants.get_tenant(tenant_id)
        if tenant is None:
            return IngestSummary(strays=len(uploads)), []
        applied = self.label_sets.apply({"label_set": label_set, "on_error": "null"}, tenant)
        if applied.ref is None:
            return self._refuse(tenant, dict.fromkeys(uploads, _unknown_label_set(label_set)), None), []
        known = self.results.sequencers(tenant.id, [upload.key for upload in uploads])
        new = [upload for upload in uploads if to_sortable_sequencer(upload.sequencer) > known.get(upload.key, "")]
        batches = [Batch(tenant, applied, files) for files in divide_uploads(new, self._max_samples(applied))]
        return IngestSummary(known=len(uploads) - len(new)), batches

    def _max_samples(self, applied: AppliedLabelSet) -> int:
        """Return how many images or texts a job of a label set may have, so that its results aren't too large."""
        probe: Any = {**applied.body, "dataset": [{"type": "text", "value": "-"}], "scores": True}  # type: ignore[dict-item]
        try:
            request = parse_request(ClassificationRequest, probe, self.limits)
        except InvalidRequest:
            return self.limits.max_samples  # `_submit` reports the faults of the label set
        return max(1, min(self.limits.max_samples, max_samples_by_results(request, self.limits)))

    def _submit(self, batch: Batch, log_id: str) -> Step:
        """Create a batch's job, and refuse the uploads that can't be part of it."""
        contents = UploadedFileReader(files=self.files, limits=self.limits, bucket=self.bucket).read(batch.uploads)
        samples: dict[UploadedFile, Samples] = {}
        manifests: list[UploadedFile] = []
        faults: dict[UploadedFile, UploadFault] = {}
        errors: dict[UploadedFile, Exception] = {}
        for upload, content in zip(batch.uploads, contents, strict=True):
            if isinstance(content, UploadFault):
                faults[upload] = content
            elif isinstance(content, Exception):
                errors[upload] = content
            elif isinstance(content, Manifest):
                manifests.append(upload)
            else:
                samples[upload] = content
        summary = IngestSummary(left=frozenset(errors), errors=tuple((batch.tenant.id, error) for error in errors.values()))
        if samples:
            try:
                summary += self._submit_job(batch, samples, log_id)
            except InvalidRequest as error:
                if batch.kind is FileKind.LINES and _has_too_many_samples(error):
                    manifests += samples
                else:
                    faults |= dict.fromkeys(samples, _to_upload_fault(error))
        for upload in manifests:
            try:
                summary += self._submit_bulk_job(batch, upload, log_id)
            except InvalidRequest as error:
                faults[upload] = _to_upload_fault(error)
        return summary + self._refuse(batch.tenant, faults, batch.applied.ref), []

    def _submit_job(self, batch: Batch, samples: Mapping[UploadedFile, Samples], log_id: str) -> IngestSummary:
        dataset = [sample for file_samples in samples.values() for sample in file_samples]
        body: Any = batch.applied.body
        are_lines = batch.kind is FileKind.LINES
        # No result shows the scores of lines, and ten thousand lines by twenty-four labels would be large.
        request = parse_request(ClassificationRequest, {**body, "dataset": dataset, "scores": not are_lines}, self.limits)
        self.jobs.submit(
            request,
            tenant=batch.tenant,
            log_id=log_id,
            idempotency_key=create_idempotency_key(list(samples)),
            label_set=batch.applied.ref,
            uploads=[
                upload.model_copy(update={"samples": len(file_samples), "is_lines": are_lines})
                for upload, file_samples in samples.items()
            ],
        )
        return IngestSummary(jobs=1, samples=len(dataset))

    def _submit_bulk_job(self, batch: Batch, upload: UploadedFile, log_id: str) -> IngestSummary:
        """Create a bulk job whose manifest is the file, in the version that was uploaded."""
        body: Any = batch.applied.body
        options = parse_body(BulkOptions, {name: body[name] for name in BulkOptions.model_fields if name in body}, self.limits)
        spec = BulkSpec(
            log_id=log_id,
            input=self.bulk.to_input(ManifestLocation(self.bucket, upload.key, upload.version_id), InputKind.LINES),
            options=options,
            output=OutputFormat.JSONL,
            upload=upload.model_copy(update={"is_lines": True}),
        )
        key = create_idempotency_key([upload])
        self.bulk.create(spec, batch.tenant, label_set=batch.applied.ref, idempotency_key=key)
        return IngestSummary(jobs=1)

    def _refuse(
        self, tenant: Tenant, faults: Mapping[UploadedFile, UploadFault], label_set: LabelSetRef | None
    ) -> IngestSummary:
        """Publish the results of uploads that no job can classify."""
        now = self.clock()
        results = [
            refuse_upload(
                tenant.id,
                upload,
                fault,
                label_set=label_set,
                now=now,
                expires_at=int(now) + self.keep_s,
            )
            for upload, fault in faults.items()
        ]
        self.publisher.publish(results)
        return IngestSummary(refused=len(faults))


def _has_too_many_samples(error: InvalidRequest) -> bool:
    """Return whether the number of samples is all that is wrong, because the samples of files have been checked."""
    return {fault.path for fault in error.details} == {"dataset"}


def _to_upload_fault(error: InvalidRequest) -> UploadFault:
    """Say whether the file is at fault, or the label set, which may have been stored under other limits."""
    if _has_too_many_samples(error):
        messages = "; ".join(fault.message for fault in error.details)
        return UploadFault(error.code, f"The file can't be classified: {messages}.")
    return UploadFault(error.code, f"The label set can't be applied: {to_text(error.details)}.")


def _unknown_label_set(name: str) -> UploadFault:
    if not name:
        return UploadFault(NotFound.code, "The file is in no label set's folder: incoming/TENANT/LABEL_SET/.")
    if not is_label_set_name(name):
        return UploadFault(NotFound.code, f"There is no label set called {name!r}, and no label set can have this name.")
    message = f"There is no label set called {name!r}. PUT /v1/label-sets/{name} first, and upload the file again."
    return UploadFault(NotFound.code, message)
