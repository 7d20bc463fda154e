"""Submit a bulk job: check that the tenant may read the manifest, store the job, and have functions/plan plan it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from pigeonhole.bulk.access import NOT_GRANTED, ManifestAccess
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkSpec, encode_spec
from pigeonhole.contract.bulk import UNSUPPORTED_BULK, BulkJobRequest
from pigeonhole.contract.classification import parse_body
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import Fault, ForbiddenUrl, Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, IdempotencyKey, Job
from pigeonhole.jobs.ports import PlanQueue
from pigeonhole.jobs.submit import QUEUE_GRACE_S, JobSubmitter
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.object_keys import bulk_spec_key
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True, kw_only=True)
class BulkSubmitter:
    """Submits bulk jobs.

    Attributes:
        jobs: Stores jobs.
        label_sets: Looks up the label sets that requests name.
        plan_queue: The queue of functions/plan.
        access: Compares the manifest with the tenant's grants.
        limits: The limits of labels and options.
        span_limits: Where a span ends.
    """

    jobs: JobSubmitter
    label_sets: LabelSetApplier
    plan_queue: PlanQueue
    access: ManifestAccess
    limits: RequestLimits
    span_limits: SpanLimits

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
        request = parse_body(BulkJobRequest, applied.body, self.limits, unsupported=UNSUPPORTED_BULK, faults=applied.faults)
        location = ManifestLocation(*request.input.location)
        if not self.access.is_granted(location, tenant):
            raise ForbiddenUrl(f"input.s3_uri: {NOT_GRANTED}", (Fault("input.s3_uri", NOT_GRANTED),))
        now = self.jobs.clock()
        job = Job(
            tenant_id=tenant.id,
            id=new_id(now),
            total=0,
            chunk_size=0,
            multiple_labels=request.multiple_labels,
            created_at=now,
            updated_at=now,
            expires_at=int(now) + self.jobs.rules.keep_s,
            due_at=now + QUEUE_GRACE_S,
            label_set=applied.ref,
            webhook=Webhook(request.webhook_url) if request.webhook_url else None,
            bulk=BulkPlan(),
        )
        spec = BulkSpec(log_id, location, request.to_options(), request.output.format, self.span_limits)
        stored = self.jobs.create(
            job, bulk_spec_key(tenant.id, job.id), encode_spec(spec), tenant=tenant, idempotency_key=idempotency_key
        )
        if stored is job:
            with suppress(Overloaded):  # the job is stored, so the sweeper has it planned
                self.plan_queue.send([PlanMessage(tenant_id=tenant.id, job_id=job.id)])
        return stored
