"""The n8n node against the deployed template. Only n8n's host is the test's own: HTTP and the node's code are real."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from support.loopback import Answer, LoopbackServer
from support.node_package import installed_package, npm
from support.stack.clients import run_node
from support.stack.deployment import Deployment, text

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]
MOODS = {"values": [{"name": "positive"}, {"name": "negative"}]}
HAPPY, ANGRY = "I love this product, it is wonderful!", "This is the worst experience I have ever had."


class Runner(Protocol):
    """Runs the node over items. Returns its `outputs` or its `error`."""

    def __call__(self, items: list[dict[str, Any]], **setup: Any) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node and its host as JavaScript, in a folder of their own."""
    folder = tmp_path_factory.mktemp("n8n")
    (folder / "node_modules").symlink_to(installed_package() / "node_modules")
    npm("exec", "--", "tsc", "--project", "tests", "--outDir", str(folder))
    return folder


@pytest.fixture
def run(deployed: Deployment, compiled: Path) -> Runner:
    def run(items: list[dict[str, Any]], **setup: Any) -> dict[str, Any]:
        whole = {"url": deployed.url, "key": deployed.key, "items": items, **setup}
        outcome: dict[str, Any] = json.loads(run_node(compiled / "tests/run.js", stdin=json.dumps(whole)))
        return outcome

    return run


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"json": {"text": value}} for value in values]


def labels(items: list[dict[str, Any]]) -> list[Any]:
    return [item["json"]["classification"]["label"] for item in items]


def test_texts_go_to_the_outputs_of_their_labels(run: Runner) -> None:
    parameters = {"labels": MOODS, "outputPerLabel": True, "scores": True}

    positive, negative, other = run(texts(ANGRY, HAPPY), parameters=parameters)["outputs"]

    assert [item["json"]["text"] for item in positive] == [HAPPY]
    assert [(item["json"]["text"], item["pairedItem"]) for item in negative] == [(ANGRY, {"item": 0})]
    assert other == []
    scores = positive[0]["json"]["classification"]["scores"]
    assert [score["label"] for score in scores] == ["positive", "negative"]
    assert scores[0]["probability"] > scores[1]["probability"]


def test_more_items_than_a_request_takes_are_classified(run: Runner) -> None:
    (items,) = run(texts(*[HAPPY, ANGRY] * 20), parameters={"labels": MOODS})["outputs"]

    assert labels(items) == ["positive", "negative"] * 20


@pytest.mark.parametrize("sent", ["binary", "url"])
def test_at_least_six_of_seven_photos_get_the_right_labels(run: Runner, photos: dict[str, bytes], web: Web, sent: str) -> None:
    server = web({f"/{index}": data for index, data in enumerate(photos.values())})
    items = [
        {
            "json": {"url": server.url(f"/{index}")},
            "binary": {"data": {"data": base64.b64encode(data).decode(), "mimeType": "image/png"}},
        }
        for index, data in enumerate(photos.values())
    ]
    parameters = {"input": sent, "labels": {"values": [{"name": label} for label in photos]}}

    (answered,) = run(items, parameters=parameters)["outputs"]

    # By chance one of seven would be right.
    assert sum(label == predicted for label, predicted in zip(photos, labels(answered), strict=True)) >= 6


def test_a_photo_that_is_too_large_for_a_request_is_uploaded(run: Runner, photos: dict[str, bytes]) -> None:
    large = photos["rocket"] + bytes(3_000_000)  # bytes after the end of a JPEG are ignored
    items = [{"json": {}, "binary": {"data": {"data": base64.b64encode(large).decode(), "mimeType": "image/jpeg"}}}]
    parameters = {"input": "binary", "labels": {"values": [{"name": "cat"}, {"name": "rocket"}]}}

    (answered,) = run(items, parameters=parameters)["outputs"]

    assert labels(answered) == ["rocket"]


def test_a_label_set_gives_several_labels(deployed: Deployment, run: Runner) -> None:
    body = {"labels": [text("sports"), text("politics"), text("cooking")], "multiple_labels": True}
    assert deployed.call("PUT", "/v1/label-sets/n8n-topics", body).status_code == 200
    parameters = {"labelSource": "labelSet", "labelSet": "n8n-topics"}

    (items,) = run(texts("The midfielder scored in the final."), parameters=parameters)["outputs"]

    assert items[0]["json"]["classification"]["labels"][0] == "sports"


def test_a_threshold_leaves_an_item_without_a_label(run: Runner) -> None:
    parameters = {"labels": MOODS, "options": {"threshold": 1}, "outputPerLabel": True}

    positive, negative, other = run(texts("The box is 30 cm wide."), parameters=parameters)["outputs"]

    assert (positive, negative, labels(other)) == ([], [], [None])


def test_a_job_classifies_more_items_than_a_request(run: Runner) -> None:
    parameters = {"operation": "classifyInJob", "labels": MOODS, "options": {"maxWait": 120}}

    (items,) = run(texts(*[HAPPY, ANGRY] * 50), parameters=parameters)["outputs"]

    assert labels(items) == ["positive", "negative"] * 50


@pytest.mark.parametrize("operation", ["classify", "classifyInJob"])
def test_an_unreadable_image_fails_only_itself(run: Runner, photos: dict[str, bytes], operation: str) -> None:
    files = [photos["cat"][:999], photos["cat"]]
    items = [
        {"json": {}, "binary": {"data": {"data": base64.b64encode(data).decode(), "mimeType": "image/png"}}} for data in files
    ]
    parameters = {"operation": operation, "input": "binary", "labels": {"values": [{"name": "cat"}, {"name": "rocket"}]}}

    (continued,) = run(items, parameters=parameters, continueOnFail=True)["outputs"]
    stopped = run(items, parameters=parameters)

    assert "image" in continued[0]["json"]["error"]
    assert continued[1]["json"] == {"classification": {"label": "cat"}}
    assert stopped["error"]["message"] == continued[0]["json"]["error"]
    assert "unreadable_image" in stopped["error"]["description"]


def test_a_wrong_key_says_where_to_correct_it(run: Runner) -> None:
    error = run(texts(HAPPY), key="wrong", parameters={"labels": MOODS})["error"]

    assert "not a valid key" in error["message"]
    assert "credentials" in error["description"]


def test_a_wrong_path_says_where_to_correct_it(deployed: Deployment, run: Runner) -> None:
    error = run(texts(HAPPY), url=deployed.url + "/v2", parameters={"labels": MOODS})["error"]

    assert "Code not_found" in error["description"]
