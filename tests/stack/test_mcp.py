"""`pigeonhole mcp` as an agent starts it, against the deployed stack."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from support.cli.mcp_server import text_of
from support.stack.deployment import TEXTS, Deployment
from support.stack.shell import PIGEONHOLE

CALL_S = 120
Use = Callable[[Client], Awaitable[CallToolResult]]


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """A folder with three photos, beside one that no tool may read."""
    (tmp_path / "photos").mkdir()
    for name in ("cat", "rocket", "temple"):
        (tmp_path / "photos" / name).with_suffix(".png").write_bytes(photos[name])
    (tmp_path / "secret.png").write_bytes(photos["person"])
    return tmp_path / "photos"


@pytest.fixture
def with_agent(deployed: Deployment, folder: Path) -> Callable[[Use], CallToolResult]:
    """Run calls of one agent, and return the result of the last one."""
    server = StdioServerParameters(
        command=str(PIGEONHOLE),
        args=["mcp", "--folder", str(folder)],
        env={"JIGSAWSTACK_API_URL": deployed.url, "JIGSAWSTACK_API_KEY": deployed.key},
    )

    def run(use: Use) -> CallToolResult:
        async def connect() -> CallToolResult:
            async with Client(server) as client:
                return await use(client)

        return asyncio.run(asyncio.wait_for(connect(), CALL_S))

    return run


@pytest.fixture
def call(with_agent: Callable[[Use], CallToolResult]) -> Callable[..., dict[str, Any]]:
    """Call one tool that succeeds, and return its structured content."""

    def call(tool: str, **arguments: Any) -> dict[str, Any]:
        result = with_agent(lambda client: client.call_tool(tool, arguments))
        assert not result.is_error, text_of(result)
        assert result.structured_content
        return result.structured_content

    return call


def labels_of(answer: dict[str, Any]) -> list[str]:
    return [label for result in answer["results"] for label in result["labels"]]


def test_texts_are_classified(call: Callable[..., dict[str, Any]]) -> None:
    assert labels_of(call("classify_texts", texts=TEXTS, labels=["positive", "negative"])) == ["positive", "negative"]


def test_the_images_of_the_folder_are_classified(call: Callable[..., dict[str, Any]]) -> None:
    answer = call("classify_images", images=["."], labels=["cat", "rocket", "temple"])

    assert [(result["sample"], result["labels"]) for result in answer["results"]] == [
        ("cat.png", ["cat"]),
        ("rocket.png", ["rocket"]),
        ("temple.png", ["temple"]),
    ]


def test_questions_are_answered(call: Callable[..., dict[str, Any]]) -> None:
    answer = call(
        "ask",
        texts=TEXTS,
        questions=[
            {"name": "mood", "kind": "choice", "options": ["positive", "negative"]},
            {"name": "broken", "kind": "yes_no", "question": "Is the product broken?"},
            {
                "name": "stars",
                "kind": "level",
                "question": "How satisfied is the customer?",
                "options": ["low", "medium", "high"],
            },
        ],
    )

    first, second = ({found["question"]: found for found in result["answers"]} for result in answer["results"])
    assert (first["mood"]["answers"], second["mood"]["answers"]) == (["positive"], ["negative"])
    assert (first["broken"]["answers"], second["broken"]["answers"]) == (["no"], ["yes"])
    assert first["stars"]["level"] > second["stars"]["level"]


def test_a_label_set_is_found_and_used(deployed: Deployment, call: Callable[..., dict[str, Any]]) -> None:
    labels = [{"type": "text", "value": value} for value in ("cat", "rocket", "temple")]
    assert deployed.call("PUT", "/v1/label-sets/agents-sights", {"labels": labels}).status_code == 200

    found = next(entry for entry in call("list_label_sets")["label_sets"] if entry["name"] == "agents-sights")

    assert found["labels"] == ["cat", "rocket", "temple"]
    assert labels_of(call("classify_with_label_set", label_set="agents-sights", images=["rocket.png"])) == ["rocket"]


def test_a_job_reports_its_progress_and_its_results_are_read_later(with_agent: Callable[[Use], CallToolResult]) -> None:
    progress: list[tuple[float, float | None]] = []

    async def note(done: float, total: float | None, message: str | None) -> None:
        progress.append((done, total))

    async def use(client: Client) -> CallToolResult:
        job = {"texts": [*TEXTS] * 20, "labels": ["positive", "negative"], "wait_s": 100}
        submitted = await client.call_tool("submit_job", job, progress_callback=note)
        assert submitted.structured_content, text_of(submitted)
        arguments = {"job_id": submitted.structured_content["job_id"], "first": 38}
        return await client.call_tool("job_status", arguments)

    state = with_agent(use).structured_content

    assert state
    assert (state["status"], state["succeeded"], state["failed"]) == ("succeeded", 40, 0)
    assert [(result["index"], result["labels"]) for result in state["results"]] == [(38, ["positive"]), (39, ["negative"])]
    assert progress == sorted(progress)
    assert progress[-1] == (40, 40)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("classify_images", {"images": ["../secret.png"], "labels": ["cat", "dog"]}, "is outside of the folders"),
        ("classify_texts", {"texts": ["a"], "labels": ["cat", " "]}, "labels.1"),
        ("classify_with_label_set", {"texts": ["a"], "label_set": "no-such-set"}, "list_label_sets has the names"),
        ("job_status", {"job_id": "0" * 32}, "submit_job returned it"),
    ],
    ids=["file outside", "blank label", "unknown label set", "unknown job"],
)
def test_an_error_says_how_to_correct_the_call(
    with_agent: Callable[[Use], CallToolResult], tool: str, arguments: dict[str, Any], words: str
) -> None:
    result = with_agent(lambda client: client.call_tool(tool, arguments))

    assert result.is_error
    assert words in text_of(result)
