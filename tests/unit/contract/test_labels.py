"""Labels, their options, and the names of label sets."""

from __future__ import annotations

import pytest

from support.request_bodies import LABELS, PHOTO, body, find_faults, parse


@pytest.mark.parametrize(("sent", "seen"), [("task", "instruction"), ("instruction", "instruction")])
def test_task_is_another_name_of_instruction(sent: str, seen: str) -> None:
    assert getattr(parse(body(**{sent: "Sort the news."})), seen) == "Sort the news."


def test_prompt_template_is_one_or_several() -> None:
    assert parse(body(prompt_template="about {}")).prompt_templates == ["about {}"]
    assert parse(body(prompt_template=["about {}", "on {}"])).prompt_templates == ["about {}", "on {}"]


def test_a_number_and_its_spelling_are_one_class() -> None:
    labels = [{"key": 1, "type": "text", "value": "a"}, {"key": "1", "type": "text", "value": "b"}]

    assert find_faults(body(labels=labels)) == {"labels": "at least 2 distinct labels are needed, got 1"}


@pytest.mark.parametrize(("key", "name"), [(1, "1"), (0, "0"), (2.5, "2.5"), ("hot dog", "hot dog")])
def test_a_key_names_its_label(key: object, name: str) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, LABELS[0]]

    assert parse(body(labels=labels)).labels[0].name == name


@pytest.mark.parametrize("key", [True, False, float("inf"), float("nan"), [], {}])
def test_a_key_is_a_string_or_a_finite_number(key: object) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, *LABELS]

    assert find_faults(body(labels=labels)) == {"labels.0.key": "must be a string or a finite number"}


@pytest.mark.parametrize("key", ["k" * 513, "😀" * 513, int("9" * 513), -int("9" * 512), int("9" * 4_299)])
def test_a_key_is_at_most_as_long_as_a_label(key: str | int) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, *LABELS]

    assert find_faults(body(labels=labels)) == {"labels.0.key": f"a key must have at most 512 characters, got {len(str(key))}"}
    assert parse(body(labels=[{"key": int("9" * 512), "type": "text", "value": "a"}, *LABELS])).labels[0].name == "9" * 512


@pytest.mark.parametrize("threshold", [True, "0.5", float("nan"), float("inf"), -0.1, 1.1])
def test_a_threshold_is_a_number_from_0_to_1(threshold: object) -> None:
    assert list(find_faults(body(threshold=threshold))) == ["threshold"]


def test_labels_may_mix_texts_and_images() -> None:
    assert len(parse(body(labels=[LABELS[0], PHOTO | {"key": "photo", "text": "a photo"}])).labels) == 2


def test_there_are_at_most_24_labels() -> None:
    labels = [{"type": "text", "value": str(number)} for number in range(25)]

    assert find_faults(body(labels=labels)) == {"labels": "must have at most 24 labels, got 25"}
    assert len(parse(body(labels=labels[:24])).labels) == 24


@pytest.mark.parametrize("name", ["", "Pets", "-pets", "pets-", "a/b", "x" * 65, "pets\n", 5])
def test_an_invalid_name_of_a_label_set_is_refused(name: object) -> None:
    assert list(find_faults(body(label_set=name))) == ["label_set"]


@pytest.mark.parametrize("name", ["p", "pets", "pets-2", "my_pets", "x" * 64])
def test_a_valid_name_of_a_label_set_is_accepted(name: str) -> None:
    assert parse(body(label_set=name)).label_set == name
