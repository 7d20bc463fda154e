"""Create a bulk job: store what it classifies, store the job, and have functions/plan plan it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.manifest import SpanLimits
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkInput, BulkSpec, encode_spec
from pigeonhole.contract.bulk import BulkOptions
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import Overloaded
from pigeonhole.ids import new_id
from pigeonhole.jobs.job import BulkPlan, IdempotencyKey, Job
from pigeonhole.jobs.ports import PlanQueue
from pigeonhole.jobs.submit import QUEUE_GRACE_S, JobSubmitter
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.object_keys import bulk_spec_key
from pigeonhole.tenants.tenant import Tenant

STAGED_LINE_BYTES = 64_000_000


@dataclass(frozen=True, kw_only=True)
class BulkJobCreator:
    """Creates the bulk jobs of requests and of uploads.

    Attributes:
        jobs: Stores jobs.
        plan_queue: The queue of functions/plan.
        span_limits: Where a span ends.
    """

    jobs: JobSubmitter
    plan_queue: PlanQueue
    span_limits: SpanLimits

    def to_input(self, location: ManifestLocation, kind: InputKind) -> BulkInput:
        """Return the input at a location, with the limits of its spans."""
        limits = self.span_limits
        if kind is not InputKind.LINES:  # a planner holds the lines of a staged part in memory
            limits = replace(limits, max_line_bytes=min(limits.max_line_bytes, STAGED_LINE_BYTES))
        return BulkInput(location, kind, limits)

    def create(
        self,
        spec: BulkSpec,
        tenant: Tenant,
        *,
        label_set: LabelSetRef | None,
        webhook_url: str | None = None,
        idempotency_key: IdempotencyKey | None = None,
    ) -> Job:
        """Create a job whose input the tenant may read, or return the job that the idempotency key stands for.

        Args:
            spec: What the job classifies. If it has an upload, the upload gets a result at the end of the job.
            tenant: The tenant whose job it is.
            label_set: The label set that the labels came from.
            webhook_url: The address that is notified of the job's end.
            idempotency_key: What makes a repeated request or notification the same job.

        Raises:
            PigeonholeError: What JobSubmitter.create raises.
        """
        now = self.jobs.clock()
        job = Job(
            tenant_id=tenant.id,
            id=new_id(now),
            total=0,
            chunk_size=0,
            multiple_labels=isinstance(spec.options, BulkOptions) and spec.options.multiple_labels,
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
