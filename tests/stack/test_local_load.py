"""A laptop's stack under load: requests wait for their turn, and every answer has the contract's shape."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole_cli.local.capacity import Capacity
from pigeonhole_cli.local.command import ROOT, STACK, bring_up
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from support.loopback import Answer, LoopbackServer
from support.stack.deployment import TEXTS, Deployment, image, request, text, verify_error

AT_ONCE = 50

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laptop")


@pytest.fixture(scope="module")
def laptop(model: Path, data: Path) -> Iterator[Deployment]:
    """The stack of `make start`, with an empty data folder."""
    with (
        LocalProcess(data, open_port(0, ""), open_port(0, "")) as process,
        LocalStack(process.aws_url, STACK, ROOT) as stack,
        httpx.Client(timeout=120, limits=httpx.Limits(max_connections=AT_ONCE)) as http,
    ):
        key = bring_up(process, model)
        yield Deployment(process.api_url, stack, stack.outputs(), key, http)


def classify_at_once(laptop: Deployment) -> list[tuple[int, Any]]:
    """Send texts at the same time. Return the status and the predictions, or the error, of each answer in order."""
    barrier = threading.Barrier(AT_ONCE)

    def classify(number: int) -> tuple[int, Any]:
        barrier.wait()
        response = laptop.classify(request([text(TEXTS[number % 2])]))
        return response.status_code, response.json().get("predictions", response.text)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(classify, range(AT_ONCE)))


@contextmanager
def changed(laptop: Deployment, function: str, **change: Any) -> Iterator[None]:
    """Change the configuration of a function, which restarts its processes, and change it back."""
    functions, name = laptop.stack.client("lambda"), laptop.stack.resources()[function]
    before = functions.get_function_configuration(FunctionName=name)
    functions.update_function_configuration(FunctionName=name, **change)
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, **{key: before[key] for key in change})


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_many_requests_at_once_are_all_answered_right(laptop: Deployment, data: Path, state: str) -> None:
    """The stack is cold in the first test of this file: it has just started."""
    expected = [(200, ["positive"]), (200, ["negative"])] * (AT_ONCE // 2)

    assert classify_at_once(laptop) == expected

    # Each process of a function unpacks its code into a folder of its own.
    processes = Counter(folder.name.split("-")[3] for folder in (data / "tmp").glob("ministack-lambda-*"))
    capacity = Capacity.of_this_machine()
    assert 1 <= processes["ApiFunction"] <= capacity.requests
    assert 1 <= processes["ClassifyFunction"] <= capacity.classify


def test_a_function_that_crashes_is_an_internal_error(laptop: Deployment) -> None:
    with changed(laptop, "ApiFunction", Environment={"Variables": {}}):
        error = verify_error(laptop.call("GET", "/v1/account"), "internal_error")

    assert "Runtime" not in error.message
    assert laptop.call("GET", "/v1/account").status_code == 200


def test_a_function_that_takes_too_long_is_timed_out(laptop: Deployment, web: Web) -> None:
    release = threading.Event()

    def never(connection: socket.socket, head: str) -> None:
        release.wait(60)

    server = web({"/never.png": never})
    with changed(laptop, "ApiFunction", Timeout=3):
        response = laptop.classify(request([image(server.url("/never.png"))]))
    release.set()

    verify_error(response, "timed_out")
