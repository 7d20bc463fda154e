"""Signatures of webhooks, as standard-webhooks has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import SECRET_PREFIX


def signature_headers(body: bytes, message_id: str, with_secrets: Sequence[WebhookSecret], now: float) -> dict[str, str]:
    """The headers of a delivery: `v1,` and the base64 of HMAC-SHA-256 over id, time and body, with each of the secrets.

    Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.
    """
    timestamp = str(int(now))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    keys = [base64.b64decode(secret.value.removeprefix(SECRET_PREFIX)) for secret in with_secrets]
    signatures = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
