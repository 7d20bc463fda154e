"""Submit a bulk job that a caller asks for, or estimate what it would take. Its tenant must be granted the input."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.bulk.access import NOT_GRANTED, ManifestAccess
from pigeonhole.bulk.create import BulkJobCreator
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.ports import ManifestLocation, PlannerClient
from pigeonhole.bulk.spec import BulkInput, BulkSpec
from pigeonhole.contract.bulk import (
    UNSUPPORTED_BULK,
    AnyBulkJobRequest,
    BulkEstimate,
    BulkJobRequest,
    BulkQuestionsJobRequest,
    Compute,
)
from pigeonhole.contract.classification import parse_body
from pigeonhole.contract.estimates import EstimateCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.questions import has_questions, parse_questions_body
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, ForbiddenUrl
from pigeonhole.jobs.job import IdempotencyKey, Job
from pigeonhole.label_sets.apply import AppliedLabelSet, LabelSetApplier
from pigeonhole.tenants.tenant import Tenant

NO_GPU = Fault("compute", "this deployment has no GPU workers; send `auto` or `lambda`")


@dataclass(frozen=True, kw_only=True)
class BulkSubmitter:
    """Submits bulk jobs.

    Attributes:
        creator: Creates the jobs.
        label_sets: Looks up the label sets that requests name.
        planner: Estimates what a job would take.
        access: Compares the input with the tenant's grants.
        limits: The limits of labels and options.
        has_gpu: Whether the deployment has GPU workers.
    """

    creator: BulkJobCreator
    label_sets: LabelSetApplier
    planner: PlannerClient
    access: ManifestAccess
    limits: RequestLimits
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
        if applied.faults and (earlier := self.creator.jobs.find_by_idempotency_key(tenant, idempotency_key)):
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
        return self.creator.create(
            spec, tenant, label_set=applied.ref, webhook_url=request.webhook_url, idempotency_key=idempotency_key
        )

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

    def _parse(self, applied: AppliedLabelSet) -> AnyBulkJobRequest:
        known = {"unsupported": UNSUPPORTED_BULK, "faults": applied.faults}
        request: AnyBulkJobRequest
        if has_questions(applied.body):
            request = parse_questions_body(BulkQuestionsJobRequest, applied.body, self.limits, **known)
        else:
            request = parse_body(BulkJobRequest, applied.body, self.limits, **known)
        if request.compute is Compute.GPU and not self.has_gpu:
            raise invalid_request((NO_GPU,))
        return request

    def _find_input(self, request: AnyBulkJobRequest, tenant: Tenant) -> BulkInput:
        """Find where the input is and how it is read, and check that the tenant may read it."""
        asked = request.input
        if asked.upload_id is not None:
            uploads = self.access.uploads(tenant.id)
            location = ManifestLocation(uploads.bucket, uploads.prefix + asked.upload_id)
            return self.creator.to_input(location, InputKind.from_name(asked.upload_id))
        name = "s3_uri" if asked.s3_prefix is None else "s3_prefix"
        bucket, _, object_key = (asked.s3_uri or asked.s3_prefix or "").removeprefix("s3://").partition("/")
        location = ManifestLocation(bucket, object_key)
        if not self.access.is_granted(location, tenant):
            raise ForbiddenUrl(f"input.{name}: {NOT_GRANTED}", (Fault(f"input.{name}", NOT_GRANTED),))
        return self.creator.to_input(
            location, InputKind.PREFIX if asked.s3_prefix is not None else InputKind.from_name(object_key)
        )
