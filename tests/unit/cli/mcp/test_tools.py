"""The tools, called by the package's own client in this process. A fake API is behind them."""

from __future__ import annotations

import base64
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from pigeonhole.errors import BY_CODE
from pigeonhole_cli.mcp import tools as module
from pigeonhole_cli.mcp.errors import ADVICE
from support.cli.job_api import ID, job_answer
from support.cli.mcp_server import InProcess
from support.client_api import KEY, USAGE, fail, respond

LABELS = ["positive", "negative"]


@pytest.fixture
def server() -> InProcess:
    return InProcess()


def questions_answer(**answers: tuple[str | list[str], dict[str, float]]) -> httpx.Response:
    """Answer questions about one sample: for each name the labels and the probabilities."""
    scores = {
        name: [[{"label": label, "probability": value, "similarity": 0} for label, value in probabilities.items()]]
        for name, (_, probabilities) in answers.items()
    }
    predictions = {name: [labels] for name, (labels, _) in answers.items()}
    return respond({"success": True, "log_id": "1", "predictions": predictions, "scores": scores, "_usage": USAGE})


def test_texts_are_classified(server: InProcess) -> None:
    found = server.structured("classify_texts", texts=["I love it", "meh"], labels=LABELS)

    assert found["results"][0] == {
        "index": 0,
        "sample": "I love it",
        "labels": ["I love it"],
        "probability": 0.75,
        "scores": None,
        "error": None,
    }
    (body,) = server.api.bodies
    assert [label["value"] for label in body["labels"]] == LABELS
    assert [sample["value"] for sample in body["dataset"]] == ["I love it", "meh"]


def test_options_are_passed_on(server: InProcess) -> None:
    server.structured(
        "classify_texts", texts=["a"], labels=LABELS, multiple_labels=True, instruction="tickets", threshold=0.25, scores=True
    )

    (body,) = server.api.bodies
    assert (body["multiple_labels"], body["instruction"], body["threshold"]) == (True, "tickets", 0.25)


def test_scores_are_returned_if_they_are_asked_for(server: InProcess) -> None:
    (result,) = server.structured("classify_texts", texts=["a"], labels=LABELS, scores=True)["results"]

    assert result["scores"] == [{"label": "a", "probability": 0.75}, {"label": "other", "probability": 0.25}]


def test_a_long_text_is_repeated_in_part(server: InProcess) -> None:
    (result,) = server.structured("classify_texts", texts=["word " * 100], labels=LABELS)["results"]

    assert len(result["sample"]) == 80


def test_a_described_label_has_its_words_and_examples(tmp_path: Path) -> None:
    (tmp_path / "hotdog.jpg").write_bytes(b"photo")
    server = InProcess(folders=[tmp_path])
    hotdog = {"name": "hotdog", "descriptions": ["a hot dog in a bun"], "example_images": ["hotdog.jpg", "https://a.b/c.jpg"]}

    server.structured("classify_images", images=["https://a.b/lunch.jpg"], labels=[hotdog, "other"])

    (body,) = server.api.bodies
    encoded = base64.b64encode(b"photo").decode()
    assert body["labels"] == [
        {"key": "hotdog", "type": "text", "value": "a hot dog in a bun"},
        {"key": "hotdog", "type": "image", "value": f"data:application/octet-stream;base64,{encoded}"},
        {"key": "hotdog", "type": "image", "value": "https://a.b/c.jpg"},
        {"key": "other", "type": "text", "value": "other"},
    ]


def test_images_are_read_from_a_folder_and_named_by_their_paths(tmp_path: Path) -> None:
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(name.encode())
    server = InProcess(folders=[tmp_path])

    found = server.structured("classify_images", images=[str(tmp_path)], labels=LABELS)

    assert [result["sample"] for result in found["results"]] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]


@pytest.mark.parametrize("tool", ["classify_texts", "classify_images", "ask", "classify_with_label_set", "submit_job"])
def test_files_are_not_read_in_the_event_loop(tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    cat = {"name": "cat", "example_images": ["a.png"]}
    arguments: dict[str, dict[str, Any]] = {
        "classify_texts": {"texts": ["a"], "labels": [cat, "dog"]},
        "classify_images": {"images": ["a.png"], "labels": [cat, "dog"]},
        "ask": {"images": ["a.png"], "questions": [{"name": "animal", "kind": "choice", "options": [cat, "dog"]}]},
        "classify_with_label_set": {"images": ["a.png"], "label_set": "pets"},
        "submit_job": {"images": ["a.png"], "labels": [cat, "dog"]},
    }
    server, threads, read = InProcess(folders=[tmp_path]), set[int](), module.Folders.read_images
    if tool == "submit_job":
        server.api.prepare(respond(job_answer("queued", succeeded=0), 202))
    if tool == "ask":
        server.api.prepare(questions_answer(animal=("cat", {"cat": 0.8, "dog": 0.2})))

    def read_images(folders: module.Folders, *arguments: Any) -> list[Any]:
        threads.add(threading.get_ident())
        return read(folders, *arguments)

    monkeypatch.setattr(module.Folders, "read_images", read_images)

    server.structured(tool, **arguments[tool])

    assert threads
    assert threading.get_ident() not in threads


def test_no_file_outside_of_the_folders_is_sent(tmp_path: Path) -> None:
    server = InProcess(folders=[tmp_path])

    message = server.error("classify_images", images=["/etc/hostname"], labels=LABELS)

    assert f"Give a path in {tmp_path}" in message
    assert server.api.requests == []


def test_more_images_than_a_call_takes_are_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.inputs, "MAX_SAMPLES", 1)
    for name in ("b.png", "a.png"):
        (tmp_path / name).write_bytes(b"x")

    assert "Use submit_job" in InProcess(folders=[tmp_path]).error("classify_images", images=["."], labels=LABELS)


def test_a_sample_with_an_error_does_not_affect_the_others(server: InProcess) -> None:
    answer = {"success": True, "log_id": "1", "predictions": [None, "positive"], "_usage": USAGE}
    server.api.prepare(respond({**answer, "errors": [{"index": 0, "code": "invalid_request", "message": "is blank"}]}))

    first, second = server.structured("classify_texts", texts=[" ", "b"], labels=LABELS)["results"]

    assert (first["labels"], first["error"]) == ([], {"code": "invalid_request", "message": "is blank"})
    assert (second["labels"], second["error"]) == (["positive"], None)


def test_questions_of_all_kinds_are_asked_at_once(server: InProcess) -> None:
    server.api.prepare(
        questions_answer(
            topic=("billing", {"billing": 0.9, "bug": 0.1}),
            tags=(["refund", "card"], {"refund": 0.8, "card": 0.7, "login": 0.1}),
            angry=("yes", {"yes": 0.6, "no": 0.4}),
            urgency=("high", {"high": 0.5, "medium": 0.25, "low": 0.25}),
        )
    )

    found = server.structured(
        "ask",
        texts=["I was charged twice"],
        questions=[
            {"name": "topic", "kind": "choice", "options": ["billing", {"name": "bug", "descriptions": ["a broken app"]}]},
            {"name": "tags", "kind": "multiple", "options": ["refund", "card", "login"]},
            {"name": "angry", "kind": "yes_no", "question": "Is the customer angry?"},
            {
                "name": "urgency",
                "kind": "level",
                "question": "How urgent is this message?",
                "options": ["low", "medium", "high"],
            },
        ],
    )

    (sample,) = found["results"]
    assert [(answer["question"], answer["answers"], answer["level"]) for answer in sample["answers"]] == [
        ("topic", ["billing"], None),
        ("tags", ["refund", "card"], None),
        ("angry", ["yes"], None),
        ("urgency", ["high"], 1.25),
    ]
    asked = server.api.bodies[0]["questions"]
    assert [label["value"] for label in asked["angry"]["labels"]] == ["the customer is angry", "not the customer is angry"]
    assert [label["value"] for label in asked["urgency"]["labels"]] == ["not urgent", "somewhat urgent", "very urgent"]
    assert asked["tags"]["multiple_labels"] is True


def test_questions_about_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    server = InProcess(folders=[tmp_path])
    server.api.prepare(questions_answer(cat=("no", {"yes": 0.2, "no": 0.8})))

    found = server.structured("ask", images=["a.png"], questions=[{"name": "cat", "kind": "yes_no", "question": "a cat"}])

    assert found["results"][0]["sample"] == "a.png"
    assert found["results"][0]["answers"][0]["probabilities"] == {"yes": 0.2, "no": 0.8}


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"kind": "choice", "options": ["one"]}, "choice needs at least two `options`"),
        ({"kind": "yes_no", "options": ["yes", "no"]}, "yes_no takes no options"),
        ({"kind": "yes_no"}, "yes_no needs a `question`"),
        ({"kind": "essay"}, "questions.0.kind: Input should be 'choice', 'multiple', 'yes_no' or 'level'"),
    ],
)
def test_a_wrong_question_is_explained(server: InProcess, question: dict[str, Any], message: str) -> None:
    assert message in server.error("ask", texts=["a"], questions=[{"name": "q", **question}])


def test_two_questions_of_one_name_are_an_error(server: InProcess) -> None:
    question = {"name": "twice", "kind": "yes_no", "question": "a cat"}

    assert "Used twice: twice" in server.error("ask", texts=["a"], questions=[question, question])


def test_label_sets_are_listed_with_their_labels(server: InProcess) -> None:
    labels = [{"key": "cat", "type": "text", "value": "a cat"}, {"key": "cat", "type": "image", "value": "s3://a/b"}]
    times = {"created_at": "2026-05-04T10:20:30Z", "updated_at": "2026-05-04T10:20:30Z"}
    label_set = {"name": "pets", "version": 3, **times, "labels": [*labels, {"type": "text", "value": "dog"}]}
    server.api.prepare(respond({"success": True, "log_id": "1", "label_sets": [label_set]}))

    assert server.structured("list_label_sets")["label_sets"] == [
        {"name": "pets", "version": 3, "labels": ["cat", "dog"], "multiple_labels": False, "instruction": None}
    ]


@pytest.mark.parametrize("samples", [{"texts": ["a"]}, {"images": ["https://a.b/c.jpg"]}], ids=["texts", "images"])
def test_a_label_set_replaces_labels(server: InProcess, samples: dict[str, list[str]]) -> None:
    server.structured("classify_with_label_set", label_set="pets", **samples)

    (body,) = server.api.bodies
    assert body["label_set"] == "pets"
    assert "labels" not in body


@pytest.mark.parametrize("samples", [{}, {"texts": []}, {"texts": ["a"], "images": ["https://a.b/c.jpg"]}], ids=str)
@pytest.mark.parametrize("tool", ["classify_with_label_set", "submit_job"])
def test_a_call_has_texts_or_images(server: InProcess, tool: str, samples: dict[str, list[str]]) -> None:
    assert "Give either `texts` or `images`" in server.error(tool, label_set="pets", **samples)


@pytest.mark.parametrize(
    ("samples", "sent"),
    [
        ({"texts": ["a"], "images": []}, {"type": "text", "value": "a"}),
        ({"texts": [], "images": ["https://a.b/c.jpg"]}, {"type": "image", "value": "https://a.b/c.jpg"}),
    ],
    ids=["texts", "images"],
)
@pytest.mark.parametrize("tool", ["ask", "classify_with_label_set", "submit_job"])
def test_an_empty_list_counts_as_not_given(
    server: InProcess, tool: str, samples: dict[str, list[str]], sent: dict[str, str]
) -> None:
    answers = {
        "ask": questions_answer(cat=("no", {"yes": 0.2, "no": 0.8})),
        "classify_with_label_set": respond({"success": True, "log_id": "1", "predictions": ["x"], "_usage": USAGE}),
        "submit_job": respond(job_answer("queued", succeeded=0), 202),
    }
    server.api.prepare(answers[tool])
    question = {"name": "cat", "kind": "yes_no", "question": "a cat"}

    server.structured(tool, **samples, **({"questions": [question]} if tool == "ask" else {"label_set": "pets"}))

    assert server.api.bodies[0]["dataset"] == [sent]


def test_a_job_is_submitted_and_read_later(server: InProcess) -> None:
    server.api.prepare(respond(job_answer("queued", succeeded=0), 202), respond(job_answer(predictions=["x", "y"])))

    submitted = server.structured("submit_job", texts=["a", "b"], labels=LABELS)
    assert (submitted["job_id"], submitted["status"], submitted["results"]) == (ID, "queued", None)
    assert f"Call job_status with job_id {ID}" in submitted["advice"]

    ended = server.structured("job_status", job_id=ID)
    assert (ended["status"], [result["labels"] for result in ended["results"]]) == ("succeeded", [["x"], ["y"]])


def test_a_call_that_waits_for_a_job_reports_progress(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0)
    states = [("processing", 0, 0), ("processing", 0, 0), ("processing", 1, 1), ("succeeded", 2, 1)]
    server.api.prepare(
        respond(job_answer("queued", total=3, succeeded=0), 202),
        *(respond(job_answer(status, total=3, succeeded=done, failed=bad)) for status, done, bad in states),
    )

    server.structured("submit_job", images=["https://a.b/c.jpg"], label_set="pets", wait_s=60)

    assert server.progress == [
        (0, 3, "processing, 0 with an error"),
        (2, 3, "processing, 1 with an error"),
        (3, 3, "succeeded, 1 with an error"),
    ]


@pytest.mark.parametrize("status", [404, 500])
def test_a_submitted_job_is_returned_if_the_wait_for_it_fails(server: InProcess, status: int) -> None:
    submitted = respond(job_answer("queued", succeeded=0), 202)
    server.api.answer = lambda request: submitted if request.method == "POST" else fail("overloaded", status)

    state = server.structured("submit_job", texts=["a"], label_set="pets", wait_s=60)

    assert (state["job_id"], state["status"]) == (ID, "queued")
    assert f"Call job_status with job_id {ID}" in state["advice"]


def test_a_wait_ends_with_its_time(server: InProcess) -> None:
    server.api.answer = lambda request: respond(job_answer("processing", succeeded=0))

    state = server.structured("job_status", job_id=ID, wait_s=1)

    assert state["status"] == "processing"
    assert len(server.api.requests) >= 2


def test_the_pauses_of_a_wait_grow(server: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    monkeypatch.setattr(module, "MAX_POLL_S", 0.1)
    server.api.answer = lambda request: respond(job_answer("processing", succeeded=0))

    server.structured("job_status", job_id=ID, wait_s=1)

    assert len(server.api.requests) < 20  # with a pause of 0.01 s they would be many more


def test_a_job_with_questions_has_the_results_of_each(server: InProcess) -> None:
    predictions = {"topic": ["bug", "billing"], "tone": ["calm", "angry"]}
    server.api.prepare(respond(job_answer(predictions=predictions)))

    state = server.structured("job_status", job_id=ID, count=1)

    labels = {name: [result["labels"] for result in results] for name, results in state["answers"].items()}
    assert labels == {"topic": [["bug"]], "tone": [["calm"]]}
    assert state["advice"] == "1 more results: call job_status with first 1."


def test_a_bulk_job_says_how_to_get_its_results(server: InProcess) -> None:
    files = {"prefix": "s3://b/r/", "manifest_url": "https://b/r/_manifest.json", "parts": [], "errors": []}
    server.api.prepare(respond(job_answer(results=files)))

    assert f"pigeonhole bulk fetch {ID}" in server.structured("job_status", job_id=ID)["advice"]


def test_results_of_a_job_come_in_pages(server: InProcess) -> None:
    server.api.answer = lambda request: respond(job_answer(total=3, succeeded=3, predictions=["x", "y", "z"]))

    page = server.structured("job_status", job_id=ID, first=1, count=1)

    assert [(result["index"], result["labels"]) for result in page["results"]] == [(1, ["y"])]
    assert page["advice"] == "1 more results: call job_status with first 2."


@pytest.mark.parametrize("named", [{}, {"labels": LABELS, "label_set": "pets"}], ids=["neither", "both"])
def test_a_job_has_labels_or_a_label_set(server: InProcess, named: dict[str, Any]) -> None:
    assert "Give either `labels` or the name of a `label_set`" in server.error("submit_job", texts=["a"], **named)


def test_a_wrong_job_id_is_explained(server: InProcess) -> None:
    assert "as submit_job returned it" in server.error("job_status", job_id="7")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fail("invalid_api_key", 401), ("It is invalid_api_key.", "the user has to start this server with a valid key")),
        (fail("invalid_request", 400, ("label_set", "there is none")), ("label_set: there is none", "list_label_sets has")),
        (fail("not_found", 404), ("submit_job returned it",)),
        (fail("invalid_request", 400, ("labels.0.value", "is blank")), ("labels.0.value: is blank",)),
        (fail("overloaded", 400), ("Wait a minute",)),
    ],
    ids=["wrong key", "unknown set", "unknown job", "blank label", "busy"],
)
def test_an_error_of_the_api_says_what_to_do(server: InProcess, answer: httpx.Response, words: tuple[str, ...]) -> None:
    server.api.answer = lambda request: answer

    message = server.error("classify_with_label_set", label_set="pets", texts=["a"])

    for word in words:
        assert word in message
    assert KEY not in message


def test_a_service_that_does_not_run_is_the_users_matter(server: InProcess) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    server.api.answer = refuse

    assert "make start" in server.error("list_label_sets")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": ["a"]}, "labels: Field required"),
        ({"texts": ["a"], "labels": ["one"]}, "labels: List should have at least 2 items"),
        ({"texts": "a text", "labels": LABELS}, "texts: Input should be a valid list"),
        ({"texts": ["a"], "labels": ["b", {"nam": "c"}]}, "labels.1.name: Field required"),
        ({"texts": ["a"], "labels": ["b", 5]}, "labels.1: must be an object"),
        ({"texts": ["a"], "labels": LABELS, "multi_label": True}, "has no argument multi_label. It has: texts, labels, "),
        ({"texts": ["a"] * 321, "labels": LABELS}, "texts: List should have at most 320 items"),
    ],
)
def test_wrong_arguments_are_explained(server: InProcess, arguments: dict[str, Any], message: str) -> None:
    explained = server.error("classify_texts", **arguments)

    assert message in explained
    assert "pydantic" not in explained


@pytest.mark.parametrize("samples", ["texts", "images"])
@pytest.mark.parametrize("tool", ["ask", "classify_with_label_set"])
def test_a_call_that_waits_for_its_answer_has_a_limit(server: InProcess, tool: str, samples: str) -> None:
    asked = {"questions": [{"name": "cat", "kind": "yes_no", "question": "a cat"}]} if tool == "ask" else {"label_set": "pets"}

    message = server.error(tool, **asked, **{samples: ["https://a.b/c.jpg"] * 321})

    assert f"{samples}: List should have at most 320 items" in message


def test_a_list_that_is_sent_as_text_is_read(server: InProcess) -> None:
    """Some agents send arrays so."""
    assert server.structured("classify_texts", texts='["a", "b"]', labels=LABELS)["results"][1]["sample"] == "b"


def test_the_schemas_are_typed_and_described(server: InProcess) -> None:
    listed = {tool.name: tool for tool in server.tools()}

    assert list(listed) == [
        "classify_texts",
        "classify_images",
        "ask",
        "list_label_sets",
        "classify_with_label_set",
        "submit_job",
        "job_status",
    ]
    for tool in listed.values():
        assert tool.description
        assert tool.description[0] != " "
        assert tool.output_schema
        assert all(field.get("description") for field in tool.input_schema["properties"].values()), tool.name
        assert tool.annotations
        assert tool.annotations.read_only_hint is (tool.name != "submit_job")
        assert "context" not in tool.input_schema["properties"]


def test_the_advice_is_about_codes_of_the_api() -> None:
    assert set(ADVICE) <= set(BY_CODE)
