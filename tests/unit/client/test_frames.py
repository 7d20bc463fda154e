"""A column of a frame is classified, each distinct value once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas
import polars
import pytest
from PIL import Image

from support.client_api import Call, FakeApi, classify_by_label_set

LABELS = ["billing", "bug"]
VALUES = {"text": ["a", None, "b", "a"], "n": [1, 2, 3, 4]}
FRAMES = [pandas.DataFrame(VALUES, index=[7, 5, 5, 1]), polars.DataFrame(VALUES)]


def column(frame: Any, name: str) -> list[Any]:
    return [None if value is None or value != value else value for value in frame[name].to_list()]


@pytest.fixture(params=FRAMES, ids=["pandas", "polars"])
def frame(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_the_frame_is_returned_with_three_more_columns(call: Call, frame: Any) -> None:
    classified = call("classify_frame", frame, "text", LABELS)

    assert type(classified) is type(frame)
    assert list(classified.columns) == ["text", "n", "prediction", "probability", "error"]
    assert column(classified, "prediction") == ["a", None, "b", "a"]
    assert column(classified, "probability") == [0.75, None, 0.75, 0.75]
    assert column(classified, "error") == [None] * 4
    assert list(frame.columns) == ["text", "n"]


def test_each_distinct_value_is_sent_once(api: FakeApi, call: Call, frame: Any) -> None:
    call("classify_frame", frame, "text", LABELS)

    assert [sample["value"] for sample in api.bodies[0]["dataset"]] == ["a", "b"]


def test_multiple_labels_are_lists(call: Call, frame: Any) -> None:
    classified = call("classify_frame", frame, "text", LABELS, multiple_labels=True, prefix="topic_")

    assert list(column(classified, "topic_prediction")[0]) == ["a"]
    assert list(column(classified, "topic_probability")[0]) == [0.75]


@pytest.mark.parametrize(
    ("saved", "options", "labels"),
    [
        (True, {}, ["a", "other"]),
        (False, {}, "a"),
        (True, {"multiple_labels": False}, "a"),
        (False, {"multiple_labels": True}, ["a", "other"]),
    ],
)
def test_a_label_set_may_give_several_labels(
    api: FakeApi, call: Call, frame: Any, saved: bool, options: dict[str, bool], labels: list[str] | str
) -> None:
    api.answer = classify_by_label_set(multiple_labels=saved)

    classified = call("classify_frame", frame, "text", label_set="topics", **options)

    first = column(classified, "prediction")[0]
    assert (first if isinstance(first, str) else list(first)) == labels


def test_an_image_that_cannot_be_read_has_an_error_in_its_row(call: Call) -> None:
    classified = call("classify_frame", polars.DataFrame({"image": ["missing.png"]}), "image", LABELS, images=True)

    assert classified["prediction"].to_list() == [None]
    assert classified["error"].to_list() == ["unreadable_image: missing.png can't be read: No such file or directory"]


def test_a_column_may_hold_images_and_arrays(api: FakeApi, call: Call) -> None:
    image, array = Image.new("RGB", (2, 2)), np.zeros((2, 2), np.uint8)

    classified = call("classify_frame", pandas.DataFrame({"image": [image, array, image]}), "image", LABELS, images=True)

    assert column(classified, "error") == [None] * 3
    assert len(api.bodies[0]["dataset"]) == 2


@pytest.mark.parametrize("kind", [pandas.DataFrame, polars.DataFrame])
def test_an_empty_frame_needs_no_request(api: FakeApi, call: Call, kind: Any) -> None:
    classified = call("classify_frame", kind({"text": []}), "text", LABELS)

    assert len(classified) == 0
    assert "prediction" in classified.columns
    assert api.requests == []


def test_types_do_not_depend_on_the_values(call: Call) -> None:
    classified = call("classify_frame", polars.DataFrame({"text": [None]}, schema={"text": polars.String}), "text", LABELS)

    assert classified.schema["prediction"] == polars.String
    assert classified.schema["probability"] == polars.Float64


@pytest.mark.parametrize("frame", [{"text": ["a"]}, polars.LazyFrame({"text": ["a"]}), [1]])
def test_another_type_is_refused(call: Call, frame: Any) -> None:
    with pytest.raises(TypeError, match="DataFrame of pandas or polars"):
        call("classify_frame", frame, "text", LABELS)


def test_numbers_are_no_texts(call: Call, frame: Any) -> None:
    with pytest.raises(TypeError, match="must be a string, and not int"):
        call("classify_frame", frame, "n", LABELS)
