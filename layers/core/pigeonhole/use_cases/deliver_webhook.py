"""Make one try of a job's webhook. A message that comes twice is one try: who begins it writes that down first."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract_jobs import WebhookBody
from pigeonhole.errors import SampleError
from pigeonhole.jobs import LEASE_S, Job
from pigeonhole.messages import WebhookMessage
from pigeonhole.ports import JobStore, Poster, SecretStore
from pigeonhole.times import iso
from pigeonhole.use_cases.change_job import ChangeJob
from pigeonhole.use_cases.read_job import info_of
from pigeonhole.webhooks import DeliveryStatus, Webhook, signature_headers


@dataclass(frozen=True)
class DeliverWebhook:
    """The service behind functions/webhooks. `first_pause_s`: between the first try and the second."""

    store: JobStore
    secrets: SecretStore
    poster: Poster
    first_pause_s: float = 30
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def __call__(self, message: WebhookMessage) -> Webhook | None:
        """Make the try that a message asks for; how the webhook stands then, None if there was nothing to do.

        Raises Overloaded where trying again may help. A try that has begun isn't made again by that.
        """
        job = self._begin(message)
        if job is None or job.webhook is None:
            return None
        status, error = self._post(job, job.webhook.url)
        after = ChangeJob(self.store, self.sleep, insists=True)(
            job.tenant_id, job.id, lambda job: self._with_outcome(job, message.attempt, status, error)
        )
        return after.webhook if after else None

    def _begin(self, message: WebhookMessage) -> Job | None:
        begun: Job | None = None

        def begin(job: Job) -> Job | None:
            nonlocal begun
            begun = None
            if job.webhook and job.has_ended and job.awaits_try(message.attempt):
                now = self.clock()
                begun = job.with_webhook(job.webhook.begun(now), due_at=now + LEASE_S)
            return begun

        ChangeJob(self.store, self.sleep)(message.tenant_id, message.job_id, begin)
        return begun

    def _post(self, job: Job, url: str) -> tuple[int | None, str | None]:
        """The answer's status, or why there was none."""
        body, now = body_of(job), self.clock()
        secrets = [secret for secret in self.secrets.secrets(job.tenant_id) if secret.signs(now)]
        if not secrets:
            return None, "there is no secret to sign with; make one by POST /v1/account/webhook-secret"
        headers = {"content-type": "application/json", **signature_headers(body, f"job_{job.id}", secrets, now)}
        try:
            return self.poster.post(url, body, headers), None
        except SampleError as error:
            return None, error.message

    def _with_outcome(self, job: Job, number: int, status: int | None, error: str | None) -> Job | None:
        hook = job.webhook
        if hook is None or len(hook.attempts) != number:  # this one took so long that another was begun
            return None
        hook = hook.tried(status, error)
        if hook.status is not DeliveryStatus.PENDING:
            return job.with_webhook(hook, due_at=None)
        next_at = hook.next_at(self.clock(), self.first_pause_s)
        return job.with_webhook(hook if next_at else hook.given_up(), due_at=next_at)


def body_of(job: Job) -> bytes:
    """What is posted: the job as its caller would be told it now, the webhook's own log aside."""
    info = info_of(job).model_copy(update={"webhook": None})
    told = WebhookBody.model_validate({"type": f"job.{job.status}", "timestamp": iso(job.finished_at or 0), "data": info})
    return told.model_dump_json(exclude_none=True).encode()
