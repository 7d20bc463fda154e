"""Answer `POST /v1/classification` and `POST /v1/classification/jobs`: directly, or by a job that is waited for or returned.

A request without `Prefer` is never answered with a job. If it is too large for the direct way, it goes through the queue,
and its caller notices only if the time runs out.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from pigeonhole.api.answers import to_classification_response
from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse, parse_request_as
from pigeonhole.contract.jobs import JOBS, UNSUPPORTED, JobRequest, JobStatus, Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import ClassifyCommand, Span
from pigeonhole.errors import Fault, JobFinished, Overloaded, TimedOut, from_code
from pigeonhole.jobs.job import IdempotencyKey, Job
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.results import JobResults, PartResults, collect
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True)
class DirectRules:
    """What fits the direct way: samples times milliseconds per kind, up to `most_ms`. `wait_s`: how long the answer of what
    doesn't fit is waited for."""

    text_ms: int = 50
    image_ms: int = 500
    most_ms: int = 20_000
    wait_s: float = 24.0

    def fits(self, request: ClassificationRequest) -> bool:
        images = sum(label.type == "image" for label in request.labels)
        of_samples = self.text_ms if request.dataset[0].type == "text" else self.image_ms
        return len(request.dataset) * of_samples + images * self.image_ms <= self.most_ms


@dataclass(frozen=True, kw_only=True)
class ClassificationService:
    """The service behind `POST /v1/classification` and `POST /v1/classification/jobs`.

    Attributes:
        limits: The limits of a request to be classified now.
        job_limits: The limits of a request to be classified as a job.
    """

    direct: DirectClassifier
    jobs: JobSubmitter
    job_reader: JobReader
    label_sets: LabelSetApplier
    limits: RequestLimits
    job_limits: RequestLimits
    rules: DirectRules

    def classify(
        self,
        body: object,
        *,
        tenant: Tenant,
        log_id: str,
        preference: Preference,
        idempotency_key: IdempotencyKey | None = None,
    ) -> ClassificationResponse | Job:
        """Classify the samples of a decoded JSON body.

        Returns:
            The answer or, if the caller prefers that, the job that will have the results.

        Raises:
            InvalidRequest: The body has faults; the error lists all of them.
            TimedOut: A request that went through the queue wasn't done in time; the error names the job.
            PigeonholeError: What DirectClassifier.classify and JobSubmitter.submit raise.
        """
        is_plain = not preference.respond_async and preference.wait_s is None
        wait_s = self.rules.wait_s if is_plain else preference.wait_s or 0
        until = self.job_reader.clock() + wait_s
        applied = self.label_sets.apply(body, tenant)
        if applied.fault and not is_plain and (earlier := self.jobs.find_by_idempotency_key(tenant, idempotency_key)):
            return earlier  # Idempotent replay: the label set was deleted, but the job still exists.
        kind = ClassificationRequest if is_plain else JobRequest
        request = parse_request_as(kind, applied.body, self.limits, faults=applied.faults)
        if is_plain and self.rules.fits(request):
            return self.direct.classify(request, tenant=tenant, log_id=log_id).model_copy(update={"label_set": applied.ref})
        webhook_url = request.webhook_url if isinstance(request, JobRequest) else None
        job = self.jobs.submit(
            request,
            tenant=tenant,
            log_id=log_id,
            idempotency_key=idempotency_key,
            webhook_url=webhook_url,
            label_set=applied.ref,
        )
        if not wait_s:
            return job
        job = self.job_reader.wait_until_ended(job, until)
        if job.has_ended:
            with suppress(Overloaded):  # the job is stored, so the caller must not be asked to send it again
                return self._answer(request, job, log_id)
        if is_plain:
            raise _too_late(job)
        return job

    def submit_job(
        self,
        body: object,
        *,
        tenant: Tenant,
        log_id: str,
        preference: Preference,
        idempotency_key: IdempotencyKey | None = None,
    ) -> Job:
        """Submit the samples of a decoded JSON body as a job, and wait for its end if the caller prefers that.

        Raises:
            InvalidRequest: The body has faults; the error lists all of them.
            PigeonholeError: What JobSubmitter.submit raises.
        """
        until = self.job_reader.clock() + (preference.wait_s or 0)
        applied = self.label_sets.apply(body, tenant)
        if applied.fault and (earlier := self.jobs.find_by_idempotency_key(tenant, idempotency_key)):
            job = earlier  # Idempotent replay: the label set was deleted, but the job still exists.
        else:
            request = parse_request_as(
                JobRequest, applied.body, self.job_limits, unsupported=UNSUPPORTED, faults=applied.faults
            )
            job = self.jobs.submit(
                request,
                tenant=tenant,
                log_id=log_id,
                idempotency_key=idempotency_key,
                webhook_url=request.webhook_url,
                label_set=applied.ref,
            )
        return self.job_reader.wait_until_ended(job, until) if preference.wait_s else job

    def _answer(self, request: ClassificationRequest, job: Job, log_id: str) -> ClassificationResponse:
        """The answer of an ended job, as the direct way would have given it."""
        if job.status is JobStatus.CANCELED:
            raise JobFinished("The job of this request was canceled.")
        parts = self.job_reader.read_part_results(job)
        for _, results in parts:
            if results.error:
                raise results.error.to_error()
        found = collect(job.total, parts)
        if request.on_error == "fail" and found.errors:
            raise _first_of(found)
        return to_classification_response(request, found, log_id).model_copy(update={"label_set": job.label_set})


def _first_of(found: JobResults) -> Exception:
    details: Sequence[Fault] = [Fault(f"dataset.{fault.index}.value", fault.message) for fault in found.errors]
    return from_code(found.errors[0].code, f"{details[0].path}: {details[0].message}", tuple(details))


def _too_late(job: Job) -> TimedOut:
    where = f"{JOBS}/{job.id}"
    return TimedOut(
        f"The answer took too long, and is still being worked on as job {job.id}: GET {where} will have it.",
        (Fault("job", where),),
    )


class DirectClassifier:
    """The direct way: functions/classify is invoked and waited for."""

    def __init__(self, *, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def classify(self, request: ClassificationRequest, *, tenant: Tenant, log_id: str) -> ClassificationResponse:
        """Classify a request's samples.

        Raises the SampleError of an unreadable image, and what ClassifierClient.call raises.
        """
        command = ClassifyCommand(log_id=log_id, tenant_id=tenant.id, grants=tenant.grants, request=request)
        reply = self._classifier.call(command)
        if reply.result is None:
            raise reply.to_error()
        count = len(request.dataset)
        return to_classification_response(request, collect(count, [(Span(0, count), PartResults(result=reply.result))]), log_id)
