"""What the playground makes of answers, and of answers that never arrive whole."""

from __future__ import annotations

import pytest

from support.playground_script import run_program

MODULES = ("api", "dom")
SEND = "async function main() { return api_module.send('GET', 'v1/models'); }"
CUT = "new ReadableStream({ pull(flow) { flow.enqueue(new TextEncoder().encode('{\"a')); flow.error(%s); } })"


def test_an_answer_is_returned() -> None:
    result = run_program(f"reply = async () => json({{ models: [] }}); {SEND}", *MODULES)

    assert result["value"] == {"models": []}
    assert result["calls"] == ["reachable"]


@pytest.mark.parametrize("body", ["<html>Sign in to the network</html>", '{"job": {"id": "a', "", "null", "[]", "5"])
def test_a_success_that_is_no_object_is_an_error(body: str) -> None:
    result = run_program(f"reply = async () => new Response({body!r}); {SEND}", *MODULES)

    assert result["message"] == "The answer isn't from Pigeonhole's API."
    assert result["code"] not in ("unreachable", "no_key")


def test_a_connection_that_breaks_within_an_answer_is_a_silent_service() -> None:
    cut = CUT % "new TypeError('terminated')"
    result = run_program(f"reply = async () => new Response({cut}); {SEND}", *MODULES)

    assert result["code"] == "unreachable"
    assert result["calls"] == ["unreachable"]


def test_a_request_that_the_page_gives_up_within_an_answer_stays_given_up() -> None:
    cut = CUT % "new DOMException('given up', 'AbortError')"
    result = run_program(f"reply = async () => new Response({cut}); {SEND}", *MODULES)

    assert result["name"] == "AbortError"
    assert result["calls"] == []


@pytest.mark.parametrize("body", ["<html>Bad gateway</html>", "", "null"])
def test_an_error_of_a_gateway_may_have_a_page_of_its_own(body: str) -> None:
    result = run_program(f"reply = async () => new Response({body!r}, {{ status: 502 }}); {SEND}", *MODULES)

    assert (result["status"], result["message"]) == (502, "The service answered 502.")


def test_each_page_of_a_list_is_read() -> None:
    result = run_program(
        """
        const pages = [{ label_sets: [1, 2], cursor: "a+b" }, { label_sets: [3], cursor: "c" }, { label_sets: [4] }];
        reply = async () => json(pages.shift());
        async function main() { return api_module.sendForAll("v1/label-sets", "label_sets"); }
        """,
        *MODULES,
    )

    assert result["value"] == [1, 2, 3, 4]
    assert result["asked"][1] == "GET label-sets?limit=100&cursor=a%2Bb"
