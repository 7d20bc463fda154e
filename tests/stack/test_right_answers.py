"""Questions that plain CLIP gets wrong: negation, "other", words beside photos, several labels, texts."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.stack.deployment import Deployment, image, request, text


def inline(data: bytes) -> dict[str, Any]:
    return image("data:image/png;base64," + base64.b64encode(data).decode())


def predictions(deployed: Deployment, *arguments: Any, **more: Any) -> list[Any]:
    answer = deployed.classify(request(*arguments, **more))
    assert answer.status_code == 200, answer.text
    assert "warnings" not in answer.json(), "the bundled model is calibrated"
    return list(answer.json()["predictions"])


@pytest.mark.parametrize("negation", ["not a motorcycle", "no motorcycle", "isn't a motorcycle", "non-motorcycle"])
def test_a_motorcycle_is_one_and_other_photos_are_not(deployed: Deployment, photos: dict[str, bytes], negation: str) -> None:
    predicted = predictions(deployed, [inline(data) for data in photos.values()], [text("motorcycle"), text(negation)])

    assert predicted == ["motorcycle" if name == "motorcycle" else negation for name in photos]


def test_the_cat_is_a_cat_and_nothing_else_is(deployed: Deployment, photos: dict[str, bytes]) -> None:
    labels = [text("cat"), text("not a cat")]

    predicted = predictions(deployed, [inline(data) for data in photos.values()], labels)

    assert predicted == ["cat" if name == "cat" else "not a cat" for name in photos]


def test_of_all_photos_the_cat_is_likeliest_to_be_one(deployed: Deployment, photos: dict[str, bytes]) -> None:
    labels = [text("cat"), text("not a cat")]

    answer = deployed.classify(request([inline(data) for data in photos.values()], labels, scores=True)).json()

    probability = {
        name: next(value["probability"] for value in ranked if value["label"] == "cat")
        for name, ranked in zip(photos, answer["scores"], strict=True)
    }
    assert max(probability, key=probability.__getitem__) == "cat", probability
    assert probability["cat"] > 2 * max(value for name, value in probability.items() if name != "cat")


def test_a_negation_needs_no_positive_beside_it(deployed: Deployment, photos: dict[str, bytes]) -> None:
    labels = [text("not a cat"), text("rocket")]

    predicted = predictions(deployed, [inline(photos["rocket"]), inline(photos["flower"])], labels)

    assert predicted == ["rocket", "not a cat"]


@pytest.mark.parametrize("none", ["other", "none of these"])
def test_what_no_label_fits_is_other(deployed: Deployment, photos: dict[str, bytes], none: str) -> None:
    labels = [text("rocket"), text("motorcycle"), text(none)]

    predicted = predictions(deployed, [inline(photos[name]) for name in ("rocket", "motorcycle", "flower", "cat")], labels)

    assert predicted == ["rocket", "motorcycle", none, none]


def test_an_example_image_doesnt_win_over_words_by_being_an_image(deployed: Deployment, photos: dict[str, bytes]) -> None:
    """Two photos are two to three times as similar as a photo and its name, whatever they show."""
    labels = [text("cat"), text("rocket"), text("motorcycle"), inline(photos["temple"]) | {"key": "building"}]

    predicted = predictions(deployed, [inline(photos[name]) for name in ("cat", "rocket", "motorcycle", "temple")], labels)

    assert predicted == ["cat", "rocket", "motorcycle", "building"]


def test_several_labels_are_found_in_one_photo(deployed: Deployment, photos: dict[str, bytes]) -> None:
    """With a softmax the labels would share one probability, so at most one could pass a threshold of a half."""
    sides = [Image.open(io.BytesIO(photos[name])).convert("RGB").resize((128, 128)) for name in ("flower", "cat")]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate([np.asarray(side) for side in sides], axis=1)).save(stream, "PNG")
    labels = [text(name) for name in ("cat", "motorcycle", "flower", "temple", "rocket")]

    predicted = predictions(deployed, [inline(stream.getvalue()), inline(photos["cat"])], labels, multiple_labels=True)

    assert sorted(predicted[0]) == ["cat", "flower"]
    assert predicted[1] == ["cat"]


def test_with_several_labels_none_stands_alone(deployed: Deployment, photos: dict[str, bytes]) -> None:
    labels = [text("temple"), text("motorcycle"), text("none of these")]

    predicted = predictions(deployed, [inline(photos["temple"]), inline(photos["flower"])], labels, multiple_labels=True)

    assert predicted == [["temple"], ["none of these"]]


def answers_as_expected(deployed: Deployment, texts: dict[str, str]) -> None:
    """Classify texts by the set of their right labels, and assert that each gets its own."""
    predicted = predictions(
        deployed, [text(words) for words in texts], [text(label) for label in dict.fromkeys(texts.values())]
    )

    assert dict(zip(texts, predicted, strict=True)) == texts


@pytest.mark.parametrize("other", ["negative", "not positive"])
def test_a_label_for_texts_means_what_callers_mean_by_it(deployed: Deployment, other: str) -> None:
    """By its word, "positive" is near medical tests. Compared with texts in general, every review is far from it."""
    answers_as_expected(
        deployed,
        {
            "The battery died after two days.": other,
            "I could eat here every day.": "positive",
            "What a waste of two hours.": other,
            "Setup took a minute and it just works.": "positive",
        },
    )


def test_a_text_may_be_spam_or_not(deployed: Deployment) -> None:
    answers_as_expected(
        deployed,
        {
            "Congratulations! You have won a free holiday, click here to claim your prize.": "spam",
            "Can we move our meeting to three o'clock?": "not spam",
            "Limited offer: cheap loans without a credit check, apply now!": "spam",
            "I have attached the minutes of yesterday's call.": "not spam",
        },
    )
