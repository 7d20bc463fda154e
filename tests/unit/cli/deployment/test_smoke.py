"""`pigeonhole smoke` passes a right deployment, and names what is wrong with another one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pigeonhole_cli.deployment.smoke import CHECKS, run_checks
from pigeonhole_cli.deployment.target import Deployment
from pigeonhole_cli.http_client import open_client
from support.cli.api_server import API_KEY, Answer, Request
from support.cli.deployed_api import DeployedApi
from support.cli.job_api import job_info

HOOK = "https://acme.example.com/hook"


@pytest.fixture
def api() -> Iterator[DeployedApi]:
    with DeployedApi() as server:
        yield server


def faults(api: DeployedApi, *, timeout_s: float = 300.0) -> dict[str, str]:
    """Run all checks without pauses, and return what is wrong by the name of the check."""
    times = iter(range(1_000))
    with open_client(f"{api.url}/prod", API_KEY) as client:
        client.sleep = lambda seconds: None
        deployment = Deployment(client, HOOK, timeout_s, clock=lambda: float(next(times)))
        return {name: fault for name, fault in run_checks(deployment) if fault is not None}


def wrong(api: DeployedApi, method: str, path: str, answer: Answer) -> None:
    """Make the deployment answer the requests to a path otherwise."""
    api.change = lambda request, right: (
        answer if (request.method, request.path.removeprefix("/prod").partition("?")[0]) == (method, path) else right
    )


def test_a_right_deployment_passes_every_check(api: DeployedApi) -> None:
    assert faults(api) == {}

    assert any(request.path.startswith("/prod//v1/classification") for request in api.requests)
    assert any(b"smoke.png" in request.body and request.path == "/s3" for request in api.requests)


GATEWAYS_OWN = Answer({"message": "Missing Authentication Token"}, 403)
PAGE = Answer("<html>404", 404, {"content-type": "text/html"})


@pytest.mark.parametrize(
    ("method", "path", "answer", "check", "said"),
    [
        ("GET", "/v1/health", GATEWAYS_OWN, "health", "HTTP 200 with JSON was expected, not HTTP 403"),
        ("GET", "/docs", Answer({}), "documents", "a page was expected"),
        ("POST", "//v1/classification", PAGE, "a double slash", "not HTTP 404 with text/html content"),
        ("POST", "//v1/classification", GATEWAYS_OWN, "a double slash", "Missing Authentication Token"),
        ("GET", "/v1/nothing-here", GATEWAYS_OWN, "errors", "HTTP 404 with JSON was expected, not HTTP 403"),
        ("GET", "/v1/nothing-here", Answer({"message": "gone"}, 404), "errors", "an error of the contract was expected"),
        ("PATCH", "/v1/health", Answer({}, 200), "errors", "HTTP 405 with JSON was expected"),
        ("OPTIONS", "/v1/health", Answer("", 403), "browsers", "the preflight was answered with HTTP 403"),
        ("POST", "/s3", Answer("<Error>AccessDenied</Error>", 403), "an upload", "S3 refused the upload (HTTP 403)"),
    ],
)
def test_a_wrong_answer_fails_its_check_alone(
    api: DeployedApi, method: str, path: str, answer: Answer, check: str, said: str
) -> None:
    if path == "/s3":
        api.change = lambda request, right: answer if request.path == "/s3" else right
    else:
        wrong(api, method, path, answer)

    found = faults(api)

    assert list(found) == [check]
    assert said in found[check]


def test_a_refusal_that_a_browser_cannot_read_is_found(api: DeployedApi) -> None:
    api.change = lambda request, right: Answer(right.body, 401) if right.status == 401 else right

    assert faults(api) == {"browsers": "a browser can't read the error of a request without a key"}


def test_a_gateway_that_damages_compressed_bodies_is_found(api: DeployedApi) -> None:
    def damage(request: Request, right: Answer) -> Answer:
        is_compressed = request.headers.get("content-encoding") == "gzip"
        return Answer({"success": False, "message": "no JSON", "log_id": "l"}, 400) if is_compressed else right

    api.change = damage

    assert faults(api) == {"a compressed body": "HTTP 200 with JSON was expected, not HTTP 400 with JSON: no JSON"}


def test_an_answer_with_a_label_that_was_not_given_is_found(api: DeployedApi) -> None:
    def answer_otherwise(request: Request, right: Answer) -> Answer:
        if isinstance(right.body, dict) and len(right.body.get("predictions", ())) == 1:
            return Answer({**right.body, "predictions": ["cat"]}, headers=right.headers)
        return right

    api.change = answer_otherwise

    assert set(faults(api)) == {"an image", "an upload"}


def test_a_job_that_no_worker_processes_is_found(api: DeployedApi) -> None:
    api.change = lambda request, right: (
        Answer({"success": True, "log_id": "l", "job": job_info("queued", succeeded=0)})
        if request.method == "GET" and "/jobs/0" in request.path and right.status == 200
        else right
    )

    found = faults(api, timeout_s=3)

    assert found == {"a job": "after 3 s the job is queued", "a webhook": "after 3 s the job is queued"}


@pytest.mark.parametrize(("has_secret", "created"), [(True, 0), (False, 1)])
def test_a_webhook_secret_is_created_only_for_a_tenant_without_one(api: DeployedApi, has_secret: bool, created: int) -> None:
    """Another one would end the use of the tenant's own secret after a day."""
    api.has_secret = has_secret

    assert faults(api) == {}

    assert [request.path for request in api.requests].count("/prod/v1/account/webhook-secret") == created


@pytest.mark.parametrize(("delivery", "said"), [("given_up", "is given_up"), ("pending", "its webhook pending")])
def test_a_webhook_that_is_not_delivered_is_found(api: DeployedApi, delivery: str, said: str) -> None:
    api.delivery = delivery

    found = faults(api, timeout_s=3)

    assert list(found) == ["a webhook"]
    assert said in found["a webhook"]


def test_the_command_prints_a_line_for_each_check(api: DeployedApi) -> None:
    result = api.run(f"{api.url}/prod", API_KEY, "--webhook-url", HOOK)

    assert result.stdout.splitlines() == [f"ok\t{name}" for name in CHECKS]


def test_the_command_fails_if_a_check_fails(api: DeployedApi) -> None:
    wrong(api, "POST", "//v1/classification", PAGE)

    result = api.run(exit_code=1)

    (failed,) = [line for line in result.stdout.splitlines() if not line.startswith("ok\t")]
    assert failed.startswith("FAILED\ta double slash\tHTTP 200 with JSON was expected")
    assert "a webhook" not in result.stdout
    assert "--webhook-url" in result.stderr


def test_the_command_needs_an_address(api: DeployedApi) -> None:
    result = api.run(exit_code=2, JIGSAWSTACK_API_URL="")

    assert "where is the API?" in result.stderr
