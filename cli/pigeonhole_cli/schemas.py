"""Print the JSON Schemas of messages, events and webhooks.

python -m pigeonhole_cli.schemas > docs/messages.json
"""

from __future__ import annotations

import json
import sys

from pigeonhole.contract.jobs import WebhookBody
from pigeonhole.contract.messages import (
    ChunkMessage,
    FailedSpanMessage,
    JobEnded,
    PlanMessage,
    SpanMessage,
    UploadsClassified,
    WebhookMessage,
)
from pigeonhole.contract.schemas import json_schemas

SENT = (
    ChunkMessage,
    SpanMessage,
    FailedSpanMessage,
    PlanMessage,
    WebhookMessage,
    JobEnded,
    UploadsClassified,
    WebhookBody,
)


def as_json() -> str:
    """Return the schemas by name, as docs/messages.json has them."""
    schemas = json_schemas([(model, "serialization") for model in SENT], "#/$defs/{model}")
    return json.dumps(schemas, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(as_json().encode("utf-8"))
