"""A fake deployment for `pigeonhole smoke`, which can be made wrong at one place."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

from support.cli.api_server import API_KEY, Answer, ApiServer, Request, error_body
from support.cli.job_api import ID, job_info

BROWSERS = {"access-control-allow-origin": "*"}
RATES = {f"x-jigsaw-rate-limit-{name}": "1" for name in ("limit", "remaining", "reset")}
USAGE = {"input_tokens": 4, "output_tokens": 2, "inference_time_tokens": 3, "total_tokens": 9}
REFUSED = Answer(error_body("invalid_api_key", "The key is missing or wrong."), 401, BROWSERS)

Change = Callable[[Request, Answer], Answer]


class DeployedApi(ApiServer):
    """Answers each request as a deployment does. S3 is a path of the same server.

    Attributes:
        change: Changes the answer to a request, for a deployment that is wrong.
        delivery: The state of each job's webhook.
        has_secret: Whether the tenant has a webhook secret.
    """

    command = "smoke"

    def __init__(self) -> None:
        super().__init__()
        self.change: Change = lambda request, answer: answer
        self.delivery = "delivered"
        self.has_secret = True

    def answer_to(self, request: Request) -> Answer:
        return self.change(request, self._right_answer(request))

    def _right_answer(self, request: Request) -> Answer:
        path = request.path.removeprefix("/prod").partition("?")[0].replace("//", "/")
        headers = {name.lower(): value for name, value in request.headers.items()}
        if request.method == "OPTIONS":
            return Answer("", 204, BROWSERS)
        if path == "/s3":
            return Answer("", 204)
        if request.method == "GET" and path == "/docs":
            return Answer("<html>", headers={"content-type": "text/html"})
        if request.method == "GET" and path in ("/openapi.json", "/v1/health"):
            return Answer({"success": True})
        if headers.get("x-api-key") != API_KEY:
            return REFUSED
        routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", "/v1/classification"): self._classify,
            ("POST", "/v1/uploads"): self._create_form,
            ("GET", "/v1/account"): self._read_account,
            ("POST", "/v1/account/webhook-secret"): self._create_secret,
            ("POST", "/v1/classification/jobs"): self._submit,
            ("GET", "/v1/classification/jobs"): lambda _: Answer({"success": True, "log_id": "l", "jobs": [job_info()]}),
            ("GET", f"/v1/classification/jobs/{ID}"): self._read_job,
        }
        if (request.method, path) in routes:
            return routes[request.method, path](request)
        is_known = path in {known for _, known in routes} | {"/v1/health"}
        code, status = ("method_not_allowed", 405) if is_known else ("not_found", 404)
        return Answer(error_body(code, "It isn't there."), status)

    def _classify(self, request: Request) -> Answer:
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        try:
            content = json.loads(body)
        except ValueError:
            return Answer(error_body("invalid_request", "no JSON"), 400)
        if not content["labels"]:
            return Answer(error_body("invalid_request", "labels: too few", ("labels", "too few")), 400)
        predictions = [content["labels"][0]["value"]] * len(content["dataset"])
        return Answer({"success": True, "log_id": "l", "predictions": predictions, "_usage": USAGE}, headers=RATES)

    def _create_form(self, request: Request) -> Answer:
        form: dict[str, Any] = {
            "url": f"{self.url}/s3",
            "fields": {"policy": "p"},
            "s3_uri": "s3://bucket/a.png",
            "key": "a.png",
        }
        times = {"expires_at": "2026-05-04T10:20:30Z", "kept_until": "2026-05-11T10:20:30Z"}
        return Answer({"success": True, "log_id": "l", "upload": {**form, **times, "max_bytes": 1_000}})

    def _read_account(self, request: Request) -> Answer:
        secret = {"webhook_secret": {"created_at": "2026-05-04T10:20:30Z"}} if self.has_secret else {}
        return Answer({"success": True, "log_id": "l", **secret})

    def _create_secret(self, request: Request) -> Answer:
        self.has_secret = True
        return Answer({"success": True, "log_id": "l", "webhook_secret": "whsec_x"})

    def _submit(self, request: Request) -> Answer:
        self.webhook = request.json().get("webhook_url")
        return Answer({"success": True, "log_id": "l", "job": job_info("queued", succeeded=0)}, 202)

    def _read_job(self, request: Request) -> Answer:
        webhook = {"webhook": {"url": self.webhook, "status": self.delivery, "attempts": []}} if self.webhook else {}
        return Answer({"success": True, "log_id": "l", "job": job_info() | webhook, "predictions": ["positive", "negative"]})
