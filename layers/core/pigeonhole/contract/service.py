"""The answers about the service itself: health, the deployed models, and the caller's account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pigeonhole.contract.base import HttpSchema

MODELS = "/v1/models"


class ModelInfo(HttpSchema):
    """A deployed model."""

    id: str
    revision: str = Field(description="Identifies the weights of the model.")
    engine: str
    text_encoder: str = Field(description="What compares a text with a text.")
    licence: str
    calibrated: bool = Field(description="Whether the scores are calibrated for this revision.")
    input_pixels: int = Field(description="The side of the square to which an image is resized.")
    max_text_tokens: int


class HealthResponse(HttpSchema):
    """The service answers."""

    success: Literal[True] = True
    status: Literal["ok"] = "ok"
    log_id: str
    model: ModelInfo | None = Field(default=None, description="With `?deep=true`: the model that the classifier answered with.")


class ModelsResponse(HttpSchema):
    """The deployed models."""

    success: Literal[True] = True
    log_id: str
    models: list[ModelInfo]


class TenantInfo(HttpSchema):
    """The caller's tenant."""

    id: str
    created_at: str = Field(description="ISO 8601, UTC.")


class Limits(HttpSchema):
    """The limits of one request, of the tenant's label sets, and of requests per period."""

    max_samples: int
    max_job_samples: int
    max_result_bytes: int = Field(description="The largest results of a job, as JSON.")
    max_labels: int
    max_text_chars: int
    max_label_chars: int
    max_body_bytes: int
    max_image_bytes: int
    max_image_megapixels: int
    max_request_image_bytes: int
    max_label_sets: int
    requests: int
    requests_period: Literal["DAY", "WEEK", "MONTH"]
    requests_remaining: int = Field(description="Best effort: the usage plan enforces the quota.")
    requests_reset: int = Field(description="The end of the period, in milliseconds since 1970, UTC.")


class SecretInfo(HttpSchema):
    """A webhook secret, without its value. Times are ISO 8601, UTC."""

    created_at: str
    old_valid_until: str | None = Field(default=None, description="Until when the secret before it also signs.")


class WebhookSecretResponse(HttpSchema):
    """A new webhook secret. No other answer shows it."""

    success: Literal[True] = True
    log_id: str
    webhook_secret: str
    old_valid_until: str | None = Field(default=None, description="Until when the old secret also signs. ISO 8601, UTC.")


class AccountResponse(HttpSchema):
    """The caller's tenant, its limits, and the S3 prefixes that its images can be in."""

    success: Literal[True] = True
    log_id: str
    tenant: TenantInfo
    limits: Limits
    s3_prefixes: list[str] = Field(description="Every `s3://bucket/prefix/` that the tenant's requests can name.")
    upload_prefix: str | None = Field(default=None, description="The prefix of the tenant's uploads: POST /v1/uploads.")
    incoming_prefix: str | None = Field(
        default=None,
        description="The prefix of uploads that are classified. The name of the label set and a slash follow it.",
    )
    webhook_secret: SecretInfo | None = Field(default=None, description="Absent if the tenant has no webhook secret.")
