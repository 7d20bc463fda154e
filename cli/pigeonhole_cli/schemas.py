"""Print the JSON Schemas of messages, events and webhooks: `python -m pigeonhole_cli.schemas > docs/messages.json`."""

from __future__ import annotations

import json
import sys

from pydantic.json_schema import models_json_schema

from pigeonhole.contract.jobs import WebhookBody
from pigeonhole.contract.messages import ChunkMessage, JobEnded, UploadClassified, WebhookMessage

SENT = (ChunkMessage, WebhookMessage, JobEnded, UploadClassified, WebhookBody)


def as_json() -> str:
    """The schemas as docs/messages.json has them, by name."""
    _, schemas = models_json_schema([(model, "serialization") for model in SENT], ref_template="#/$defs/{model}")
    return json.dumps(schemas, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.buffer.write(as_json().encode("utf-8"))
