"""Dropped files: where they lie, how they are read, where their results lie, which result prevails, and their tags."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pigeonhole.contract.classification import LabelScore
from pigeonhole.contract.upload_results import ObjectFault, UploadResult
from pigeonhole.contract.uploads import FileKind
from pigeonhole.object_keys import MAX_KEY_BYTES, UploadLocation, incoming_grant, place_of, upload_result_key
from pigeonhole.uploads.uploaded_object import (
    LABEL_TAG,
    MAX_TAG,
    SCORE_TAG,
    SEQUENCER_DIGITS,
    ObjectResult,
    in_order,
    kind_of,
    tag_value,
    tags_of,
)

KEY = "incoming/acme/pets/cat.jpg"
GRINNING = chr(0x1F600)  # two UTF-16 units, and no letter
SCRIPT_X = chr(0x1D4B3)  # two, and a letter


# --- where and how -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (KEY, UploadLocation("acme", "pets")),
        ("incoming/acme/pets/2026/11/cat.jpg", UploadLocation("acme", "pets")),
        ("incoming/acme/pets//cat.jpg", UploadLocation("acme", "pets")),
        ("incoming/acme/pets/ ", UploadLocation("acme", "pets")),
        ("incoming/acme/No Set!/猫.jpg", UploadLocation("acme", "No Set!")),
        ("incoming/acme/cat.jpg", UploadLocation("acme", "")),
        ("incoming/acme/pets", UploadLocation("acme", "")),
        ("incoming/acme//cat.jpg", UploadLocation("acme", "")),
    ],
)
def test_a_file_is_of_the_tenant_and_the_set_that_its_folders_name(key: str, place: UploadLocation) -> None:
    assert place_of(key) == place


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "incoming", "incoming/", "incoming/acme", "incoming/acme/"),
        *("incoming/acme/pets/", "incoming/acme/pets/2026/", "incoming/acme/pets//"),
        *("incoming/größe/pets/cat.jpg", "incoming/ACME/pets/cat.jpg", "incoming/-acme/pets/cat.jpg"),  # no tenant's
        *("incoming//pets/cat.jpg", "incoming///cat.jpg", "/incoming/acme/pets/cat.jpg"),
        *("uploads/acme/pets/cat.jpg", "results/acme/pets/cat.jpg", "Incoming/acme/pets/cat.jpg", "incoming2/acme/pets/cat"),
    ],
)
def test_a_folder_and_what_lies_elsewhere_is_no_file_of_a_tenants(key: str) -> None:
    assert place_of(key) is None


@given(st.text(alphabet="incomg/acets.ü\n", max_size=30))
def test_a_place_is_part_of_its_key(rest: str) -> None:
    key = "incoming/" + rest
    if place := place_of(key):
        assert key.startswith(f"incoming/{place.tenant_id}/{place.label_set}")
        assert place.tenant_id


def test_a_tenant_may_name_what_lies_in_its_folder() -> None:
    grant = incoming_grant("acme", "uploads")

    assert grant.bucket == "uploads"
    assert KEY.startswith(grant.prefix)
    assert not "incoming/acme-2/pets/cat.jpg".startswith(grant.prefix)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cat.jpg", FileKind.IMAGE),
        ("cat", FileKind.IMAGE),
        ("txt", FileKind.IMAGE),
        ("a.txt.gz", FileKind.IMAGE),
        ("a.json", FileKind.IMAGE),
        ("a.txt", FileKind.TEXT),
        ("A.TXT", FileKind.TEXT),
        ("a.jsonl.txt", FileKind.TEXT),
        ("a.jsonl", FileKind.LINES),
        ("a.JsonL", FileKind.LINES),
    ],
)
def test_a_name_says_how_a_file_is_read(name: str, kind: FileKind) -> None:
    assert kind_of(f"incoming/acme/pets/{name}") is kind


# --- results -----------------------------------------------------------------------------------------------------------------


def test_a_result_lies_where_its_file_does_under_another_prefix() -> None:
    assert upload_result_key(KEY) == "results/acme/pets/cat.jpg.json"
    assert upload_result_key("incoming/acme/pets/2026/猫") == "results/acme/pets/2026/猫.json"


LONG_KEYS = [
    "incoming/acme/pets/" + "x" * (MAX_KEY_BYTES - len("incoming/acme/pets/")),
    "incoming/acme/pets/" + "猫" * 335,
    "incoming/acme/" + "s" * 1_008 + "/x",
    "incoming/" + "t" * 1_011 + "/s/x",
    "incoming/" + "f" * 1_014 + "/",
]


@pytest.mark.parametrize("key", LONG_KEYS)
def test_a_result_of_the_longest_key_has_a_key_that_s3_takes(key: str) -> None:
    assert len(key.encode()) in (MAX_KEY_BYTES - 1, MAX_KEY_BYTES)

    made = upload_result_key(key)

    assert len(made.encode()) <= MAX_KEY_BYTES
    assert made != upload_result_key(key[:-1] + "y")


def test_a_long_keys_result_stays_with_its_tenant() -> None:
    assert upload_result_key(LONG_KEYS[0]).startswith("results/acme/pets/")
    assert upload_result_key(LONG_KEYS[2]).startswith("results/acme/")


@given(
    st.lists(st.text(alphabet="ab/.ü猫", max_size=12).map(lambda end: end * 40), min_size=2, max_size=2, unique=True),
    st.sampled_from(["incoming/acme/pets/", "incoming/acme/", "incoming/", ""]),
)
def test_no_two_files_share_a_result_and_none_is_taken_for_a_file(ends: list[str], prefix: str) -> None:
    one, other = (upload_result_key(prefix + end) for end in ends)

    assert one != other
    for made in (one, other):
        assert place_of(made) is None
        assert made.startswith("results/")


# --- which result prevails ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        *(("9", "A"), ("9", "a"), ("a", "B"), ("A", "b"), ("1", "0A"), ("9", "10"), ("FF", "FF01"), ("FF", "0100")),
        *(("0055AED6DCD9", "0055AED6DCD90281E5"), ("0055AED6DCDA", "0055AED6DCD90281E5")),
    ],
)
def test_sequencers_compare_as_numbers_whatever_their_length_and_case(earlier: str, later: str) -> None:
    assert in_order(earlier) < in_order(later)


def test_one_sequencer_is_one_however_it_is_written() -> None:
    assert in_order("a") == in_order("0A") == in_order("000a")
    assert len(in_order("1")) == len(in_order("f" * SEQUENCER_DIGITS)) == SEQUENCER_DIGITS


def result(**changes: Any) -> ObjectResult:
    told: dict[str, Any] = {
        "key": KEY,
        "status": "succeeded",
        "job_id": "1" * 32,
        "classified_at": "1970-01-01T00:00:01Z",
        "expires_at": "1970-01-01T00:01:00Z",
        "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json",
    }
    sequencer = changes.pop("sequencer", "5")
    return ObjectResult("acme", in_order(sequencer), 1.0, 60, UploadResult.model_validate(told | changes))


def test_the_first_result_and_a_later_uploads_take_the_place() -> None:
    assert result().may_replace(None)
    assert result(sequencer="A1").may_replace(result(sequencer="9"))
    assert result(sequencer="A1", status="failed").may_replace(result(sequencer="9"))


def test_an_earlier_uploads_result_never_does() -> None:
    assert not result(sequencer="9").may_replace(result(sequencer="A1"))
    assert not result(sequencer="9").may_replace(result(sequencer="A1", status="failed"))


def test_of_one_upload_another_jobs_result_does_only_after_a_failure() -> None:
    known = result()
    other = result(job_id="2" * 32)

    assert known.may_replace(known), "it may be told again"
    assert not other.may_replace(known)
    assert other.may_replace(result(status="failed"))
    assert other.may_replace(result(status="failed", job_id=None))
    assert not result(status="failed", job_id=None).may_replace(known)


# --- tags --------------------------------------------------------------------------------------------------------------------


def scored(**probabilities: float) -> list[LabelScore]:
    return [LabelScore(label=label, probability=each, similarity=0.5) for label, each in probabilities.items()]


def test_tags_are_the_label_and_its_score() -> None:
    told = result(prediction="cat", scores=scored(cat=0.87654, dog=0.1)).told

    assert tags_of(told) == {LABEL_TAG: "cat", SCORE_TAG: "0.8765"}


def test_of_several_labels_all_are_told_and_the_first_ones_score() -> None:
    told = result(prediction=["dog", "a/b"], scores=scored(dog=1.0, **{"a/b": 0.75})).told

    assert tags_of(told) == {LABEL_TAG: "dog/a=2Fb", SCORE_TAG: "1.0000"}


def test_without_a_score_there_is_no_tag_of_one_and_without_a_label_there_is_none() -> None:
    assert tags_of(result(prediction="cat").told) == {LABEL_TAG: "cat"}
    assert tags_of(result(status="failed", error=ObjectFault(code="too_large", message="it is")).told) == {}


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
def test_what_no_tag_may_hold_is_escaped(labels: list[str], value: str) -> None:
    assert tag_value(labels) == value


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
    value = tag_value(labels)

    assert units(value) <= MAX_TAG
    assert TAKEN.fullmatch(value), "whole escapes of a tag's signs"
    assert "/".join(labels).startswith("/".join(read_back(value))) or any("/" in label for label in labels)
    *whole, last = read_back(value)
    assert whole == labels[: len(whole)]
    assert labels[len(whole)].startswith(last), "no sign is cut in the midst"


@given(st.lists(st.text(signs, max_size=5), min_size=1, max_size=4))
def test_labels_that_fit_are_all_there(labels: list[str]) -> None:
    assert read_back(tag_value(labels)) == labels


@pytest.mark.parametrize(
    ("label", "kept"), [("x" * 257, 256), (GRINNING * 30, 21 * 12), (SCRIPT_X * 129, 256), ("x" + SCRIPT_X * 129, 255)]
)
def test_a_label_that_is_too_long_is_cut_between_signs(label: str, kept: int) -> None:
    assert units(tag_value([label])) == kept
