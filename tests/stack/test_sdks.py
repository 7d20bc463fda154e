"""Both official clients, unmodified, against the deployed template: texts, photos, image labels and mixed ones."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.loopback import Answer, LoopbackServer
from support.stack.clients import Client, JavaScriptClient, PythonClient, Refused
from support.stack.deployment import Deployment, image, request, text

Web = Callable[[Mapping[str, bytes | Answer]], LoopbackServer]


@pytest.fixture(params=["python", "javascript"])
def client(request: pytest.FixtureRequest, deployed: Deployment) -> Client:
    if request.param == "python":
        return PythonClient(deployed.url, deployed.key)
    folder: Path = request.getfixturevalue("javascript")
    return JavaScriptClient(deployed.url, deployed.key, folder)


def inline(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def check_shape(answer: dict[str, Any], samples: int) -> None:
    """Assert that an answer has the fields of the reference's answer, and no others."""
    assert set(answer) == {"success", "log_id", "predictions", "_usage"}
    assert answer["success"] is True
    assert len(answer["predictions"]) == samples
    usage = answer["_usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] + usage["inference_time_tokens"]


TEXTS = {
    "sentiment": (
        ["positive", "negative", "neutral"],
        {
            "I love this product, it is wonderful!": "positive",
            "This is the worst experience I have ever had.": "negative",
        },
    ),
    "programming": (
        ["programming", "cooking", "sports"],
        {
            "The function returns a list of integers sorted in ascending order.": "programming",
            "Simmer the sauce for twenty minutes, then add the basil.": "cooking",
            "She scored twice in the second half and won the match.": "sports",
        },
    ),
    "weather": (
        ["weather", "finance", "travel"],
        {
            "Heavy rain and strong winds are expected tomorrow afternoon.": "weather",
            "The central bank raised interest rates by a quarter point.": "finance",
        },
    ),
    "banking": (
        ["card lost or stolen", "transfer money", "open an account", "exchange rate"],
        {
            "Someone took my wallet, please block my card.": "card lost or stolen",
            "I want to send 200 euros to my sister.": "transfer money",
            "How many dollars do I get for one pound today?": "exchange rate",
        },
    ),
}


@pytest.mark.parametrize("topic", TEXTS)
def test_texts_get_the_right_labels(client: Client, topic: str) -> None:
    labels, expected = TEXTS[topic]

    answer = client.classify(request([text(words) for words in expected], [text(label) for label in labels]))

    check_shape(answer, len(expected))
    assert dict(zip(expected, answer["predictions"], strict=True)) == expected


@pytest.mark.parametrize("sent", ["by address", "inline"])
def test_at_least_six_of_seven_photos_get_the_right_labels(
    client: Client, photos: dict[str, bytes], web: Web, sent: str
) -> None:
    server = web({f"/{index}": data for index, data in enumerate(photos.values())})
    values = [server.url(f"/{index}") if sent == "by address" else inline(data) for index, data in enumerate(photos.values())]

    answer = client.classify(request([image(value) for value in values], [text(label) for label in photos]))

    check_shape(answer, len(photos))
    predicted = dict(zip(photos, answer["predictions"], strict=True))
    # By chance one of seven would be right.
    assert sum(label == prediction for label, prediction in predicted.items()) >= 6, predicted


def test_example_images_are_labels(client: Client, photos: dict[str, bytes], web: Web) -> None:
    server = web({"/a": photos["cat"], "/b": photos["temple"]})
    labels = [image(server.url("/a"), key="pet"), image(server.url("/b"), key="building")]

    answer = client.classify(request([image(inline(photos["temple"])), image(inline(photos["cat"]))], labels))

    check_shape(answer, 2)
    assert answer["predictions"] == ["building", "pet"]


def test_words_and_example_images_may_be_mixed(client: Client, photos: dict[str, bytes]) -> None:
    labels = [text("a motorcycle"), image(inline(photos["cat"]), key="pet", text="a cat"), text("a rocket")]

    answer = client.classify(request([image(inline(photos["cat"])), image(inline(photos["motorcycle"]))], labels))

    check_shape(answer, 2)
    assert answer["predictions"] == ["pet", "a motorcycle"]


def test_several_labels_may_fit(client: Client) -> None:
    labels = [text("sports"), text("politics"), text("cooking")]
    body = request([text("The midfielder scored in the final.")], labels, multiple_labels=True)

    answer = client.classify(body)

    check_shape(answer, 1)
    assert answer["predictions"][0][0] == "sports"


def test_an_error_reaches_the_caller_with_its_code(client: Client) -> None:
    with pytest.raises(Refused, match="at least 2 distinct labels") as refused:
        client.classify(request([text("hello")], [text("one")]))

    assert refused.value.error["code"] == "invalid_request"


@pytest.mark.parametrize("sdk", ["python", "javascript"])
def test_a_wrong_key_reaches_the_caller_as_such(deployed: Deployment, javascript: Path, sdk: str) -> None:
    with_wrong_key = (
        PythonClient(deployed.url, "wrong") if sdk == "python" else JavaScriptClient(deployed.url, "wrong", javascript)
    )

    with pytest.raises(Refused, match="not a valid key") as refused:
        with_wrong_key.classify(request([text("hello")]))

    assert refused.value.error["code"] == "invalid_api_key"
