"""The error table of Decisions and System One, over HTTP: the official clients raise their own exception for each row."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
import typesafe_sdk
from typesafe_sdk import Noul, TypeSafeClient

from support.stack.decision_clients import (
    CHARGED,
    PREDICATE,
    TOPIC,
    data_url,
    decide,
    openai_client,
    photo_message,
    typesafe_client,
)
from support.stack.deployment import Deploy, Deployment

QUESTION = {"q": Noul(instructions="a greeting")}
OPENAI_HEADERS = {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"}


@pytest.fixture
def client(deployed: Deployment) -> Iterator[openai.OpenAI]:
    with openai_client(deployed) as client:
        yield client


@pytest.fixture
def typesafe(deployed: Deployment) -> Iterator[TypeSafeClient]:
    with typesafe_client(deployed) as client:
        yield client


# -------------------------------------------------------------------------------------------------- faults of the request

OPENAI_ERRORS: dict[str, tuple[Any, list[Any], type[openai.APIStatusError], str, str | None]] = {
    "no questions": (CHARGED, [], openai.BadRequestError, "invalid_request", "questions"),
    "401 questions": (CHARGED, [PREDICATE] * 401, openai.BadRequestError, "invalid_request", "questions"),
    "256 choices": (
        CHARGED,
        [TOPIC, {**TOPIC, "choices": [{"value": str(n)} for n in range(256)]}],
        openai.BadRequestError,
        "invalid_request",
        "questions[1].choices",
    ),
    "unknown type": (CHARGED, [{**TOPIC, "type": "guess"}], openai.BadRequestError, "invalid_request", "questions[0]"),
    "bad image": (photo_message(data_url(b"\0\0\0")), [TOPIC], openai.BadRequestError, "unsupported_media", "input"),
    "forbidden URL": (
        photo_message("http://169.254.169.254/a.jpg"),
        [TOPIC],
        openai.BadRequestError,
        "forbidden_url",
        "input",
    ),
    "no content": ("", [TOPIC], openai.BadRequestError, "invalid_request", "input"),
    "too large": ("a" * 4_000_000, [TOPIC], openai.APIStatusError, "too_large", None),
}


@pytest.mark.parametrize("case", OPENAI_ERRORS)
def test_openai_gets_an_error_that_names_its_place(client: openai.OpenAI, case: str) -> None:
    content, questions, kind, code, param = OPENAI_ERRORS[case]

    with pytest.raises(openai.APIStatusError) as caught:
        decide(client, content, *questions)

    error = caught.value
    assert type(error) is kind
    assert error.status_code == (413 if code == "too_large" else 400)
    assert (error.code, error.param, error.type) == (code, param, "invalid_request_error")
    assert error.request_id
    assert set(error.response.headers) >= OPENAI_HEADERS


TYPESAFE_ERRORS: dict[str, tuple[dict[str, Any], int, list[str | int] | None]] = {
    "no questions": ({"questions": {}}, 422, ["body", "questions"]),
    "401 questions": (
        {"questions": {str(n): {"type": "noul", "instructions": "a"} for n in range(401)}},
        422,
        ["body", "questions"],
    ),
    "256 choices": (
        {"questions": {"a": {"type": "choice", "criteria": {str(n): None for n in range(256)}}}},
        422,
        ["body", "questions", "a", "choice", "criteria"],
    ),
    "unknown type": ({"questions": {"a": {"type": "guess"}}}, 422, ["body", "questions", "a"]),
    "box": ({"questions": {"dog": {"type": "box"}}}, 422, ["body", "questions", "dog", "box"]),
    "bad image": (
        {"state": "<a>", "assets": {"<a>": {"type": "image", "data_base64": "AAAA"}}},
        422,
        ["body", "assets", "<a>"],
    ),
    # The shape has no addresses of images, so none leads anywhere.
    "forbidden URL": (
        {"state": "<a>", "assets": {"<a>": {"type": "image", "data_base64": "http://169.254.169.254/a.jpg"}}},
        422,
        ["body", "assets", "<a>"],
    ),
    "no content": ({"state": ""}, 422, ["body", "state"]),
    "too large": ({"state": "a" * 4_000_000}, 413, None),
}


@pytest.mark.parametrize("case", TYPESAFE_ERRORS)
def test_typesafe_gets_an_error_that_names_its_place(typesafe: TypeSafeClient, case: str) -> None:
    change, status, location = TYPESAFE_ERRORS[case]
    kind = typesafe_sdk.TypeSafeUnprocessableEntityError if status == 422 else typesafe_sdk.TypeSafeAPIError

    with pytest.raises(kind) as caught:
        typesafe.system_one(state="a", questions=QUESTION, extra_body=change)

    error = caught.value
    assert error.status == status
    assert isinstance(error.body, dict)
    if location is None:
        assert isinstance(error.body["detail"], str)
    else:
        assert location in [fault["loc"] for fault in error.body["detail"]]
    assert error.request_id


def test_too_many_texts_are_refused_by_the_limit_that_names_itself(client: openai.OpenAI) -> None:
    questions = [{**TOPIC, "choices": [{"value": f"{n} {m}"} for m in range(255)]} for n in range(16)]

    with pytest.raises(openai.BadRequestError, match="4000 distinct label texts"):
        decide(client, CHARGED, *questions)


# ------------------------------------------------------------------------------------------- keys, throttles and slow runs


def test_a_wrong_key_is_refused_for_openai(deployed: Deployment) -> None:
    with openai_client(deployed, "wrong") as wrong, pytest.raises(openai.AuthenticationError) as caught:
        decide(wrong, CHARGED, TOPIC)

    assert caught.value.code == "invalid_api_key"


def test_a_wrong_key_is_refused_for_typesafe(deployed: Deployment) -> None:
    with (
        typesafe_client(deployed, "wrong") as wrong,
        pytest.raises(typesafe_sdk.TypeSafeAuthenticationError, match="not a valid key"),
    ):
        wrong.system_one(state="a", questions=QUESTION)


def clients(deployed: Deployment) -> tuple[openai.OpenAI, TypeSafeClient]:
    """Return the clients of a stack that isn't the main one. Only the main stack has a port at which Bearer keys are read."""
    headers = {"x-api-key": deployed.key}
    return openai_client(deployed, headers=headers), typesafe_client(deployed, headers=headers)


def test_a_throttled_client_is_told_when_to_come_back(deploy: Deploy) -> None:
    client, typesafe = clients(deploy("decisions", parameters={"ThrottleRate": "1", "ThrottleBurst": "1"}))

    with client, typesafe:
        theirs = first_error(openai.RateLimitError, lambda: decide(client, CHARGED, TOPIC))
        other = first_error(typesafe_sdk.TypeSafeRateLimitError, lambda: typesafe.system_one(state="a", questions=QUESTION))

    assert (theirs.status_code, theirs.code, theirs.response.headers["retry-after"]) == (429, "rate_limited", "1")
    assert (other.status, other.retry_after_ms) == (429, 1000)


def first_error(kind: type[Exception], call: Callable[[], object]) -> Any:
    """Call until an error of that kind is raised, and return it."""
    for _ in range(10):
        try:
            call()
        except kind as error:
            return error
    pytest.fail(f"no {kind.__name__} in 10 calls")


def test_a_request_that_does_not_fit_its_time_is_ended(deploy: Deploy) -> None:
    impatient = deploy("impatient-decisions", settings={"ApiFunction": {"PIGEONHOLE_INVOKE_TIMEOUT_S": "1"}})
    letters = random.Random(7)  # new words, so no cache has them

    def new_choices() -> list[str]:
        return ["".join(letters.choices("abcdefghij klmno", k=500)) for _ in range(250)]

    client, typesafe = clients(impatient)
    with client, pytest.raises(openai.InternalServerError) as theirs:
        decide(client, CHARGED, *({**TOPIC, "choices": [{"value": value} for value in new_choices()]} for _ in range(4)))
    questions: Any = {str(n): {"type": "choice", "criteria": dict.fromkeys(new_choices())} for n in range(4)}
    with typesafe, pytest.raises(typesafe_sdk.TypeSafeInternalServerError) as other:
        typesafe.system_one(state=CHARGED, questions=questions)

    error = theirs.value
    assert (error.status_code, error.code, error.type) == (504, "timed_out", "server_error")
    assert error.request_id
    assert set(error.response.headers) >= OPENAI_HEADERS
    assert other.value.status == 504
    assert isinstance(other.value.body, dict)
    assert isinstance(other.value.body["detail"], str)
    assert other.value.request_id
