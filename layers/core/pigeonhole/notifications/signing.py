"""Signatures of webhooks, as standard-webhooks defines them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import SECRET_PREFIX


def signature_headers(body: bytes, message_id: str, secrets: Sequence[WebhookSecret], now: float) -> dict[str, str]:
    """Sign a delivery with each secret: HMAC-SHA-256 over message id, time and body.

    Source: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md.

    Args:
        body: What is posted.
        message_id: The id of the notification, which all attempts of one job share.
        secrets: The secrets that are valid now.
        now: The time, in seconds since 1970, UTC.

    Returns:
        The headers of the delivery.
    """
    timestamp = str(int(now))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    signing_keys = [base64.b64decode(secret.value.removeprefix(SECRET_PREFIX)) for secret in secrets]
    signatures = [
        base64.b64encode(hmac.new(signing_key, signed, hashlib.sha256).digest()).decode() for signing_key in signing_keys
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
