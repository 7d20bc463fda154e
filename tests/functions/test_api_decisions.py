"""functions/api answers the clients of OpenAI and TypeSafe in their shapes."""

from __future__ import annotations

import base64
import json

import pytest
from backports import zstd

from support.api_calls import Api, api_with_fakes
from support.handlers import API_KEY, EVENT, event

LOG_ID = EVENT["requestContext"]["requestId"]
DECISION = {"model": "gpt-6-luna", "input": "hello", "questions": [{"type": "predicate", "instructions": "a greeting"}]}
SYSTEM_ONE = {"model": "jev-latest", "state": "<a>", "questions": {"q": {"type": "noul", "instructions": "a cat"}}}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def test_openai_gets_its_answer_and_its_headers(api: Api) -> None:
    answer = api.call("POST", "/v1/decisions", body=DECISION, api_key=None, authorization=f"Bearer {API_KEY}")

    assert answer.status == 200
    assert answer.json["answers"] == [{"type": "predicate", "name": None, "probability": 0.5}]
    assert "warnings" not in answer.json
    assert answer.headers["x-request-id"] == LOG_ID
    assert (answer.headers["x-ratelimit-limit-requests"], answer.headers["x-ratelimit-remaining-requests"]) == ("100", "99")
    assert answer.headers["x-jigsaw-rate-limit-remaining"] == "99"


def test_typesafe_gets_its_answer_to_a_compressed_form(api: Api) -> None:
    assets = {"<a>": {"type": "image", "part": "asset-0"}}
    parts = [("request", json.dumps(SYSTEM_ONE | {"assets": assets}).encode()), ("asset-0", b"\xff\xd8\x00")]
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data) for name, data in parts
    )
    body = base64.b64encode(zstd.compress(form + b"--b--\r\n")).decode()
    headers = {"content_type": "multipart/form-data; boundary=b", "content_encoding": "zstd"}

    answer = api.send(event("POST", "/v1/systemone", body=body, **headers) | {"isBase64Encoded": True})

    assert (answer.status, answer.json["answers"]) == (200, {"q": {"type": "noul", "noul": 0.5}})
    assert answer.headers["x-typesafe-request-id"] == LOG_ID
    assert api.classifier.commands[0].request.dataset[0].value == "data:image/any;base64,/9gA"


@pytest.mark.parametrize("path", ["/api/v1/decisions", "//api//v1/decisions/"])
def test_api_before_v1_is_an_alias(api: Api, path: str) -> None:
    assert api.call("POST", path, body=DECISION).status == 200


def test_api_alone_is_no_alias(api: Api) -> None:
    assert api.call("GET", "/api/openapi.json").status == 404
    assert api.call("GET", "/api").status == 404


@pytest.mark.parametrize("headers", [{"authorization": f"Bearer {API_KEY}"}, {"authorization": f"bearer {API_KEY}"}])
def test_a_bearer_key_opens_what_an_x_api_key_opens(api: Api, headers: dict[str, str]) -> None:
    assert api.call("GET", "/v1/account", api_key=None, **headers).json["tenant"]["id"] == "acme"


def test_a_wrong_key_is_refused_in_the_shape_of_the_client(api: Api) -> None:
    openai = api.call("POST", "/v1/decisions", body=DECISION, api_key="wrong")
    typesafe = api.call("POST", "/v1/systemone", body=SYSTEM_ONE, api_key="wrong")

    assert (openai.status, openai.json["error"]["code"], openai.json["error"]["type"]) == (
        401,
        "invalid_api_key",
        "authentication_error",
    )
    assert (typesafe.status, "not a valid key" in typesafe.json["detail"]) == (401, True)


def test_a_body_that_is_no_json_is_refused_in_the_shape_of_the_client(api: Api) -> None:
    assert api.call("POST", "/v1/decisions", body="{").json["error"]["type"] == "invalid_request_error"
    answer = api.call("POST", "/v1/systemone", body="{")
    assert (answer.status, answer.json["detail"][0]["loc"]) == (422, ["body"])


def test_an_answer_that_lambda_cannot_carry_is_refused(api: Api) -> None:
    choices = [{"value": f"{n:03} " + "a" * 16} for n in range(255)]
    questions = [{"type": "choice", "instructions": "a", "choices": choices}] * 400

    answer = api.call("POST", "/v1/decisions", body=DECISION | {"questions": questions})

    assert (answer.status, answer.json["error"]["code"]) == (413, "too_large")
    assert "ask fewer questions" in answer.json["error"]["message"]


def test_the_models_are_listed_as_each_client_lists_them(api: Api) -> None:
    ours = api.call("GET", "/v1/models").json
    openai = api.call("GET", "/v1/models", user_agent="OpenAI/Python 3.57.0").json
    typesafe = api.call("GET", "/v1/models", user_agent="typesafe-sdk/0.7.5").json

    assert ours["models"][0]["id"] == "fake"
    assert openai == {"object": "list", "data": [{"id": "fake", "object": "model", "created": 0, "owned_by": "pigeonhole"}]}
    assert [(model["name"], model["release_date"]) for model in typesafe["models"]] == [("fake", "1970-01-01")]


def test_another_method_is_refused_in_the_shape_of_the_client(api: Api) -> None:
    answer = api.call("GET", "/v1/decisions")

    assert (answer.status, answer.json["error"]["code"], answer.headers["allow"]) == (
        405,
        "method_not_allowed",
        "POST, OPTIONS",
    )
