"""Each row of the error table, over HTTP, from the deployed template."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping

import httpx
import pytest
from backports import zstd

from pigeonhole.errors import BY_CODE
from pigeonhole.tenants.tenant import new_api_key
from pigeonhole_cli.local.command import api_key_manager
from support.loopback import Answer, LoopbackServer, redirect
from support.stack.deployment import BUCKET, PREFIX, TEXTS, Deploy, Deployment, image, request, text, verify_error

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]

WORDS = request([text(words) for words in TEXTS])


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


# ------------------------------------------------------------------------------------------------------------ 400, 413


def test_faults_of_the_body_are_all_named_with_their_paths(deployed: Deployment) -> None:
    error = verify_error(
        deployed.classify({"dataset": [{"type": "video", "value": "x"}], "labels": [text("only")]}), "invalid_request"
    )

    assert [detail["path"] for detail in error.error.details or []] == ["dataset.0.type", "labels"]


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"\xff\xfe", b"[" * 2_000])
def test_a_body_that_is_not_a_json_object_is_refused(deployed: Deployment, body: bytes) -> None:
    verify_error(deployed.classify(body), "invalid_request")


def test_an_image_that_cannot_be_read_is_named(deployed: Deployment, photos: dict[str, bytes]) -> None:
    error = verify_error(deployed.classify(request([image(data_url(photos["cat"][:2_000]))])), "unreadable_image")

    assert [detail["path"] for detail in error.error.details or []] == ["dataset.0.value"]


def test_a_file_that_is_not_an_image_is_refused(deployed: Deployment, web: Web) -> None:
    server = web({"/a.jpg": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"})

    verify_error(deployed.classify(request([image(server.url("/a.jpg"))])), "unsupported_media")


def test_an_address_without_a_file_is_reported(deployed: Deployment, web: Web) -> None:
    verify_error(deployed.classify(request([image(web({}).url("/gone.jpg"))])), "unfetchable_url")


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/a.jpg",
        "http://[fd00::1]/a.jpg",
        "file:///etc/passwd",
        f"s3://{BUCKET}/another-tenant/a.jpg",
        f"s3://another-bucket/{PREFIX}a.jpg",
    ],
)
def test_an_address_that_leads_inside_is_forbidden(deployed: Deployment, address: str) -> None:
    verify_error(deployed.classify(request([image(address)])), "forbidden_url")


def test_a_redirect_inside_is_forbidden(deployed: Deployment, web: Web) -> None:
    server = web({"/a.jpg": redirect("http://169.254.169.254/latest/meta-data/")})

    verify_error(deployed.classify(request([image(server.url("/a.jpg"))])), "forbidden_url")


def test_on_error_null_answers_for_the_other_samples(deployed: Deployment, web: Web, photos: dict[str, bytes]) -> None:
    server = web({"/cat.png": photos["cat"]})
    dataset = [image(server.url("/gone.png")), image(server.url("/cat.png")), image(data_url(b"no image"))]

    response = deployed.classify(request(dataset, [text("cat"), text("temple")], on_error="null"))

    assert response.status_code == 200, response.text
    answer = response.json()
    assert [prediction is None for prediction in answer["predictions"]] == [True, False, True]
    assert [(fault["index"], fault["code"]) for fault in answer["errors"]] == [(0, "unfetchable_url"), (2, "unsupported_media")]


def test_a_body_in_an_unknown_encoding_is_unsupported(deployed: Deployment) -> None:
    raw = json.dumps(WORDS).encode()

    def classify(body: bytes, **headers: str) -> httpx.Response:
        return deployed.classify(body, headers={"content-type": "application/json", **headers})

    assert classify(gzip.compress(raw), **{"content-encoding": "gzip"}).status_code == 200
    assert classify(zstd.compress(raw), **{"content-encoding": "zstd"}).status_code == 200
    verify_error(classify(raw, **{"content-encoding": "br"}), "unsupported_encoding")
    verify_error(classify(raw.decode().encode("utf-16")), "unsupported_encoding")


def test_a_body_above_the_limit_is_too_large(deployed: Deployment) -> None:
    verify_error(deployed.classify(json.dumps(WORDS).encode() + b" " * 4_000_000), "too_large")


def test_an_image_above_the_limit_is_too_large(deployed: Deployment, web: Web, photos: dict[str, bytes]) -> None:
    server = web({"/a.png": photos["cat"] + b"\0" * 20_000_000})

    verify_error(deployed.classify(request([image(server.url("/a.png"))])), "too_large")


# ------------------------------------------------------------------------------------------------------------ 401, 403


@pytest.mark.parametrize("key", [None, "wrong", "pgh" + "x" * 40])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/classification"),
        ("GET", "/v1/account"),
        ("GET", "/v1/models"),
        ("GET", "/nowhere"),
        ("GET", "/playground"),
    ],
)
def test_a_request_without_a_valid_key_is_refused(deployed: Deployment, method: str, path: str, key: str | None) -> None:
    error = verify_error(deployed.call(method, path, key=key), "invalid_api_key")

    assert "missing" in error.message
    assert "not a valid key" in error.message


def test_a_key_that_only_the_gateway_knows_is_not_valid(deployed: Deployment) -> None:
    gateway, value = deployed.stack.client("apigateway"), new_api_key()
    key = gateway.create_api_key(name="no tenant", value=value, enabled=True)["id"]
    gateway.create_usage_plan_key(usagePlanId=deployed.outputs["UsagePlanId"], keyId=key, keyType="API_KEY")

    verify_error(deployed.classify(WORDS, key=value), "invalid_api_key")


def test_a_revoked_key_is_not_valid(deployed: Deployment) -> None:
    keys = api_key_manager(deployed.stack, deployed.outputs)
    created = keys.create("another-tenant", "short-lived")
    assert deployed.call("GET", "/v1/account", key=created.value).status_code == 200

    keys.revoke(created.record.key_id)

    verify_error(deployed.call("GET", "/v1/account", key=created.value), "invalid_api_key")


def test_a_deep_health_check_needs_a_key(deployed: Deployment) -> None:
    assert deployed.call("GET", "/v1/health", key=None).status_code == 200
    verify_error(deployed.call("GET", "/v1/health?deep=true", key=None), "invalid_api_key")


def test_the_keys_of_a_tenant_have_the_same_account(deployed: Deployment) -> None:
    keys = api_key_manager(deployed.stack, deployed.outputs)
    values = [keys.create("two-keys", name).value for name in ("one", "two")]

    accounts = [deployed.call("GET", "/v1/account", key=value).json() for value in values]

    assert [account["tenant"]["id"] for account in accounts] == ["two-keys", "two-keys"]
    assert accounts[0]["tenant"] == accounts[1]["tenant"]


def test_what_the_deployment_refuses_is_forbidden(deploy: Deploy) -> None:
    closed = deploy("closed")
    policy = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*"}]}
    closed.stack.client("apigateway").update_rest_api(
        restApiId=closed.outputs["ApiId"],
        patchOperations=[{"op": "replace", "path": "/policy", "value": json.dumps({"Version": "2012-10-17", **policy})}],
    )

    verify_error(closed.classify(WORDS), "forbidden")


# ------------------------------------------------------------------------------------------------------------ 404, 405


@pytest.mark.parametrize(
    "path", ["/playground", "/v1", "/v1/classify", "/v1/classification/more", "/docs/more", "/restapis", "/_ministack/health"]
)
def test_an_unknown_route_is_not_found(deployed: Deployment, path: str) -> None:
    verify_error(deployed.call("GET", path), "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/classification", "POST"),
        ("PUT", "/v1/classification", "POST"),
        ("DELETE", "/v1/account", "GET"),
        ("POST", "/v1/health", "GET"),
        ("PATCH", "/openapi.json", "GET"),
        ("POST", "/docs", "GET"),
        ("POST", "/", "GET"),
        ("DELETE", "/playground/style.css", "GET"),
    ],
)
def test_another_method_is_not_allowed(deployed: Deployment, method: str, path: str, allowed: str) -> None:
    response = deployed.call(method, path)

    verify_error(response, "method_not_allowed")
    assert allowed in response.headers["allow"].split(", ")


# --------------------------------------------------------------------------------------------------- their form


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nowhere", "not_found"), ("GET", "/v1/classification", "method_not_allowed")]
)
def test_errors_come_as_problem_json_on_request(deployed: Deployment, method: str, path: str, code: str) -> None:
    response = deployed.call(method, path, headers={"accept": "application/problem+json"})

    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.status_code, problem["status"], problem["code"]) == (BY_CODE[code].status, BY_CODE[code].status, code)
    assert {"type", "title", "detail", "log_id"} <= set(problem)


def test_faults_of_the_body_are_listed_in_problem_json(deployed: Deployment) -> None:
    response = deployed.classify({"dataset": [], "labels": []}, headers={"accept": "application/problem+json"})

    assert response.status_code == 400
    assert {fault["path"] for fault in response.json()["errors"]} == {"dataset", "labels"}


@pytest.mark.parametrize("path", ["/v1/classification", "/v1/health", "/v1/account", "/openapi.json", "/docs", "/"])
def test_a_preflight_is_answered_without_a_key(deployed: Deployment, path: str) -> None:
    headers = {
        "origin": "https://example.com",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-api-key",
    }

    response = deployed.call("OPTIONS", path, key=None, headers=headers)

    assert response.status_code in (200, 204)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "x-api-key" in response.headers["access-control-allow-headers"].lower()
    assert response.headers["access-control-allow-methods"]


def test_a_browser_may_read_the_retry_after_header(deployed: Deployment) -> None:
    exposed = deployed.call("GET", "/v1/health", key=None).headers["access-control-expose-headers"]

    assert "Retry-After" in exposed.split(", ")
