"""The operations of the HTTP API as data: what answers 405, what the OpenAPI document is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from pigeonhole.contract import ClassificationRequest, ClassificationResponse
from pigeonhole.contract_service import AccountResponse, HealthResponse, ModelsResponse

OF_CLASSIFIER = ("internal_error", "overloaded", "timed_out")
OF_KEY = ("invalid_api_key", "forbidden", "rate_limited")
OF_BODY = ("invalid_request", "unreadable_image", "unfetchable_url", "forbidden_url", "unsupported_media", "too_large")


@dataclass(frozen=True)
class Operation:
    """One method at one path. `is_open`: needs no key; `answer`: a model, or a media type; `errors`: codes of errors.py."""

    method: Literal["GET", "POST"]
    path: str
    id: str
    summary: str
    answer: type[BaseModel] | str
    errors: tuple[str, ...]
    body: type[BaseModel] | None = None
    is_open: bool = False
    flags: tuple[tuple[str, str], ...] = ()  # boolean query parameters: name, description


OPERATIONS = (
    Operation(
        method="POST",
        path="/v1/classification",
        id="classify",
        summary="Sort texts or images into the labels that you name.",
        answer=ClassificationResponse,
        errors=OF_BODY + OF_KEY + OF_CLASSIFIER,
        body=ClassificationRequest,
    ),
    Operation(
        method="GET",
        path="/v1/account",
        id="readAccount",
        summary="Your tenant, its limits, and where on S3 its images may lie.",
        answer=AccountResponse,
        errors=(*OF_KEY, "internal_error", "overloaded"),
    ),
    Operation(
        method="GET",
        path="/v1/models",
        id="listModels",
        summary="What is deployed, calibrated or not.",
        answer=ModelsResponse,
        errors=OF_KEY + OF_CLASSIFIER,
    ),
    Operation(
        method="GET",
        path="/v1/health",
        id="health",
        summary="Whether the service answers.",
        answer=HealthResponse,
        errors=("invalid_request", *OF_KEY, *OF_CLASSIFIER),
        is_open=True,
        flags=(("deep", "Ask the classifier, too. Needs a key."),),
    ),
    Operation(
        method="GET",
        path="/openapi.json",
        id="openapi",
        summary="This document.",
        answer="application/json",
        errors=(),
        is_open=True,
    ),
    Operation(
        method="GET",
        path="/docs",
        id="docs",
        summary="This document as a page to read and to try.",
        answer="text/html",
        errors=(),
        is_open=True,
    ),
)


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path answers, OPTIONS aside; none for an unknown path."""
    return tuple(operation.method for operation in OPERATIONS if operation.path == path)
