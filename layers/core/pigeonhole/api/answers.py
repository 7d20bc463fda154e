"""Convert domain objects to the models of HTTP answers.

Services return domain objects. This module decides what callers see of them, and under which names; uploads/public_result.py
does so for upload results, which are also published in the bucket.
"""

from __future__ import annotations

from typing import Any

from pigeonhole.api.account import Account
from pigeonhole.api.cursors import encode_cursor
from pigeonhole.api.rate_headers import RateState
from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse
from pigeonhole.contract.commands import ModelDescription, S3Grant
from pigeonhole.contract.jobs import (
    BulkResults,
    JobError,
    JobInfo,
    JobResponse,
    JobsResponse,
    Progress,
    WebhookInfo,
    WebhookTry,
)
from pigeonhole.contract.label_sets import LabelSetInfo, LabelSetResponse, LabelSetsResponse
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.questions import AnyRequest, QuestionsResponse
from pigeonhole.contract.service import (
    AccountResponse,
    Limits,
    ModelInfo,
    SecretInfo,
    TenantInfo,
    WebhookSecretResponse,
)
from pigeonhole.contract.upload_results import UploadResultsResponse
from pigeonhole.contract.uploads import StoredFileResponse, Upload, UploadResponse
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.results import Answers, JobResults, prediction
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.ports import Page
from pigeonhole.tenants.webhook_secrets import NewWebhookSecret
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.create import UploadForm
from pigeonhole.uploads.public_result import to_contract
from pigeonhole.uploads.stored_files import StoredFile
from pigeonhole.uploads.upload_result import UploadResult

AnyResponse = ClassificationResponse | QuestionsResponse


def to_response(request: AnyRequest, job_results: JobResults, log_id: str, label_set: LabelSetRef | None = None) -> AnyResponse:
    """Convert the results of a request's samples. Except for warnings, only fields that the request asked for are set.

    Args:
        request: The request.
        job_results: The results of its samples.
        log_id: The id of the HTTP request.
        label_set: The label set that the labels came from.
    """
    fields: dict[str, Any] = {
        "log_id": log_id,
        "custom_ids": _to_custom_ids(job_results),
        "errors": job_results.errors if request.on_error == "null" else None,
        "warnings": job_results.warnings or None,
        "_usage": job_results.usage,
    }
    scores = to_scores(job_results) if request.scores else None
    if isinstance(request, ClassificationRequest):
        predictions = to_predictions(job_results, multiple=request.multiple_labels)
        return ClassificationResponse(**fields, predictions=predictions, scores=scores, label_set=label_set)
    return QuestionsResponse(**fields, predictions=to_predictions(job_results), scores=scores)


def to_predictions(job_results: JobResults, *, multiple: bool = False) -> Any:
    """Shape the predictions: a list, or lists by the names of the questions.

    Args:
        job_results: The results.
        multiple: Whether the predictions of a request with labels are arrays of labels. Each question has its own option.
    """
    if job_results.names.questions is None:
        return _to_list(job_results.answers[0], multiple=multiple)
    named = zip(job_results.names.questions.items(), job_results.answers, strict=True)
    return {name: _to_list(answers, multiple=multiple) for (name, multiple), answers in named}


def to_scores(job_results: JobResults) -> Any:
    """Shape the scores: a list, or lists by the names of the questions."""
    if job_results.names.questions is None:
        return job_results.answers[0].scores
    return {name: answers.scores for name, answers in zip(job_results.names.questions, job_results.answers, strict=True)}


def _to_list(answers: Answers, *, multiple: bool) -> list[str | list[str] | None]:
    return [prediction(chosen, multiple=multiple) for chosen in answers.predictions]


def _to_custom_ids(job_results: JobResults) -> list[str | None] | None:
    custom_ids = job_results.names.custom_ids
    return None if custom_ids is None else list(custom_ids)


def to_job_info(job: Job, progress: Progress | None = None) -> JobInfo:
    """Convert a job, without the results of its samples. `progress` is that of a bulk job, which is counted apart."""
    return JobInfo(
        id=job.id,
        status=job.status,
        created_at=to_iso(job.created_at),
        started_at=_to_iso(job.started_at),
        finished_at=_to_iso(job.finished_at),
        expires_at=to_iso(job.expires_at),
        progress=progress or Progress(total=job.total, succeeded=job.succeeded, failed=job.failed),
        label_set=job.label_set,
        webhook=_to_webhook_info(job),
        error=JobError(code=job.error.code, message=job.error.message) if job.error else None,
    )


def _to_webhook_info(job: Job) -> WebhookInfo | None:
    webhook = job.webhook
    if webhook is None:
        return None
    attempts = [WebhookTry(at=to_iso(attempt.at), status=attempt.status, error=attempt.error) for attempt in webhook.attempts]
    return WebhookInfo(url=webhook.url, status=webhook.status, attempts=attempts, next_at=_to_iso(webhook.due_at))


def to_job_response(
    job: Job, log_id: str, *, job_results: JobResults | None = None, results_url: str | None = None
) -> JobResponse:
    """Convert a job with the results of its samples, or with the address of the object that holds them.

    Args:
        job: The job.
        log_id: The id of the HTTP request.
        job_results: The results of the samples, if the job has ended and they fit into the answer.
        results_url: Where the results are, if they don't fit into the answer.
    """
    if job_results is None:
        return JobResponse(log_id=log_id, job=to_job_info(job), results_url=results_url)
    return JobResponse(
        log_id=log_id,
        job=to_job_info(job),
        predictions=to_predictions(job_results, multiple=job.multiple_labels),
        custom_ids=_to_custom_ids(job_results),
        scores=to_scores(job_results) if job_results.has_scores else None,
        errors=job_results.errors,
        warnings=job_results.warnings or None,
        _usage=job_results.usage,
    )


def to_json(response: JobResponse) -> bytes:
    """Render a job's answer as JSON, without the fields that are None."""
    return response.model_dump_json(by_alias=True, exclude_none=True).encode()


def to_results_document(job: Job, job_results: JobResults) -> bytes:
    """Render an ended job and its results as the JSON document that is stored when they are too large for an answer.

    The webhook is left out, because it is delivered after the document is stored.
    """
    response = to_job_response(job, job.id, job_results=job_results)
    return to_json(response.model_copy(update={"job": response.job.model_copy(update={"webhook": None})}))


def to_jobs_response(page: Page[Job], log_id: str) -> JobsResponse:
    """Convert a page of jobs."""
    return JobsResponse(log_id=log_id, jobs=[to_job_info(job) for job in page.items], cursor=page.next)


def to_label_set_info(label_set: LabelSet) -> LabelSetInfo:
    """Convert a label set."""
    return LabelSetInfo.model_validate(
        {
            **label_set.options,
            "name": label_set.name,
            "version": label_set.version,
            "created_at": to_iso(label_set.created_at),
            "updated_at": to_iso(label_set.updated_at),
        }
    )


def to_label_set_response(label_set: LabelSet, log_id: str) -> LabelSetResponse:
    """Convert a label set to the answer that holds it."""
    return LabelSetResponse(log_id=log_id, label_set=to_label_set_info(label_set))


def to_label_sets_response(page: Page[LabelSet], log_id: str) -> LabelSetsResponse:
    """Convert a page of label sets."""
    label_sets = [to_label_set_info(label_set) for label_set in page.items]
    return LabelSetsResponse(log_id=log_id, label_sets=label_sets, cursor=page.next)


def to_upload_response(form: UploadForm, log_id: str) -> UploadResponse:
    """Convert an upload form."""
    upload = Upload(
        url=form.url,
        fields=dict(form.fields),
        s3_uri=f"s3://{form.bucket}/{form.object_key}",
        key=form.object_key,
        id=form.upload_id,
        max_bytes=form.max_bytes,
        expires_at=to_iso(form.expires_at),
        kept_until=to_iso(form.kept_until),
    )
    return UploadResponse(log_id=log_id, upload=upload)


def to_stored_file_response(file: StoredFile, log_id: str) -> StoredFileResponse:
    """Convert a file that was stored."""
    return StoredFileResponse(log_id=log_id, key=file.key, url=file.url, size=file.size, temp_public_url=file.link)


def to_upload_results_response(page: Page[UploadResult], log_id: str) -> UploadResultsResponse:
    """Convert a page of uploads' results. The cursor is encoded, because an object key may hold any text."""
    cursor = None if page.next is None else encode_cursor(page.next)
    return UploadResultsResponse(log_id=log_id, results=[to_contract(result) for result in page.items], cursor=cursor)


def to_upload_result_response(result: UploadResult, lines: BulkResults | None, log_id: str) -> UploadResultsResponse:
    """Convert the result of one upload. `lines` are links to the results of its lines, if a bulk job classified them."""
    return UploadResultsResponse(log_id=log_id, results=[to_contract(result).model_copy(update={"results": lines})])


def to_webhook_secret_response(secret: NewWebhookSecret, log_id: str) -> WebhookSecretResponse:
    """Convert a new webhook secret. This is the only answer that holds a secret's value."""
    return WebhookSecretResponse(log_id=log_id, webhook_secret=secret.value, old_valid_until=_to_iso(secret.old_valid_until))


def to_account_response(account: Account, rate: RateState, log_id: str) -> AccountResponse:
    """Convert the caller's account.

    Args:
        account: The caller's tenant, limits and S3 prefixes.
        rate: How many requests the tenant has left in the quota's period.
        log_id: The id of the HTTP request.
    """
    upload_prefixes = [grant for grant in (account.uploads, account.incoming) if grant]
    return AccountResponse(
        log_id=log_id,
        tenant=TenantInfo(id=account.tenant.id, created_at=to_iso(account.tenant.created_at)),
        limits=_to_limits(account, rate),
        s3_prefixes=[_to_s3_uri(grant) for grant in (*account.tenant.grants, *upload_prefixes)],
        upload_prefix=_to_s3_uri(account.uploads) if account.uploads else None,
        incoming_prefix=_to_s3_uri(account.incoming) if account.incoming else None,
        webhook_secret=_to_secret_info(account),
    )


def _to_limits(account: Account, rate: RateState) -> Limits:
    request, settings = account.request_limits, account.settings
    return Limits(
        max_samples=request.max_samples,
        max_job_samples=settings.max_job_samples,
        max_result_bytes=request.max_result_bytes,
        max_labels=request.max_labels,
        max_text_chars=request.max_text_chars,
        max_label_chars=request.max_label_chars,
        max_body_bytes=request.max_body_bytes,
        max_image_bytes=settings.max_image_bytes,
        max_image_megapixels=settings.max_image_megapixels,
        max_request_image_bytes=settings.max_request_bytes,
        max_label_sets=request.max_label_sets,
        requests=rate.limit,
        requests_period=account.quota.period,
        requests_remaining=rate.remaining,
        requests_reset=rate.reset_ms,
    )


def _to_secret_info(account: Account) -> SecretInfo | None:
    if account.secret_created_at is None:
        return None
    return SecretInfo(created_at=to_iso(account.secret_created_at), old_valid_until=_to_iso(account.old_secret_valid_until))


def _to_s3_uri(grant: S3Grant) -> str:
    return f"s3://{grant.bucket}/{grant.prefix}"


def to_model_info(model: ModelDescription) -> ModelInfo:
    """Convert the description of a deployed model."""
    return ModelInfo(
        id=model.model_id,
        revision=model.revision,
        engine=model.engine,
        text_encoder=model.text_encoder,
        licence=model.licence,
        calibrated=model.calibrated,
        input_pixels=model.input_pixels,
        max_text_tokens=model.max_text_tokens,
    )


def _to_iso(seconds: float | None) -> str | None:
    return None if seconds is None else to_iso(seconds)
