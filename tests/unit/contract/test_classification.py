"""The body of POST /v1/classification: what is taken, and in which words the rest is refused."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.contract.classification import ClassificationRequest, parse_request
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest

TEXT = {"type": "text", "value": "a sunny day"}
PHOTO = {"type": "image", "value": "https://example.com/a.jpg"}
LABELS = [{"type": "text", "value": "weather"}, {"type": "text", "value": "sports"}]


def body(**changes: Any) -> dict[str, Any]:
    return {"dataset": [TEXT], "labels": LABELS} | changes


def parse(sent: object, **limits: int) -> ClassificationRequest:
    return parse_request(sent, RequestLimits(**limits))


def faults(sent: object, **limits: int) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        parse(sent, **limits)
    return {fault.path: fault.message for fault in caught.value.details}


def test_the_least_body_has_the_documented_defaults() -> None:
    request = parse(body())

    assert [sample.value for sample in request.dataset] == ["a sunny day"]
    assert [label.name for label in request.labels] == ["weather", "sports"]
    assert (request.multiple_labels, request.scores, request.on_error) == (False, False, "fail")
    assert (request.instruction, request.threshold, request.top_k, request.prompt_templates) == (None, None, None, None)


def test_every_option_is_taken() -> None:
    options = {
        "multiple_labels": True,
        "instruction": "News.",
        "scores": True,
        "threshold": 0,
        "top_k": 2,
        "prompt_templates": ["news about {}."],
        "on_error": "null",
    }

    request = parse(body(**options))

    assert request.model_dump(include=set(options)) == options


def test_an_option_that_is_null_counts_as_absent() -> None:
    nulls = dict.fromkeys(
        ["multiple_labels", "instruction", "task", "scores", "threshold", "top_k", "prompt_template", "on_error", "label_set"]
    )

    assert parse(body(**nulls)) == parse(body())


def test_null_in_a_label_or_before_an_alias_counts_as_absent() -> None:
    labels = [{"key": None, "text": None, **LABELS[0]}, LABELS[1]]

    assert parse(body(labels=labels)) == parse(body())
    assert parse(body(instruction=None, task="News.")).instruction == "News."


def test_null_for_what_is_required_is_missing() -> None:
    assert faults({"dataset": None, "labels": [{"type": "text", "value": None}, LABELS[0]]}) == {
        "dataset": "is required",
        "labels.0.value": "is required",
    }


def test_unknown_fields_are_ignored_at_every_level() -> None:
    extra = {"model": "x", "dataset": [TEXT | {"id": 7}], "labels": [LABELS[0] | {"weight": 2}, LABELS[1]]}

    assert parse(body(**extra)) == parse(body())


@pytest.mark.parametrize(("sent", "seen"), [("task", "instruction"), ("instruction", "instruction")])
def test_task_is_another_name_of_instruction(sent: str, seen: str) -> None:
    assert getattr(parse(body(**{sent: "Sort the news."})), seen) == "Sort the news."


def test_prompt_template_is_one_or_several() -> None:
    assert parse(body(prompt_template="about {}")).prompt_templates == ["about {}"]
    assert parse(body(prompt_template=["about {}", "on {}"])).prompt_templates == ["about {}", "on {}"]


@pytest.mark.parametrize("sent", [[], [body()], "text", 7, None, True])
def test_a_body_that_is_no_object_is_told_so(sent: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(sent)

    assert caught.value.message == "the body must be a JSON object"
    assert faults(sent) == {"": "the body must be a JSON object"}


def test_every_fault_comes_with_its_path() -> None:
    sent = {
        "dataset": [7, {"type": "audio", "value": "x"}, {"type": "text"}, {"type": "text", "value": 5}],
        "labels": [{"type": "text", "value": ""}, LABELS[0], LABELS[1]],
        "multiple_labels": "yes",
        "threshold": 2,
        "top_k": 0,
        "task": 5,
        "on_error": "skip",
    }

    assert faults(sent) == {
        "dataset.0": "must be an object",
        "dataset.1.type": "must be 'text' or 'image'",
        "dataset.2.value": "is required",
        "dataset.3.value": "must be a string",
        "labels.0.value": "must not be empty",
        "multiple_labels": "must be true or false",
        "threshold": "must be at most 1",
        "top_k": "must be at least 1",
        "task": "must be a string",
        "on_error": "must be 'fail' or 'null'",
    }


def test_the_message_names_the_first_fault_and_counts_the_others() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse({"dataset": "x", "labels": LABELS[:1]})

    assert caught.value.message == "dataset: must be an array (and 1 more)"


def test_one_fault_is_told_in_the_words_of_the_contract() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(body(labels=LABELS[:1]))

    assert caught.value.message == "labels: at least 2 distinct labels are needed, got 1"


def test_a_number_and_its_spelling_are_one_class() -> None:
    labels = [{"key": 1, "type": "text", "value": "a"}, {"key": "1", "type": "text", "value": "b"}]

    assert faults(body(labels=labels)) == {"labels": "at least 2 distinct labels are needed, got 1"}


@pytest.mark.parametrize(("key", "name"), [(1, "1"), (0, "0"), (2.5, "2.5"), ("", ""), ("hot dog", "hot dog")])
def test_a_key_names_its_label(key: object, name: str) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, LABELS[0]]

    assert parse(body(labels=labels)).labels[0].name == name


@pytest.mark.parametrize("key", [True, False, float("inf"), float("nan"), [], {}])
def test_a_key_is_a_string_or_a_finite_number(key: object) -> None:
    labels = [{"key": key, "type": "text", "value": "a"}, *LABELS]

    assert faults(body(labels=labels)) == {"labels.0.key": "must be a string or a finite number"}


@pytest.mark.parametrize("threshold", [True, "0.5", float("nan"), float("inf"), -0.1, 1.1])
def test_a_threshold_is_a_number_from_0_to_1(threshold: object) -> None:
    assert list(faults(body(threshold=threshold))) == ["threshold"]


def test_samples_are_all_of_one_type() -> None:
    assert faults(body(dataset=[TEXT, PHOTO])) == {
        "dataset": "the samples must be all texts or all images. Send two requests for a mix"
    }


def test_labels_may_mix_texts_and_images() -> None:
    assert len(parse(body(labels=[LABELS[0], PHOTO | {"key": "photo", "text": "a photo"}])).labels) == 2


@pytest.mark.parametrize("count", [0, 33])
def test_there_are_1_to_32_samples(count: int) -> None:
    assert faults(body(dataset=[TEXT] * count)) == {"dataset": f"must have 1 to 32 samples, got {count}"}
    assert len(parse(body(dataset=[TEXT] * 32)).dataset) == 32


def test_there_are_at_most_24_labels() -> None:
    labels = [{"type": "text", "value": str(number)} for number in range(25)]

    assert faults(body(labels=labels)) == {"labels": "must have at most 24 labels, got 25"}
    assert len(parse(body(labels=labels[:24])).labels) == 24


def test_a_list_that_is_too_long_is_one_fault_whatever_is_in_it() -> None:
    assert faults(body(dataset=[1] * 100_000)) == {"dataset": "must have 1 to 32 samples, got 100000"}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dataset": [TEXT, {"type": "text", "value": "x" * 8_001}]}, "dataset.1.value"),
        ({"labels": [{"type": "text", "value": "x" * 513}, LABELS[0]]}, "labels.0.value"),
        ({"labels": [PHOTO | {"text": "x" * 513}, LABELS[0]]}, "labels.0.text"),
        ({"labels": [LABELS[0] | {"key": "x" * 513}, LABELS[1]]}, "labels.0.key"),
        ({"instruction": "x" * 2_001}, "instruction"),
        ({"prompt_template": "{}" + "x" * 511}, "prompt_template"),
        ({"prompt_templates": ["{}"] * 17}, "prompt_templates"),
        ({"prompt_templates": []}, "prompt_templates"),
        ({"prompt_template": "no place"}, "prompt_template"),
        ({"prompt_template": "{} or {}"}, "prompt_template"),
    ],
)
def test_each_limit_is_told_at_its_place(changes: dict[str, Any], path: str) -> None:
    assert list(faults(body(**changes))) == [path]


def test_a_text_of_the_greatest_length_is_taken() -> None:
    parse(body(dataset=[{"type": "text", "value": "é" * 8_000}], labels=[{"type": "text", "value": "x" * 512}, LABELS[0]]))


def test_the_address_of_an_image_may_be_longer_than_a_text() -> None:
    data_url = {"type": "image", "value": "data:image/png;base64," + "A" * 9_000}

    parse(body(dataset=[data_url], labels=[data_url | {"key": "a"}, LABELS[0]]))


def test_a_deployment_may_set_other_limits() -> None:
    assert faults(body(dataset=[TEXT] * 3), max_samples=2) == {"dataset": "must have 1 to 2 samples, got 3"}
    assert faults(body(), max_text_chars=5) == {"dataset.0.value": "a text must have at most 5 characters, got 11"}
    assert len(parse(body(dataset=[TEXT] * 40), max_samples=40).dataset) == 40


HALF = "\ud83d"


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"dataset": [{"type": "text", "value": HALF}]}, "dataset.0.value"),
        ({"labels": [{"type": "text", "value": HALF}, *LABELS]}, "labels.0.value"),
        ({"labels": [LABELS[0] | {"key": HALF}, *LABELS]}, "labels.0.key"),
        ({"labels": [{"type": "image", "value": "s3://a/b", "text": HALF}, *LABELS]}, "labels.0.text"),
        ({"instruction": HALF}, "instruction"),
        ({"task": HALF}, "task"),
        ({"prompt_template": HALF + "{}"}, "prompt_template.0"),
        ({"prompt_templates": ["{}", HALF + "{}"]}, "prompt_templates.1"),
    ],
)
def test_half_of_a_surrogate_pair_is_refused(changes: dict[str, Any], path: str) -> None:
    assert list(faults(body(**changes))) == [path]
    assert "surrogate" in faults(body(**changes))[path]


@pytest.mark.parametrize("name", ["", "Pets", "-pets", "pets-", "a/b", "x" * 65, "pets\n", 5])
def test_what_cannot_be_a_label_sets_name_is_told(name: object) -> None:
    found = faults(body(label_set=name))

    assert list(found) == ["label_set"]


@pytest.mark.parametrize("name", ["p", "pets", "pets-2", "my_pets", "x" * 64])
def test_the_name_of_a_label_set_is_taken(name: str) -> None:
    assert parse(body(label_set=name)).label_set == name


def test_labels_are_needed_where_no_set_has_given_them() -> None:
    assert faults({"dataset": [TEXT], "label_set": "news"}) == {"labels": "is required"}
