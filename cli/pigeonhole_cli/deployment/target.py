"""The deployment that `pigeonhole smoke` checks, and what it expects of an answer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pigeonhole.contract.classification import ClassificationResponse, ErrorResponse
from pigeonhole.contract.jobs import JobInfo
from pigeonhole_cli.http_client import ApiClient
from pigeonhole_cli.jobs.client import JobsClient

if TYPE_CHECKING:
    import httpx

CLASSIFY = "/v1/classification"
POLL_S = 20  # the longest wait of one request


class CheckFailed(Exception):
    """The deployment doesn't do what a client needs. The message is one line that says what it does."""


@dataclass
class Deployment:
    """The deployment that is checked.

    Attributes:
        client: Its API.
        webhook_url: Where a webhook shall be delivered, None if that isn't checked.
        timeout_s: The longest time that a job and its webhook may take.
    """

    client: ApiClient
    webhook_url: str | None = None
    timeout_s: float = 300.0
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def send(self, method: str, path: str, *, api_key: str | None = "", **arguments: Any) -> httpx.Response:
        """Send a request with the API key, with another one, or with none (None). Temporary failures are retried."""
        headers = dict(arguments.pop("headers", {}))
        if api_key is not None:
            headers["x-api-key"] = api_key or self.client.api_key
        return self.client.request(method, self.client.url + path, headers=headers, **arguments)

    def classify(
        self, body: dict[str, Any], *, path: str = CLASSIFY, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> ClassificationResponse:
        """Send a classification, or its body as `content`, and check the shape of its answer."""
        sent = {"json": body} if content is None else {"content": content}
        response = self.send("POST", path, headers=headers or {}, **sent)
        expect(response, 200)
        answer = self.client.parse(ClassificationResponse, response).body
        labels = {label["value"] for label in body["labels"]}
        if len(answer.predictions) != len(body["dataset"]) or not labels.issuperset(map(str, answer.predictions)):
            raise CheckFailed(f"a prediction for each sample was expected, not {answer.predictions}")
        return answer

    def wait_for(self, job_id: str, is_done: Callable[[JobInfo], bool]) -> JobInfo:
        """Poll a job until it is done.

        Raises:
            CheckFailed: It takes longer than `timeout_s`.
        """
        jobs, until = JobsClient(self.client), self.clock() + self.timeout_s
        while not is_done(job := jobs.get(job_id, POLL_S).body.job):
            if self.clock() > until:
                webhook = f", its webhook {job.webhook.status}" if job.webhook else ""
                raise CheckFailed(f"after {self.timeout_s:.0f} s the job is {job.status}{webhook}")
            self.client.sleep(1.0)
        return job


def expect(response: httpx.Response, status: int, code: str | None = None) -> Any:
    """Check the status of an answer, and that it is JSON; of an error also its shape and its code.

    Returns:
        The JSON.

    Raises:
        CheckFailed: The answer is another one.
    """
    try:
        content = response.json()
    except ValueError:
        content = None
    if response.status_code != status or not isinstance(content, dict):
        got = "JSON" if isinstance(content, dict) else f"{response.headers.get('content-type', 'no')} content"
        message = f": {content['message']}" if isinstance(content, dict) and "message" in content else ""
        raise CheckFailed(f"HTTP {status} with JSON was expected, not HTTP {response.status_code} with {got}{message}")
    if code is not None:
        try:
            error = ErrorResponse.model_validate(content).error
        except ValueError:
            raise CheckFailed(f"an error of the contract was expected, not {json.dumps(content)[:200]}") from None
        if error.code != code:
            raise CheckFailed(f"the error {code} was expected, not {error.code}")
    return content
