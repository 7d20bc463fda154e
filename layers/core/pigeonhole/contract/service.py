"""What crosses HTTP besides classification: health, the deployed models, the caller's account."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pigeonhole.contract.classification import Model


class ModelInfo(Model):
    """A deployed model. `revision` names its weights; `calibrated`: whether scores are calibrated for that revision."""

    id: str
    revision: str
    engine: str
    text_encoder: str = Field(description="What compares a text with a text.")
    licence: str
    calibrated: bool
    input_pixels: int = Field(description="Side of the square that an image is brought to.")
    max_text_tokens: int


class HealthResponse(Model):
    """The service answers. With `?deep=true` the classifier did, too, and `model` says with what."""

    success: Literal[True] = True
    status: Literal["ok"] = "ok"
    log_id: str
    model: ModelInfo | None = None


class ModelsResponse(Model):
    """What is deployed."""

    success: Literal[True] = True
    log_id: str
    models: list[ModelInfo]


class TenantInfo(Model):
    """The caller."""

    id: str
    created_at: str = Field(description="ISO 8601, UTC.")


class Limits(Model):
    """How much one request may hold, how many label sets are kept, and how many requests a period has."""

    max_samples: int
    max_job_samples: int
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
    requests_remaining: int = Field(description="Best effort; the usage plan enforces.")
    requests_reset: int = Field(description="When the period ends: milliseconds since 1970, UTC.")


class SecretInfo(Model):
    """A webhook secret, without its value. ISO 8601, UTC; `old_valid_until`: until when the one before signs, too."""

    created_at: str
    old_valid_until: str | None = None


class WebhookSecretResponse(Model):
    """A new webhook secret, told this once. `old_valid_until`: until when deliveries are signed with the old one, too."""

    success: Literal[True] = True
    log_id: str
    webhook_secret: str
    old_valid_until: str | None = None


class AccountResponse(Model):
    """The caller's tenant, its limits, and where on S3 its images may lie."""

    success: Literal[True] = True
    log_id: str
    tenant: TenantInfo
    limits: Limits
    s3_prefixes: list[str] = Field(description="Every `s3://bucket/prefix/` that the tenant's requests may name.")
    upload_prefix: str | None = Field(default=None, description="Where the tenant's uploads lie: POST /v1/uploads.")
    incoming_prefix: str | None = Field(
        default=None, description="What is put below it, under a label set's name and a slash, is classified by that set."
    )
    webhook_secret: SecretInfo | None = Field(default=None, description="Absent if the tenant never made one.")
