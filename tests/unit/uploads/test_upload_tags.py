"""The tags of a classified file."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pigeonhole.contract.classification import LabelScore
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.upload_tags import LABEL_TAG, MAX_TAG_UNITS, SCORE_TAG, to_tag_value, to_tags
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer

KEY = "incoming/acme/pets/cat.jpg"
GRINNING = chr(0x1F600)  # two UTF-16 units, and no letter
SCRIPT_X = chr(0x1D4B3)  # two, and a letter


def result(*, sequencer: str = "5", **changes: Any) -> UploadResult:
    fields: dict[str, Any] = {"job_id": "1" * 32, "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json"}
    return UploadResult(
        tenant_id="acme",
        object_key=KEY,
        sequencer=to_sortable_sequencer(sequencer),
        classified_at=1.0,
        expires_at=60,
        **fields | changes,
    )


def scored(**probabilities: float) -> list[LabelScore]:
    return [LabelScore(label=label, probability=probability, similarity=0.5) for label, probability in probabilities.items()]


def test_tags_are_the_label_and_its_score() -> None:
    classified = result(prediction="cat", scores=scored(cat=0.87654, dog=0.1))

    assert to_tags(classified) == {LABEL_TAG: "cat", SCORE_TAG: "0.8765"}


def test_several_labels_are_tagged_with_the_score_of_the_first() -> None:
    classified = result(prediction=["dog", "a/b"], scores=scored(dog=1.0, **{"a/b": 0.75}))

    assert to_tags(classified) == {LABEL_TAG: "dog/a=2Fb", SCORE_TAG: "1.0000"}


def test_a_result_without_a_score_or_a_label_lacks_that_tag() -> None:
    assert to_tags(result(prediction="cat")) == {LABEL_TAG: "cat"}
    assert to_tags(result(fault=UploadFault("too_large", "it is"))) == {}


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        (["a cat"], "a cat"),
        (["größe 猫 ٣"], "größe 猫 ٣"),
        (["a+b-c.d_e:f@g"], "a+b-c.d_e:f@g"),
        (["a=b"], "a=3Db"),
        (["a/b", "c"], "a=2Fb/c"),
        (["100%, (ok)!"], "100=25=2C =28ok=29=21"),
        (["a\tb\nc"], "a=09b=0Ac"),
        ([GRINNING], "=F0=9F=98=80"),
        (["e\u0301"], "e=CC=81"),  # a mark is no letter
        (["\ud800"], "=ED=A0=80"),
        (["", "x"], "/x"),
    ],
)
def test_a_character_that_s3_does_not_take_is_escaped(labels: list[str], value: str) -> None:
    assert to_tag_value(labels) == value


TAKEN = re.compile(r"(?:[^\W_]|[ +\-._:@/]|=[0-9A-F]{2})*")  # \w without the line: letters and numbers
signs = st.characters(codec=None, exclude_categories=()) | st.sampled_from("=/ %" + GRINNING)


def read_back(value: str) -> list[str]:
    """The labels of a tag's value."""
    written = (part.replace("%", "=25").replace("=", "%") for part in value.split("/"))
    return [unquote_to_bytes(part.encode()).decode("utf-8", "surrogatepass") for part in written]


def units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@given(st.lists(st.text(signs, max_size=300), min_size=1, max_size=4))
@example([GRINNING * 30])
@example(["x" * 255 + GRINNING])
@example([SCRIPT_X * 200])
@example(["a" * 256, "b"])
def test_any_labels_make_a_value_that_s3_takes_and_that_can_be_read_back(labels: list[str]) -> None:
    value = to_tag_value(labels)

    assert units(value) <= MAX_TAG_UNITS
    assert TAKEN.fullmatch(value), "whole escapes of a tag's signs"
    assert "/".join(labels).startswith("/".join(read_back(value))) or any("/" in label for label in labels)
    *whole, last = read_back(value)
    assert whole == labels[: len(whole)]
    assert labels[len(whole)].startswith(last), "no sign is cut in the midst"


@given(st.lists(st.text(signs, max_size=5), min_size=1, max_size=4))
def test_labels_that_fit_are_complete(labels: list[str]) -> None:
    assert read_back(to_tag_value(labels)) == labels


@pytest.mark.parametrize(
    ("label", "kept"), [("x" * 257, 256), (GRINNING * 30, 21 * 12), (SCRIPT_X * 129, 256), ("x" + SCRIPT_X * 129, 255)]
)
def test_a_label_that_is_too_long_is_cut_between_characters(label: str, kept: int) -> None:
    assert units(to_tag_value([label])) == kept
