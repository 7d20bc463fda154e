"""Answer `POST /v1/classification` and `POST /v1/classification/jobs`.

A request is classified directly, by invoking functions/classify, or by a job. The service waits for the end of the job or
returns the job, as the caller prefers. A request without `Prefer` is never answered with a job. If such a request is too large
to be classified directly, a job classifies it, and the caller notices that only if the time runs out.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass

from pigeonhole.api.answers import AnyResponse, to_response
from pigeonhole.contract.classification import ClassificationRequest, Sample, count_prompts, parse_request
from pigeonhole.contract.commands import ClassifyCommand
from pigeonhole.contract.jobs import JOBS, AnyJobRequest, JobRequest, JobStatus, Preference, QuestionsJobRequest
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.questions import (
    AnyRequest,
    QuestionsRequest,
    has_questions,
    list_questions,
    parse_questions_request,
)
from pigeonhole.contract.spans import Span
from pigeonhole.errors import Fault, JobFinished, Overloaded, TimedOut, from_code
from pigeonhole.jobs.job import IdempotencyKey, Job
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.results import JobResults, PartResults, ResultNames, collect
from pigeonhole.jobs.submit import JobSubmitter
from pigeonhole.label_sets.apply import AppliedLabelSet, LabelSetApplier
from pigeonhole.ports import ClassifierClient
from pigeonhole.tenants.tenant import Tenant


@dataclass(frozen=True)
class DirectRules:
    """Which requests are classified directly.

    Attributes:
        text_ms: The estimated time of `text_bytes` of a text sample. A shorter text takes as long.
        text_bytes: About as much text in UTF-8 as a sentence encoder reads at once: 256 tokens of two to four bytes.
        pair_ms: The estimated time of the same text with one prompt of a label, 0 unless the text model is a cross-encoder.
        image_ms: The estimated time of an image sample, or of the image of a label.
        max_ms: The longest estimate of a request that is classified directly.
        wait_s: How long to wait for the end of the job of a larger request.
    """

    text_ms: int = 50
    text_bytes: int = 512
    pair_ms: int = 0
    image_ms: int = 500
    max_ms: int = 20_000
    wait_s: float = 24.0

    def allows(self, request: AnyRequest) -> bool:
        """Whether the request is small enough to be classified directly. A sample is read once for all questions."""
        questions = list_questions(request)
        images = {label.value for asked in questions for label in asked.labels if label.type == "image"}
        pairs_ms = self.pair_ms * sum(map(count_prompts, questions))
        samples_ms = sum(self._estimate_ms(sample, pairs_ms) for sample in request.dataset)
        return samples_ms + len(images) * self.image_ms <= self.max_ms

    def _estimate_ms(self, sample: Sample, pairs_ms: int) -> int:
        if sample.type == "image":
            return self.image_ms
        return (pairs_ms + self.text_ms) * max(1, math.ceil(len(sample.value.encode(errors="replace")) / self.text_bytes))


@dataclass(frozen=True, kw_only=True)
class ClassificationService:
    """The service behind `POST /v1/classification` and `POST /v1/classification/jobs`.

    Attributes:
        limits: The limits of `POST /v1/classification`.
        job_limits: The limits of `POST /v1/classification/jobs`.
        rules: Which requests are classified directly.
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
    ) -> AnyResponse | Job:
        """Classify the samples of a decoded JSON body.

        Returns:
            The answer or, if the caller prefers that, the job that will have the results.

        Raises:
            InvalidRequest: The body has faults. The error lists all of them.
            TimedOut: The job of a larger request didn't end in time. The error names the job.
            PigeonholeError: What DirectClassifier.classify and JobSubmitter.submit raise.
        """
        is_plain = not preference.respond_async and preference.wait_s is None
        wait_s = self.rules.wait_s if is_plain else preference.wait_s or 0
        until = self.job_reader.clock() + wait_s
        applied = self.label_sets.apply(body, tenant)
        if applied.faults and not is_plain and (earlier := self.jobs.find_by_idempotency_key(tenant, idempotency_key)):
            return earlier  # Idempotent replay: the label set was deleted, but the job still exists.
        request = (_parse if is_plain else _parse_job)(applied, self.limits)
        if is_plain and self.rules.allows(request):
            return self.direct.classify(request, tenant=tenant, log_id=log_id, label_set=applied.ref)
        webhook_url = request.webhook_url if isinstance(request, AnyJobRequest) else None
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
            raise _timed_out(job)
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
            InvalidRequest: The body has faults. The error lists all of them.
            PigeonholeError: What JobSubmitter.submit raises.
        """
        until = self.job_reader.clock() + (preference.wait_s or 0)
        applied = self.label_sets.apply(body, tenant)
        if applied.faults and (earlier := self.jobs.find_by_idempotency_key(tenant, idempotency_key)):
            job = earlier  # Idempotent replay: the label set was deleted, but the job still exists.
        else:
            request = _parse_job(applied, self.job_limits)
            job = self.jobs.submit(
                request,
                tenant=tenant,
                log_id=log_id,
                idempotency_key=idempotency_key,
                webhook_url=request.webhook_url,
                label_set=applied.ref,
            )
        return self.job_reader.wait_until_ended(job, until) if preference.wait_s else job

    def _answer(self, request: AnyRequest, job: Job, log_id: str) -> AnyResponse:
        """Return the answer for an ended job, as if the request had been classified directly."""
        if job.status is JobStatus.CANCELED:
            raise JobFinished("The job of this request was canceled.")
        parts = self.job_reader.read_part_results(job)
        for _, part_results in parts:
            if part_results.error:
                raise part_results.error.to_error()
        job_results = collect(job.total, parts, ResultNames.from_request(request))
        if request.on_error == "fail" and job_results.errors:
            raise _first_error(job_results)
        return to_response(request, job_results, log_id, job.label_set)


def _parse(applied: AppliedLabelSet, limits: RequestLimits) -> AnyRequest:
    """Validate a body that has labels or questions."""
    body = applied.body
    if has_questions(body):
        return parse_questions_request(QuestionsRequest, body, limits, faults=applied.faults)
    return parse_request(ClassificationRequest, body, limits, faults=applied.faults)


def _parse_job(applied: AppliedLabelSet, limits: RequestLimits) -> AnyJobRequest:
    """Validate the body of a job, which has labels or questions."""
    body = applied.body
    if has_questions(body):
        return parse_questions_request(QuestionsJobRequest, body, limits, faults=applied.faults)
    return parse_request(JobRequest, body, limits, faults=applied.faults)


def _first_error(job_results: JobResults) -> Exception:
    """Return the error of the first sample that failed, with the faults of all of them."""
    faults = tuple(Fault(f"dataset.{error.index}.value", error.message) for error in job_results.errors)
    return from_code(job_results.errors[0].code, f"{faults[0].path}: {faults[0].message}", faults)


def _timed_out(job: Job) -> TimedOut:
    path = f"{JOBS}/{job.id}"
    return TimedOut(
        f"The request took too long. It is still being worked on as job {job.id}: GET {path} will have its results.",
        (Fault("job", path),),
    )


class DirectClassifier:
    """Classifies by invoking functions/classify and waiting for its reply."""

    def __init__(self, *, classifier: ClassifierClient) -> None:
        self._classifier = classifier

    def classify(
        self, request: AnyRequest, *, tenant: Tenant, log_id: str, label_set: LabelSetRef | None = None
    ) -> AnyResponse:
        """Classify the samples of a request.

        Args:
            request: The request.
            tenant: The caller.
            log_id: The id of the request, for the logs.
            label_set: The label set that the labels came from.

        Raises:
            SampleError: A sample or the image of a label can't be read.
            PigeonholeError: What `ClassifierClient.call` raises, or another error of the classifier.
        """
        command = ClassifyCommand(log_id=log_id, tenant_id=tenant.id, grants=tenant.grants, request=request)
        reply = self._classifier.call(command)
        if reply.results is None:
            raise reply.to_error()
        span = Span(0, len(request.dataset))
        names = ResultNames.from_request(request)
        return to_response(request, collect(len(span), [(span, PartResults(tuple(reply.results)))], names), log_id, label_set)
