"""Signatures of webhooks: the library of the standard verifies them."""

from __future__ import annotations

import json
import time

from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from pigeonhole.notifications.signing import signature_headers
from pigeonhole.tenants.tenant import WebhookSecret
from pigeonhole.tenants.webhook_secrets import rotate_secrets

BODY = json.dumps({"type": "job.succeeded", "ünï": "cödé"}, ensure_ascii=False).encode()


def verified(secret: WebhookSecret, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Verifier(secret.value).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_the_library_of_the_standard_verifies_a_delivery() -> None:
    (secret,) = rotate_secrets((), time.time())
    headers = signature_headers(BODY, "job_1", [secret], time.time())

    assert verified(secret, BODY, headers)
    assert not verified(secret, BODY + b" ", headers)
    assert not verified(secret, BODY, headers | {"webhook-id": "job_2"})
    assert not verified(secret, BODY, headers | {"webhook-timestamp": str(int(time.time()) + 1)})
    assert not verified(rotate_secrets((), time.time())[0], BODY, headers)


def test_after_a_rotation_deliveries_are_signed_with_both_secrets() -> None:
    first = rotate_secrets((), time.time())
    both = rotate_secrets(first, time.time())
    headers = signature_headers(BODY, "job_1", both, time.time())

    assert all(verified(secret, BODY, headers) for secret in both)
    assert both[1].value == first[0].value != both[0].value
