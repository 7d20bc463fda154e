"""Any number of samples become requests of at most 32 samples and 4 MB, and one result each."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole.client import ApiError, Label, Question, Result
from pigeonhole.client.batches import MAX_BODY_BYTES, MAX_HELD_BYTES, cut_into_batches, prepare_images
from support.client_api import KEY, URL, USAGE, Call, FakeApi, classify_by_value, fail, respond, upload_answer

LABELS = ["billing", "bug"]
ANSWER = {"success": True, "log_id": "log-1", "predictions": ["bug"], "_usage": USAGE}


def test_each_sample_has_a_result_in_its_place(api: FakeApi, call: Call) -> None:
    texts = [f"text {index}" for index in range(100)]

    results = call("classify_texts", texts, LABELS)

    assert results.labels == texts
    assert [result.index for result in results] == list(range(100))
    assert sorted(len(body["dataset"]) for body in api.bodies) == [4, 32, 32, 32]
    assert results.usage.total_tokens == 4 * USAGE["total_tokens"]
    assert results.log_ids == ("log-1",) * 4


def test_a_request_has_the_labels_the_options_and_the_key(api: FakeApi, call: Call) -> None:
    call("classify_texts", ["a"], LABELS, instruction="mails", threshold=0.5, top_k=None)

    (request,) = api.requests
    assert str(request.url) == f"{URL}/v1/classification"
    assert request.headers["x-api-key"] == KEY
    assert api.bodies == [
        {
            "labels": [{"type": "text", "value": "billing"}, {"type": "text", "value": "bug"}],
            "instruction": "mails",
            "threshold": 0.5,
            "scores": True,
            "on_error": "null",
            "dataset": [{"type": "text", "value": "a"}],
        }
    ]


def test_a_result_has_the_probability_of_its_label(call: Call) -> None:
    (result,) = call("classify_texts", ["a"], LABELS)

    assert (result.label, result.probability, result.probabilities) == ("a", 0.75, (0.75,))
    assert [score.label for score in result.scores] == ["a", "other"]


def test_no_samples_need_no_request(api: FakeApi, call: Call) -> None:
    assert len(call("classify_texts", [], LABELS)) == 0
    assert api.requests == []


@pytest.mark.parametrize(
    ("labels", "sent"),
    [
        ([Label(key="x", type="text", value="a"), "b"], [
            {"key": "x", "type": "text", "value": "a"},
            {"type": "text", "value": "b"},
        ]),
        ({"x": "a", "y": ["b", b"image"]}, [
            {"key": "x", "type": "text", "value": "a"},
            {"key": "y", "type": "text", "value": "b"},
            {"key": "y", "type": "image", "value": "data:application/octet-stream;base64,aW1hZ2U="},
        ]),
    ],
)  # fmt: skip
def test_labels_are_texts_and_example_images(api: FakeApi, call: Call, labels: Any, sent: Any) -> None:
    call("classify_texts", ["a"], labels)

    assert api.bodies[0]["labels"] == sent


def test_a_label_set_stands_in_place_of_labels(api: FakeApi, call: Call) -> None:
    call("classify_texts", ["a"], label_set="topics")

    assert api.bodies[0]["label_set"] == "topics"
    assert "labels" not in api.bodies[0]


@pytest.mark.parametrize(("labels", "label_set"), [(None, None), (LABELS, "topics")])
def test_labels_and_a_label_set_exclude_each_other(call: Call, labels: Any, label_set: Any) -> None:
    with pytest.raises(ValueError, match="either `labels` or the name of a `label_set`"):
        call("classify_texts", ["a"], labels, label_set=label_set)


def test_one_string_is_no_list_of_labels(call: Call) -> None:
    with pytest.raises(TypeError, match="not one string"):
        call("classify_texts", ["a"], "billing")


@pytest.mark.parametrize("sample", ["one string", b"one file"], ids=["string", "bytes"])
@pytest.mark.parametrize(
    "method", ["classify_texts", "classify_images", "ask_texts", "ask_images", "submit_texts", "submit_images"]
)
def test_one_sample_is_no_list_of_samples(api: FakeApi, call: Call, method: str, sample: object) -> None:
    labels = {"topic": LABELS} if method.startswith("ask") else LABELS

    with pytest.raises(TypeError, match=r"samples must be a list, and not one (string|bytes object): put it into brackets"):
        call(method, sample, labels)

    assert api.requests == []


def test_a_sample_that_is_no_string_is_refused(call: Call) -> None:
    with pytest.raises(TypeError, match="sample 1 must be a string, and not int"):
        call("classify_texts", ["a", 1], LABELS)


def test_a_sample_with_an_error_does_not_affect_the_others(api: FakeApi, call: Call) -> None:
    faults = [{"index": 1, "code": "invalid_request", "message": "must not be blank"}]
    api.prepare(
        respond({"success": True, "log_id": "1", "predictions": ["bug", None], "errors": faults, "_usage": USAGE}),
    )

    good, bad = call("classify_texts", ["a", ""], LABELS)

    assert (good.label, good.error) == ("bug", None)
    assert (bad.label, bad.error.code, bad.error.message) == (None, "invalid_request", "must not be blank")


def test_a_sample_that_breaks_the_contract_costs_only_itself(api: FakeApi, call: Call) -> None:
    """The API refuses the whole request for a text that is too long. The client sends the others again."""

    def answer(request: httpx.Request) -> httpx.Response:
        values = [sample["value"] for sample in json.loads(request.content)["dataset"]]
        faults = [(f"dataset.{index}.value", "too long") for index, value in enumerate(values) if value.startswith("long")]
        return fail("invalid_request", 400, *faults) if faults else classify_by_value(request)

    api.answer = answer

    results = call("classify_texts", ["a", "long 1", "b", "long 2"], LABELS)

    assert results.labels == ["a", None, "b", None]
    assert [(error.index, error.code, error.message) for error in results.errors] == [
        (1, "invalid_request", "too long"),
        (3, "invalid_request", "too long"),
    ]
    assert len(api.requests) == 2


def test_a_retry_of_a_batch_has_the_key_of_its_first_attempt(api: FakeApi, call: Call) -> None:
    """The API answers a large request by a job, so that a retry without the key would create a second one."""
    api.prepare(fail("timed_out", 504), respond(ANSWER))

    call("classify_texts", ["a"], LABELS)

    first, second = (request.headers["idempotency-key"] for request in api.requests)
    assert first == second


def test_batches_and_changed_bodies_have_keys_of_their_own(api: FakeApi, call: Call) -> None:
    """The same key with another body would be refused."""
    api.prepare(fail("invalid_request", 400, ("dataset.1.value", "too long")), respond(ANSWER), respond(ANSWER))

    call("classify_texts", ["a", "long"], LABELS)
    call("classify_texts", ["a"], LABELS)

    assert len({request.headers["idempotency-key"] for request in api.requests}) == 3


def test_another_fault_of_a_request_is_raised(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("invalid_request", 400, ("dataset.0.value", "too long"), ("labels", "too few"))

    with pytest.raises(ApiError) as caught:
        call("classify_texts", ["a"], LABELS)

    error = caught.value
    assert (error.code, error.status, error.log_id, error.message) == (
        "invalid_request",
        400,
        "log-1",
        "It is invalid_request.",
    )
    assert [(fault.path, fault.message) for fault in error.details] == [("dataset.0.value", "too long"), ("labels", "too few")]


def test_warnings_name_samples_by_their_place_among_all(api: FakeApi, call: Call) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        body = classify_by_value(request).json()
        return respond({**body, "warnings": ["dataset.1.value: was cut", "labels: are alike"]})

    api.answer = answer

    results = call("classify_texts", map(str, range(64)), LABELS)

    assert sorted(results.warnings) == ["dataset.1.value: was cut", "dataset.33.value: was cut", "labels: are alike"]


def test_the_results_of_each_request_are_reported_as_they_come(call: Call) -> None:
    reported: list[Result] = []

    results = call("classify_texts", map(str, range(70)), LABELS, on_results=reported.extend)

    assert sorted(reported, key=lambda result: result.index) == list(results)


def test_a_failed_request_ends_the_call(api: FakeApi, call: Call) -> None:
    api.answer = lambda request: fail("invalid_api_key", 401)

    with pytest.raises(ApiError, match="invalid_api_key"):
        call("classify_texts", map(str, range(10_000)), LABELS)

    assert len(api.requests) < 10


def test_images_are_sent_as_they_are(api: FakeApi, call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"file")

    call(
        "classify_images",
        [tmp_path / "a.jpg", str(tmp_path / "a.jpg"), b"bytes", "https://example.com/x.png", "s3://b/k"],
        LABELS,
    )

    values = [sample["value"] for sample in api.bodies[0]["dataset"]]
    assert [base64.b64decode(value.partition(",")[2]) for value in values[:3]] == [b"file", b"file", b"bytes"]
    assert values[3:] == ["https://example.com/x.png", "s3://b/k"]
    assert {sample["type"] for sample in api.bodies[0]["dataset"]} == {"image"}


def test_an_image_that_cannot_be_read_costs_only_itself(api: FakeApi, call: Call, tmp_path: Path) -> None:
    missing = tmp_path / "missing.png"

    good, bad = call("classify_images", ["https://example.com/x.png", missing], LABELS)

    assert good.label == "https://example.com/x.png"
    assert (bad.error.index, bad.error.code) == (1, "unreadable_image")
    assert str(missing) in bad.error.message


def test_requests_stay_below_four_megabytes(api: FakeApi, call: Call) -> None:
    photos = [bytes([index]) * 1_000_000 for index in range(7)]

    results = call("classify_images", photos, LABELS)

    assert len(results) == 7
    assert max(len(request.content) for request in api.requests) <= 4_000_000
    assert len(api.requests) == 4  # two to a request


def test_an_image_that_fits_no_request_is_uploaded(api: FakeApi, call: Call) -> None:
    photo = b"x" * 5_000_000

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v1/uploads"):
            return respond(upload_answer())
        return respond(status=204) if request.url.host == "bucket.example" else classify_by_value(request)

    api.answer = answer

    (result,) = call("classify_images", [photo], LABELS)

    assert result.label == "s3://bucket/uploads/1"
    form, post, _ = api.requests
    assert json.loads(form.content) == {"content_type": "application/octet-stream", "size": 5_000_000}
    assert photo in post.content
    assert b'name="policy"' in post.content
    assert "x-api-key" not in post.headers


def test_the_files_that_a_batch_holds_have_a_limit() -> None:
    """A file that is uploaded takes little of a request, but all of its bytes are in memory."""
    photo = b"x" * 16_000_000

    batches = list(cut_into_batches(prepare_images([photo] * 5, MAX_BODY_BYTES), MAX_BODY_BYTES))

    assert [len(batch.samples) for batch in batches] == [2, 2, 1]
    assert max(batch.held_bytes for batch in batches) <= MAX_HELD_BYTES


def test_an_image_that_is_too_large_for_an_upload_costs_only_itself(api: FakeApi, call: Call) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_upload = request.url.path.endswith("/v1/uploads")
        return fail("invalid_request", 400, ("size", "must be at most 20 MB")) if is_upload else classify_by_value(request)

    api.answer = answer

    bad, good = call("classify_images", [b"x" * 5_000_000, b"y"], LABELS)

    assert (bad.error.code, good.error) == ("too_large", None)


def test_an_address_that_fits_no_request_costs_only_itself(call: Call) -> None:
    bad, good = call("classify_images", ["data:;base64," + "A" * 5_000_000, b"y"], LABELS)

    assert (bad.error.code, good.error) == ("too_large", None)


def test_questions_are_answered_by_one_reading(api: FakeApi, call: Call) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        count = len(json.loads(request.content)["dataset"])
        predictions = {"mood": ["calm"] * count, "topics": [["bug", "billing"]] * count}
        return respond({"success": True, "log_id": "1", "predictions": predictions, "_usage": USAGE})

    api.answer = answer

    answers = call(
        "ask_texts",
        map(str, range(33)),
        {"mood": ["angry", "calm"], "topics": Question(label_set="topics", multiple_labels=True)},
        scores=False,
    )

    assert answers["mood"].labels == ["calm"] * 33
    assert answers["topics"][32].labels == ("bug", "billing")
    assert api.bodies[0]["questions"] == {
        "mood": {"labels": [{"type": "text", "value": "angry"}, {"type": "text", "value": "calm"}]},
        "topics": {"label_set": "topics", "multiple_labels": True},
    }
    assert api.bodies[0]["scores"] is False


def test_a_question_of_which_no_sample_can_be_sent_has_results(call: Call, tmp_path: Path) -> None:
    answers = call("ask_images", [tmp_path / "missing.png"], {"animal": {"cat": "a cat", "dog": "a dog"}})

    assert [error.code for error in answers["animal"].errors] == ["unreadable_image"]
