"""The n8n node against the deployed template. Only n8n's host is the test's own: HTTP and the node's code are real."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.loopback import Answer, LoopbackServer
from support.node_package import installed_package, npm
from support.stack.clients import run_node
from support.stack.deployment import Deployment, text

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]
MOODS = {"values": [{"name": "positive"}, {"name": "negative"}]}
HAPPY, ANGRY = "I love this product, it is wonderful!", "This is the worst experience I have ever had."


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    npm("run", "build:tests")


def run(deployed: Deployment, items: list[dict[str, Any]], *, key: str = "", **setup: Any) -> dict[str, Any]:
    """Run the node over items. Return its `outputs` or its `error`."""
    whole = {"url": deployed.url, "key": key or deployed.key, "items": items, **setup}
    outcome: dict[str, Any] = json.loads(run_node(installed_package() / "build/tests/run.js", stdin=json.dumps(whole)))
    return outcome


def texts(*values: str) -> list[dict[str, Any]]:
    return [{"json": {"text": value}} for value in values]


def labels(items: list[dict[str, Any]]) -> list[Any]:
    return [item["json"]["classification"]["label"] for item in items]


def test_texts_go_to_the_outputs_of_their_labels(deployed: Deployment) -> None:
    parameters = {"labels": MOODS, "outputPerLabel": True, "scores": True}

    positive, negative, other = run(deployed, texts(ANGRY, HAPPY), parameters=parameters)["outputs"]

    assert [item["json"]["text"] for item in positive] == [HAPPY]
    assert [(item["json"]["text"], item["pairedItem"]) for item in negative] == [(ANGRY, {"item": 0})]
    assert other == []
    scores = positive[0]["json"]["classification"]["scores"]
    assert [score["label"] for score in scores] == ["positive", "negative"]
    assert scores[0]["probability"] > scores[1]["probability"]


def test_more_items_than_a_request_takes_are_classified(deployed: Deployment) -> None:
    (items,) = run(deployed, texts(*[HAPPY, ANGRY] * 20), parameters={"labels": MOODS})["outputs"]

    assert labels(items) == ["positive", "negative"] * 20


@pytest.mark.parametrize("sent", ["binary", "url"])
def test_at_least_six_of_seven_photos_get_the_right_labels(
    deployed: Deployment, photos: dict[str, bytes], web: Web, sent: str
) -> None:
    server = web({f"/{index}": data for index, data in enumerate(photos.values())})
    items = [
        {
            "json": {"url": server.url(f"/{index}")},
            "binary": {"data": {"data": base64.b64encode(data).decode(), "mimeType": "image/png"}},
        }
        for index, data in enumerate(photos.values())
    ]
    parameters = {"input": sent, "labels": {"values": [{"name": label} for label in photos]}}

    (answered,) = run(deployed, items, parameters=parameters)["outputs"]

    # By chance one of seven would be right.
    assert sum(label == predicted for label, predicted in zip(photos, labels(answered), strict=True)) >= 6


def test_a_photo_that_is_too_large_for_a_request_is_uploaded(deployed: Deployment, photos: dict[str, bytes]) -> None:
    large = photos["rocket"] + bytes(3_000_000)  # bytes after the end of a JPEG are ignored
    items = [{"json": {}, "binary": {"data": {"data": base64.b64encode(large).decode(), "mimeType": "image/jpeg"}}}]
    parameters = {"input": "binary", "labels": {"values": [{"name": "cat"}, {"name": "rocket"}]}}

    (answered,) = run(deployed, items, parameters=parameters)["outputs"]

    assert labels(answered) == ["rocket"]


def test_a_label_set_gives_several_labels(deployed: Deployment) -> None:
    body = {"labels": [text("sports"), text("politics"), text("cooking")], "multiple_labels": True}
    assert deployed.call("PUT", "/v1/label-sets/n8n-topics", body).status_code == 200
    parameters = {"labelSource": "labelSet", "labelSet": "n8n-topics"}

    (items,) = run(deployed, texts("The midfielder scored in the final."), parameters=parameters)["outputs"]

    assert items[0]["json"]["classification"]["labels"][0] == "sports"


def test_a_threshold_leaves_an_item_without_a_label(deployed: Deployment) -> None:
    parameters = {"labels": MOODS, "options": {"threshold": 1}, "outputPerLabel": True}

    positive, negative, other = run(deployed, texts("The box is 30 cm wide."), parameters=parameters)["outputs"]

    assert (positive, negative, labels(other)) == ([], [], [None])


def test_a_job_classifies_more_items_than_a_request(deployed: Deployment) -> None:
    parameters = {"operation": "classifyInJob", "labels": MOODS, "options": {"maxWait": 120}}

    (items,) = run(deployed, texts(*[HAPPY, ANGRY] * 50), parameters=parameters)["outputs"]

    assert labels(items) == ["positive", "negative"] * 50


@pytest.mark.parametrize("operation", ["classify", "classifyInJob"])
def test_an_unreadable_image_fails_only_itself(deployed: Deployment, photos: dict[str, bytes], operation: str) -> None:
    files = [photos["cat"][:999], photos["cat"]]
    items = [
        {"json": {}, "binary": {"data": {"data": base64.b64encode(data).decode(), "mimeType": "image/png"}}} for data in files
    ]
    parameters = {"operation": operation, "input": "binary", "labels": {"values": [{"name": "cat"}, {"name": "rocket"}]}}

    (continued,) = run(deployed, items, parameters=parameters, continueOnFail=True)["outputs"]
    stopped = run(deployed, items, parameters=parameters)

    assert "image" in continued[0]["json"]["error"]
    assert continued[1]["json"] == {"classification": {"label": "cat"}}
    assert stopped["error"]["message"] == continued[0]["json"]["error"]
    assert "unreadable_image" in stopped["error"]["description"]


def test_a_wrong_key_says_where_to_correct_it(deployed: Deployment) -> None:
    error = run(deployed, texts(HAPPY), key="wrong", parameters={"labels": MOODS})["error"]

    assert "not a valid key" in error["message"]
    assert "credentials" in error["description"]


def test_a_wrong_path_says_where_to_correct_it(deployed: Deployment) -> None:
    error = run(deployed, texts(HAPPY), url=deployed.url + "/v2", parameters={"labels": MOODS})["error"]

    assert "Code not_found" in error["description"]
