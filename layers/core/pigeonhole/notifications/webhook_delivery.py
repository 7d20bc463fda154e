"""Make one attempt to deliver a job's end to its webhook.

The deliverer records an attempt before it posts. So a message that is delivered twice is one attempt.
"""

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

NO_SECRET = "there is no secret to sign with; create one by POST /v1/account/webhook-secret"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class WebhookDeliverer:
    """The service behind functions/webhooks.

    Attributes:
        first_pause_s: The pause between the first attempt and the second. It doubles after each further attempt.
    """

    store: JobStore
    secrets: WebhookSecretStore
    poster: WebhookPoster
    first_pause_s: float = 30
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def deliver(self, message: WebhookMessage) -> Webhook | None:
        """Make the attempt that a message requests.

        Returns:
            The webhook after the attempt. None if another attempt is the next one, or the delivery has ended.

        Raises:
            Overloaded: The table is busy. Trying again may help. An attempt that has begun isn't made a second time.
        """
        updater = JobUpdater(store=self.store, sleep=self.sleep)
        # Read before the attempt begins, so that a busy table doesn't cost an attempt.
        secrets = self.secrets.get_secrets(message.tenant_id)
        job = updater.write(message.tenant_id, message.job_id, lambda latest: self._begin(latest, message.attempt))
        if job is None or job.webhook is None:
            return None
        status, error = self._post(job, job.webhook.url, secrets)
        stored = replace(updater, retry_when_busy=True).update(
            job.tenant_id, job.id, lambda latest: self._record_result(latest, message.attempt, status, error)
        )
        return stored.webhook if stored else None

    def _begin(self, job: Job, attempt: int) -> Job | None:
        if not job.webhook or not job.is_next_attempt(attempt):
            return None
        return job.with_webhook(job.webhook.with_attempt_begun(self.clock(), LEASE_S, self.first_pause_s))

    def _post(self, job: Job, url: str, secrets: Sequence[WebhookSecret]) -> tuple[int | None, str | None]:
        """Post the job, and return the HTTP status of the answer, or why there was none."""
        body, now = to_webhook_body(job), self.clock()
        valid_secrets = [secret for secret in secrets if secret.is_valid(now)]
        if not valid_secrets:
            return None, NO_SECRET
        headers = {"content-type": "application/json", **signature_headers(body, f"job_{job.id}", valid_secrets, now)}
        try:
            return self.poster.post(url, body, headers), None
        except SampleError as error:
            return None, error.message

    def _record_result(self, job: Job, attempt: int, status: int | None, error: str | None) -> Job | None:
        webhook = job.webhook
        if webhook is None or len(webhook.attempts) != attempt:  # the lease expired, and another attempt has begun
            return None
        return job.with_webhook(webhook.with_attempt_result(self.clock(), self.first_pause_s, status, error))


def to_webhook_body(job: Job) -> bytes:
    """Convert an ended job to the JSON that is posted: the job as the API shows it, without the webhook's own attempts."""
    info = to_job_info(job).model_copy(update={"webhook": None})
    body = WebhookBody.model_validate({"type": f"job.{job.status}", "timestamp": to_iso(job.finished_at or 0), "data": info})
    return body.model_dump_json(exclude_none=True).encode()
