"""Make one try of a job's webhook. A message that comes twice is one try: who begins it writes that down first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pigeonhole.api.answers import to_job_info
from pigeonhole.contract.jobs import WebhookBody
from pigeonhole.contract.messages import WebhookMessage
from pigeonhole.errors import SampleError
from pigeonhole.jobs.job import LEASE_S, Job
from pigeonhole.jobs.ports import JobStore
from pigeonhole.jobs.update import JobUpdater
from pigeonhole.jobs.webhook import Webhook
from pigeonhole.notifications.ports import WebhookPoster
from pigeonhole.notifications.signing import signature_headers
from pigeonhole.tenants.ports import WebhookSecretStore
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.timestamps import to_iso


@dataclass(frozen=True, kw_only=True)
class WebhookDeliverer:
    """The service behind functions/webhooks. `first_pause_s`: between the first try and the second."""

    store: JobStore
    secrets: WebhookSecretStore
    poster: WebhookPoster
    first_pause_s: float = 30
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, message: WebhookMessage) -> Webhook | None:
        """Make the try that a message asks for; how the webhook stands then, None if there was nothing to do.

        Raises Overloaded where trying again may help. A try that has begun isn't made again by that.
        """
        change = JobUpdater(store=self.store, sleep=self.sleep)
        secrets = self.secrets.get_secrets(message.tenant_id)  # before: a try that has begun is not to fail by this
        job = change.write(message.tenant_id, message.job_id, lambda job: self._begun(job, message.attempt))
        if job is None or job.webhook is None:
            return None
        status, error = self._post(job, job.webhook.url, secrets)
        after = replace(change, retry_when_busy=True).update(
            job.tenant_id, job.id, lambda job: self._with_outcome(job, message.attempt, status, error)
        )
        return after.webhook if after else None

    def _begun(self, job: Job, number: int) -> Job | None:
        if not job.webhook or not job.is_next_attempt(number):
            return None
        return job.with_webhook(job.webhook.with_attempt_begun(self.clock(), LEASE_S, self.first_pause_s))

    def _post(self, job: Job, url: str, secrets: Sequence[WebhookSecret]) -> tuple[int | None, str | None]:
        """The answer's status, or why there was none."""
        body, now = body_of(job), self.clock()
        signing = [secret for secret in secrets if secret.is_valid(now)]
        if not signing:
            return None, "there is no secret to sign with; make one by POST /v1/account/webhook-secret"
        headers = {"content-type": "application/json", **signature_headers(body, f"job_{job.id}", signing, now)}
        try:
            return self.poster.post(url, body, headers), None
        except SampleError as error:
            return None, error.message

    def _with_outcome(self, job: Job, number: int, status: int | None, error: str | None) -> Job | None:
        hook = job.webhook
        if hook is None or len(hook.attempts) != number:  # this one took so long that another was begun
            return None
        return job.with_webhook(hook.with_attempt_result(self.clock(), self.first_pause_s, status, error))


def body_of(job: Job) -> bytes:
    """What is posted: the job as its caller would be told it now, the webhook's own log aside."""
    info = to_job_info(job).model_copy(update={"webhook": None})
    told = WebhookBody.model_validate({"type": f"job.{job.status}", "timestamp": to_iso(job.finished_at or 0), "data": info})
    return told.model_dump_json(exclude_none=True).encode()
