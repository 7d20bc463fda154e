"""The limits of a request. A deployment may set them, so validation takes them from its context."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields

from pydantic import ValidationInfo


@dataclass(frozen=True)
class RequestLimits:
    """The limits of one request, and of a tenant's label sets. Characters are Unicode code points.

    Attributes:
        max_questions: The questions of one request.
        max_question_labels: The labels of one question.
        max_question_texts: The distinct texts of the labels of all questions.
        max_result_bytes: The results that a job may have, as JSON. Functions hold the results of a whole job in memory.
        local_webhooks: Whether a webhook may use http:// and this machine's addresses.
    """

    max_samples: int = 32
    max_labels: int = 24
    max_questions: int = 400
    max_question_labels: int = 255
    max_question_texts: int = 4_000
    min_labels: int = 2
    max_text_chars: int = 8_000
    max_label_chars: int = 512
    max_instruction_chars: int = 2_000
    max_templates: int = 16
    max_custom_id_chars: int = 128
    max_body_bytes: int = 4_000_000
    max_upload_bytes: int = 20_000_000
    max_label_sets: int = 1_000
    max_result_bytes: int = 50_000_000
    local_webhooks: bool = False


DEFAULT_LIMITS = RequestLimits()
# For stored requests: they met the deployment's limits when they were sent.
UNLIMITED = RequestLimits(**{field.name: sys.maxsize for field in fields(RequestLimits) if field.name.startswith("max_")})  # type: ignore[arg-type]


def get_limits(info: ValidationInfo) -> RequestLimits:
    """Return the limits of the validation's context, the default ones if it has none."""
    return info.context if isinstance(info.context, RequestLimits) else DEFAULT_LIMITS
