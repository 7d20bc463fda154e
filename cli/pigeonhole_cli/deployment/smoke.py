"""The checks of `pigeonhole smoke`: what a client needs of a deployment, asked of it over HTTP.

Each check is a function that raises `CheckFailed` with what it expected and what it got. It sends what real clients send, so it
finds what no local stack shows: a path that the gateway changes, an answer of the gateway without the contract's shape, a role
that lacks a permission, a queue that nothing reads.
"""

from __future__ import annotations

import base64
import gzip
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from pigeonhole.contract.jobs import JOBS, DeliveryStatus, JobInfo
from pigeonhole.contract.uploads import UPLOADS, UploadResponse
from pigeonhole.jobs.job import ENDED
from pigeonhole_cli.deployment.target import CLASSIFY, CheckFailed, Deployment, expect
from pigeonhole_cli.http_client import ApiError
from pigeonhole_cli.jobs.client import JobsClient

TEXT_REQUEST = {
    "dataset": [{"type": "text", "value": "I love this, it is wonderful!"}, {"type": "text", "value": "This is terrible."}],
    "labels": [{"type": "text", "value": "positive"}, {"type": "text", "value": "negative"}],
}
# A white square of 8 x 8 pixels.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR4nGP4jwMwDC0JALoev0Ewkwr8AAAAAElFTkSuQmCC")
IMAGE_LABELS = [{"type": "text", "value": "a photo of a dog"}, {"type": "text", "value": "a white square"}]
RATE_HEADERS = tuple(f"x-jigsaw-rate-limit-{name}" for name in ("limit", "remaining", "reset"))


def check_health(deployment: Deployment) -> None:
    """Check that health needs no key, and that the classifier answers with one."""
    expect(deployment.send("GET", "/v1/health", api_key=None), 200)
    expect(deployment.send("GET", "/v1/health", params={"deep": "true"}), 200)


def check_open_pages(deployment: Deployment) -> None:
    """Check that the OpenAPI document and its page need no key."""
    expect(deployment.send("GET", "/openapi.json", api_key=None), 200)
    page = deployment.send("GET", "/docs", api_key=None)
    if page.status_code != 200 or "text/html" not in page.headers.get("content-type", ""):
        raise CheckFailed(f"/docs: a page was expected, not HTTP {page.status_code}")


def check_texts(deployment: Deployment) -> None:
    """Check that texts are classified, and that the answer has its usage and its rate headers."""
    answer = deployment.classify(TEXT_REQUEST)
    usage = answer.usage
    if usage.total_tokens != usage.input_tokens + usage.output_tokens + usage.inference_time_tokens:
        raise CheckFailed("_usage: total_tokens is not the sum of the others")
    response = deployment.send("POST", CLASSIFY, json=TEXT_REQUEST)
    missing = [name for name in RATE_HEADERS if name not in response.headers]
    if missing:
        raise CheckFailed(f"the answer lacks {', '.join(missing)}")


def check_image(deployment: Deployment) -> None:
    """Check that an image in the request is classified."""
    address = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    deployment.classify({"dataset": [{"type": "image", "value": address}], "labels": IMAGE_LABELS})


def check_double_slash(deployment: Deployment) -> None:
    """Check a path that begins with two slashes, as the official Python client sends it."""
    deployment.classify(TEXT_REQUEST, path="/" + CLASSIFY)


def check_client_headers(deployment: Deployment) -> None:
    """Check that headers and fields of other clients change nothing."""
    headers = {"x-jigsaw-skip-cache": "true", "x-jigsaw-no-request-log": "true"}
    deployment.classify(TEXT_REQUEST | {"a_field_of_a_later_client": 1}, headers=headers)


def check_compressed_body(deployment: Deployment) -> None:
    """Check that a body may be compressed."""
    content = gzip.compress(json.dumps(TEXT_REQUEST).encode())
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    deployment.classify(TEXT_REQUEST, content=content, headers=headers)


def check_keys(deployment: Deployment) -> None:
    """Check that a request without a key, or with a wrong one, is refused as the contract says."""
    for api_key in (None, "not-a-key"):
        expect(deployment.send("POST", CLASSIFY, json=TEXT_REQUEST, api_key=api_key), 401, "invalid_api_key")


def check_faults(deployment: Deployment) -> None:
    """Check that faults of a request, unknown routes and wrong verbs get the contract's errors."""
    expect(deployment.send("POST", CLASSIFY, json=TEXT_REQUEST | {"labels": []}), 400, "invalid_request")
    expect(
        deployment.send("POST", CLASSIFY, content=b"{", headers={"content-type": "application/json"}), 400, "invalid_request"
    )
    expect(deployment.send("GET", "/v1/nothing-here"), 404, "not_found")
    expect(deployment.send("PATCH", "/v1/health"), 405, "method_not_allowed")
    expect(deployment.send("PUT", CLASSIFY, json={}), 405, "method_not_allowed")
    expect(deployment.send("GET", f"{JOBS}/{'0' * 32}"), 404, "not_found")


def check_preflight(deployment: Deployment) -> None:
    """Check that a browser may call the API."""
    headers = {
        "origin": "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key",
    }
    for path in (CLASSIFY, "/v1/health"):
        response = deployment.send("OPTIONS", path, api_key=None, headers=headers)
        if response.status_code not in (200, 204) or "access-control-allow-origin" not in response.headers:
            raise CheckFailed(f"{path}: the preflight was answered with HTTP {response.status_code} and no permission")
    refused = deployment.send("POST", CLASSIFY, json=TEXT_REQUEST, api_key=None, headers={"origin": "https://example.com"})
    if "access-control-allow-origin" not in refused.headers:
        raise CheckFailed("a browser can't read the error of a request without a key")


def check_upload(deployment: Deployment) -> None:
    """Check that an image can be uploaded to S3 with a form, and classified by its address."""
    body = {"content_type": "image/png", "size": len(PNG), "filename": "smoke.png"}
    form = deployment.client.call(UploadResponse, "POST", UPLOADS, json=body).body.upload
    response = deployment.client.request("POST", form.url, data=form.fields, files={"file": ("smoke.png", PNG)})
    if not response.is_success:
        raise CheckFailed(f"S3 refused the upload (HTTP {response.status_code})")
    deployment.classify({"dataset": [{"type": "image", "value": form.s3_uri}], "labels": IMAGE_LABELS})


def check_job(deployment: Deployment) -> None:
    """Check that a job is accepted, processed by a worker, and listed."""
    job = _submit(deployment, TEXT_REQUEST)
    ended = deployment.wait_for(job.id, lambda job: job.status in ENDED)
    if ended.status != "succeeded" or ended.progress.succeeded != len(TEXT_REQUEST["dataset"]):
        raise CheckFailed(f"the job {job.id} is {ended.status}: {ended.progress.failed} samples failed")
    if job.id not in {listed.id for listed in JobsClient(deployment.client).list_page(None, 20, None).jobs}:
        raise CheckFailed(f"the job {job.id} is not listed")


def check_webhook(deployment: Deployment) -> None:
    """Check that the end of a job is posted to the address that was given. A tenant without a webhook secret gets one."""
    if expect(deployment.send("GET", "/v1/account"), 200).get("webhook_secret") is None:
        expect(deployment.send("POST", "/v1/account/webhook-secret"), 200)
    job = _submit(deployment, TEXT_REQUEST | {"webhook_url": deployment.webhook_url})
    ended = deployment.wait_for(
        job.id, lambda job: job.webhook is not None and job.webhook.status is not DeliveryStatus.PENDING
    )
    if ended.webhook is None or ended.webhook.status is not DeliveryStatus.DELIVERED:
        raise CheckFailed(f"the webhook of the job {job.id} is {ended.webhook.status if ended.webhook else 'missing'}")


def _submit(deployment: Deployment, body: dict[str, Any]) -> JobInfo:
    return JobsClient(deployment.client).submit(json.dumps(body).encode(), f"smoke-{uuid.uuid4()}").body.job


CHECKS: dict[str, Callable[[Deployment], None]] = {
    "health": check_health,
    "documents": check_open_pages,
    "texts": check_texts,
    "an image": check_image,
    "a double slash": check_double_slash,
    "headers of clients": check_client_headers,
    "a compressed body": check_compressed_body,
    "API keys": check_keys,
    "errors": check_faults,
    "browsers": check_preflight,
    "an upload": check_upload,
    "a job": check_job,
    "a webhook": check_webhook,
}


def run_checks(deployment: Deployment) -> Iterator[tuple[str, str | None]]:
    """Run all checks, each whatever the others find.

    Yields:
        The name of each check, and what is wrong; None if nothing is.
    """
    for name, check in CHECKS.items():
        if check is check_webhook and deployment.webhook_url is None:
            continue
        try:
            check(deployment)
        except (CheckFailed, ApiError) as error:
            yield name, str(error)
        else:
            yield name, None
