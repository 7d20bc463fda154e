"""LiteLLM, LangChain and pydantic-ai, unmodified, against the deployed template, each in its own words for both shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.stack.deployment import Deployment
from support.stack.other_clients import FOLDER, OtherClients

CHARGED = "I was charged twice for my order. Please refund the second payment, this is really annoying!"


def ask(clients: OtherClients, client: str, deployed: Deployment, folder: Path) -> dict[str, Any]:
    """Return what the calls of a client returned, by what they asked."""
    output = clients.run((FOLDER / f"ask_{client}.py").read_text(), deployed, cwd=folder, TEXT=CHARGED)
    answers: dict[str, Any] = json.loads(output.splitlines()[-1])  # LiteLLM prints hints before it
    return answers


@pytest.fixture
def folder(photos: dict[str, bytes], tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(photos["cat"])
    return tmp_path


def test_litellm_asks_in_both_shapes(other_clients: OtherClients, deployed: Deployment, folder: Path) -> None:
    answers = ask(other_clients, "litellm", deployed, folder)

    predicate, topic, mood = answers["text"]["answers"]
    assert predicate["probability"] > 0.5
    assert (topic["choice"], answers["async"]["answers"][0]["choice"]) == ("billing", "billing")
    assert mood["score"] < 0.5
    assert answers["photo"]["answers"][0]["choice"] == "cat"
    by_name = answers["systemone"]["answers"]
    assert by_name["billing"]["noul"] > 0.5
    assert by_name["topic"]["choice"] == "billing"
    assert by_name["mood"]["score"] < 0.5
    assert answers["systemone photo"]["answers"]["animal"]["choice"] == "cat"
    assert answers["text"]["usage"]["input_tokens"] > 0
    assert (answers["wrong key"]["type"], answers["blank"]["type"]) == ("AuthenticationError", "BadRequestError")
    assert "input: must not be blank" in answers["blank"]["message"]


def test_langchains_runnable_asks(other_clients: OtherClients, deployed: Deployment, folder: Path) -> None:
    answers = ask(other_clients, "langchain", deployed, folder)

    for case in ("text", "async", "conversation"):
        by_name = answers[case]["answers"]
        assert by_name["billing"]["probability"] > 0.5, case
        assert by_name["topic"]["choice"] == "billing", case
        assert by_name["mood"]["score"] < 0.5, case
        assert answers[case]["request_id"], case
    assert answers["photo"]["answers"]["animal"]["choice"] == "cat"
    assert answers["batch"] == ["billing", "cooking"]
    assert (answers["wrong key"]["status"], answers["blank"]["status"]) == (401, 400)
    assert "input: must not be blank" in answers["blank"]["message"]


def test_pydantic_ais_agents_decide_in_both_shapes(other_clients: OtherClients, deployed: Deployment, folder: Path) -> None:
    answers = ask(other_clients, "pydantic_ai", deployed, folder)

    assert answers["openai"] == answers["system one"] == {"topic": "billing", "billing": True, "wishes": ["refund"]}
    assert answers["photo"] == {"animal": "cat"}
    assert answers["tokens"] > 0
    assert [(error["type"], error["status"]) for error in answers["wrong key"]] == [("ModelAuthenticationError", 401)] * 2
