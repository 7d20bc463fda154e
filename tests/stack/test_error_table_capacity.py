"""The errors that a healthy stack doesn't show, from stacks that are set up for them: 429, 500, 503 and 504."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.loopback import Answer, LoopbackServer, respond
from support.stack.deployment import TEXTS, Deploy, Deployment, image, request, text, verify_error

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]

WORDS = request([text(words) for words in TEXTS])


@pytest.fixture(scope="module")
def narrow(deploy: Deploy) -> Deployment:
    """A stack whose usage plan allows few requests, and whose classify function has no model."""
    parameters = {"ThrottleRate": "1", "ThrottleBurst": "2", "QuotaLimit": "5", "QuotaPeriod": "DAY"}
    return deploy("narrow", parameters=parameters, settings={"ClassifyFunction": {"PIGEONHOLE_MODEL_DIR": "/nowhere"}})


def test_an_internal_error_reveals_nothing_internal(narrow: Deployment) -> None:
    error = verify_error(narrow.classify(WORDS), "internal_error")

    assert "nowhere" not in error.message


def test_the_plan_throttles_and_then_the_quota_ends(narrow: Deployment) -> None:
    def refusal() -> str:
        for _ in range(10):
            response = narrow.call("GET", "/v1/account")
            if response.status_code != 200:
                verify_error(response, "rate_limited")
                return response.headers["retry-after"]
        pytest.fail("a rate of 1 and a burst of 2 let 10 requests through at once")

    pauses = {refusal()}
    until = time.monotonic() + 20
    while pauses != {"1", "3600"} and time.monotonic() < until:
        time.sleep(1)
        pauses.add(refusal())

    assert pauses == {"1", "3600"}, "one for the throttle, one for the quota"


def test_no_answer_in_time_and_no_room_for_another_request(deploy: Deploy, web: Web, photos: dict[str, bytes]) -> None:
    impatient = deploy("impatient", settings={"ApiFunction": {"PIGEONHOLE_INVOKE_TIMEOUT_S": "3"}}, classify_concurrency=1)
    wait_until(lambda: impatient.call("GET", "/v1/health?deep=true").status_code == 200)  # the model is loaded
    release = threading.Event()

    def late(connection: socket.socket, head: str) -> None:
        release.wait(60)
        respond(photos["cat"])(connection, head)

    server = web({"/late.png": late})
    try:
        with ThreadPoolExecutor(1) as another:
            waiting = another.submit(impatient.classify, request([image(server.url("/late.png"))]))
            wait_until(lambda: bool(server.heads))
            error = impatient.classify(WORDS)
            verify_error(error, "overloaded")
            assert int(error.headers["retry-after"]) >= 1
            verify_error(waiting.result(), "timed_out")
    finally:
        release.set()


def wait_until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    until = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until, "the condition didn't become true in time"
        time.sleep(0.05)
