"""Submit a bulk job: check that the tenant may read the input, store the job, and have functions/plan plan it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from pigeonhole.bulk.access import NOT_GRANTED, ManifestAccess
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.ports import ManifestLocation, PlannerClient
from pigeonhole.bulk.spec import BulkInput, BulkSpec, encode_spec
from pigeonhole.contract.bulk import UNSUPPORTED_BULK, BulkEstimate, BulkJobRequest, BulkOptions, Compute, OutputFormat
from pigeonhole.contract.classification import parse_body
from pigeonhole.contract.estimates import EstimateCommand
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, ForbiddenUrl, Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, IdempotencyKey, Job
from pigeonhole.jobs.ports import PlanQueue
from pigeonhole.jobs.submit import QUEUE_GRACE_S, JobSubmitter
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.label_sets.apply import AppliedLabelSet, LabelSetApplier
from pigeonhole.object_keys import bulk_spec_key
from pigeonhole.tenants.tenant import Tenant

STAGED_LINE_BYTES = 64_000_000
NO_GPU = Fault("compute", "this deployment has no GPU workers; send `auto` or `lambda`")


@dataclass(frozen=True, kw_only=True)
class BulkSubmitter:
    """Submits bulk jobs.

    Attributes:
        jobs: Stores jobs.
        label_sets: Looks up the label sets that requests name.
        plan_queue: The queue of functions/plan.
        planner: Estimates what a job would take.
        access: Compares the input with the tenant's grants.
        limits: The limits of labels and options.
        span_limits: Where a span ends.
        has_gpu: Whether the deployment has GPU workers.
    """

    jobs: JobSubmitter
    label_sets: LabelSetApplier
    plan_queue: PlanQueue
    planner: PlannerClient
    access: ManifestAccess
    limits: RequestLimits
    span_limits: SpanLimits
    has_gpu: bool = False

    def submit(self, body: object, *, tenant: Tenant, log_id: str, idempotency_key: IdempotencyKey | None = None) -> Job:
        """Submit a bulk job, or return the job that the idempotency key stands for.

        Args:
            body: The decoded JSON body, which has an `input`.
            tenant: The caller.
            log_id: The id of the request, for the logs.
            idempotency_key: What makes a repeated request the same job.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            ForbiddenUrl: The tenant may not read the manifest.
            PigeonholeError: What JobSubmitter.submit raises.
        """
        applied = self.label_sets.apply(body, tenant)
        if applied.fault and (earlier := self.jobs.find_by_idempotency_key(tenant, idempotency_key)):
            return earlier  # Idempotent replay: the label set was deleted, but the job still exists.
        request = self._parse(applied)
        given = self._find_input(request, tenant)
        spec = BulkSpec(
            log_id=log_id,
            input=given,
            options=request.to_options(),
            output=request.output.format,
            compute=request.compute,
        )
        return self._create(spec, tenant, applied.ref, idempotency_key, request.webhook_url)

    def submit_upload(
        self,
        upload: UploadedFile,
        bucket: str,
        options: BulkOptions,
        *,
        tenant: Tenant,
        log_id: str,
        label_set: LabelSetRef | None,
        idempotency_key: IdempotencyKey,
    ) -> Job:
        """Submit a bulk job over a file that was uploaded for a label set, or return the job of the idempotency key.

        Args:
            upload: The file, which gets a result at the end.
            bucket: The upload bucket.
            options: The labels and options of the label set.
            tenant: The owner of the file.
            log_id: The id of the notification, for the logs.
            label_set: The label set.
            idempotency_key: What makes a repeated notification the same job.

        Raises:
            PigeonholeError: What JobSubmitter.create raises.
        """
        location = ManifestLocation(bucket, upload.key, upload.version_id)
        given = self._to_input(location, InputKind.LINES)
        spec = BulkSpec(log_id=log_id, input=given, options=options, output=OutputFormat.JSONL, upload=upload)
        return self._create(spec, tenant, label_set, idempotency_key)

    def _create(
        self,
        spec: BulkSpec,
        tenant: Tenant,
        label_set: LabelSetRef | None,
        idempotency_key: IdempotencyKey | None,
        webhook_url: str | None = None,
    ) -> Job:
        """Store a job and have it planned, or return the job of the idempotency key."""
        now = self.jobs.clock()
        job = Job(
            tenant_id=tenant.id,
            id=new_id(now),
            total=0,
            chunk_size=0,
            multiple_labels=spec.options.multiple_labels,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + self.jobs.rules.keep_s,
            due_at=now + QUEUE_GRACE_S,
            label_set=label_set,
            has_uploads=spec.upload is not None,
            webhook=Webhook(webhook_url) if webhook_url else None,
            bulk=BulkPlan(),
        )
        stored = self.jobs.create(
            job, bulk_spec_key(tenant.id, job.id), encode_spec(spec), tenant=tenant, idempotency_key=idempotency_key
        )
        if stored is job:
            with suppress(Overloaded):  # the job is stored, so the sweeper has it planned
                self.plan_queue.send([PlanMessage(tenant_id=tenant.id, job_id=job.id)])
        return stored

    def estimate(self, body: object, *, tenant: Tenant, log_id: str) -> BulkEstimate:
        """Estimate what a bulk job would take, and start nothing.

        Args:
            body: The decoded JSON body, which has an `input`.
            tenant: The caller.
            log_id: The id of the request, for the logs.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            ForbiddenUrl: The tenant may not read the input.
            PigeonholeError: What PlannerClient.estimate raises.
        """
        request = self._parse(self.label_sets.apply(body, tenant))
        given = self._find_input(request, tenant)
        command = EstimateCommand(
            log_id=log_id,
            tenant_id=tenant.id,
            bucket=given.location.bucket,
            object_key=given.location.object_key,
            input_kind=given.kind.value,
            span_samples=given.span_limits.samples,
            compute=request.compute,
        )
        return self.planner.estimate(command)

    def _parse(self, applied: AppliedLabelSet) -> BulkJobRequest:
        request = parse_body(BulkJobRequest, applied.body, self.limits, unsupported=UNSUPPORTED_BULK, faults=applied.faults)
        if request.compute is Compute.GPU and not self.has_gpu:
            raise invalid_request((NO_GPU,))
        return request

    def _find_input(self, request: BulkJobRequest, tenant: Tenant) -> BulkInput:
        """Find where the input is and how it is read, and check that the tenant may read it."""
        asked = request.input
        if asked.upload_id is not None:
            uploads = self.access.uploads(tenant.id)
            location = ManifestLocation(uploads.bucket, uploads.prefix + asked.upload_id)
            return self._to_input(location, InputKind.from_name(asked.upload_id))
        name = "s3_uri" if asked.s3_prefix is None else "s3_prefix"
        bucket, _, object_key = (asked.s3_uri or asked.s3_prefix or "").removeprefix("s3://").partition("/")
        location = ManifestLocation(bucket, object_key)
        if not self.access.is_granted(location, tenant):
            raise ForbiddenUrl(f"input.{name}: {NOT_GRANTED}", (Fault(f"input.{name}", NOT_GRANTED),))
        return self._to_input(location, InputKind.PREFIX if asked.s3_prefix is not None else InputKind.from_name(object_key))

    def _to_input(self, location: ManifestLocation, kind: InputKind) -> BulkInput:
        limits = self.span_limits
        if kind is not InputKind.LINES:  # a planner holds the lines of a staged part in memory
            limits = replace(limits, max_line_bytes=min(limits.max_line_bytes, STAGED_LINE_BYTES))
        return BulkInput(location, kind, limits)
