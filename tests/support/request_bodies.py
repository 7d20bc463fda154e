"""Bodies of POST /v1/classification, and the faults that validation finds in them."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.classification import ClassificationRequest, parse_request
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest

TEXT = {"type": "text", "value": "a sunny day"}
PHOTO = {"type": "image", "value": "https://example.com/a.jpg"}
LABELS = [{"type": "text", "value": "weather"}, {"type": "text", "value": "sports"}]


def body(**changes: Any) -> dict[str, Any]:
    """Return a valid body with some fields changed."""
    return {"dataset": [TEXT], "labels": LABELS} | changes


def parse(sent: object, **limits: int) -> ClassificationRequest:
    """Validate a body under the default limits, some of them changed."""
    return parse_request(ClassificationRequest, sent, RequestLimits(**limits))


def find_faults(sent: object, **limits: int) -> dict[str, str]:
    """Return the message of each fault by its path."""
    with pytest.raises(InvalidRequest) as caught:
        parse(sent, **limits)
    return {fault.path: fault.message for fault in caught.value.details}
