"""A request may ask several questions about its samples."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.api.answers import to_json
from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, ClassifyReply
from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import Fault, InvalidRequest, UnreadableImage
from pigeonhole.jobs.job import IdempotencyKey
from pigeonhole.label_sets.label_set import LabelSet
from support.fakes import FakeClassifierClient, error_reply
from support.job_fixtures import ACME, BAD, Jobs

PLAIN = Preference()
MOOD = {"labels": [{"type": "text", "value": "angry"}, {"type": "text", "value": "calm"}]}
TOPICS = {"labels": [{"type": "text", "value": "billing"}, {"type": "text", "value": "delivery"}], "multiple_labels": True}
TEXT = [{"type": "text", "value": "I was charged twice."}]
BODY: dict[str, Any] = {"dataset": TEXT, "questions": {"mood": MOOD, "topics": TOPICS}}
PETS = LabelSet("acme", "moods", 1, created_at=0, updated_at=0, options=MOOD)


def result(labels: list[str], **fields: Any) -> ChunkResult:
    tokens = {"input_tokens": 10, "label_tokens": 4, "output_tokens": 1, "inference_ms": 7}
    return ChunkResult(predictions=[labels], **tokens | fields)


ANSWERS = ClassifyReply(answers=[result(["angry"], warnings=["a"]), result(["billing", "delivery"], warnings=["a", "b"])])


def ask(
    body: Any = BODY, reply: ClassifyReply | None = ANSWERS, *, prefer: Preference = PLAIN, **limits: int
) -> tuple[Any, list[Any], Jobs]:
    """Return the answer, the commands of functions/classify, and the jobs, which run while a caller waits."""
    jobs = Jobs(classifier=FakeClassifierClient(reply), run=first_labels)
    jobs.label_sets.sets[("acme", "moods")] = PETS

    def sleep(seconds: float) -> None:
        jobs.now += seconds
        jobs.work()

    jobs.sleep = sleep  # type: ignore[method-assign]
    service = replace(jobs.classification(), limits=RequestLimits(**limits))
    answer = service.classify(body, tenant=ACME, log_id="log", preference=prefer)
    return answer, jobs.classifier.commands, jobs


def first_labels(command: ClassifyCommand, **_: Any) -> list[ChunkResult]:
    """Choose the first label of each question for each sample. A sample with the text `BAD` can't be read."""
    dataset, first = command.request.dataset, command.first_index
    errors = [
        SampleFault(index=first + index, code="unreadable_image", message="broken")
        for index, sample in enumerate(dataset)
        if sample.value == BAD
    ]
    return [
        ChunkResult(
            predictions=[None if sample.value == BAD else [question.labels[0].name] for sample in dataset],
            errors=errors,
            input_tokens=len(dataset) + 4,
            label_tokens=4,
            output_tokens=len(dataset),
            inference_ms=3,
        )
        for question in command.request.questions.values()  # type: ignore[union-attr]
    ]


def test_the_predictions_are_those_of_each_question_by_its_name() -> None:
    answer, (command,), _ = ask()

    assert answer.predictions == {"mood": ["angry"], "topics": [["billing", "delivery"]]}
    assert answer.warnings == ["a", "b"]
    assert (answer.scores, answer.errors) == (None, None)
    assert answer.usage.model_dump() == {
        "input_tokens": 6 + 4 + 4,
        "output_tokens": 2,
        "inference_time_tokens": 7,
        "total_tokens": 23,
    }
    questions = command.request.questions
    assert (command.tenant_id, command.grants) == ("acme", ACME.grants)
    assert {name: len(question.labels) for name, question in questions.items()} == {"mood": 2, "topics": 2}


def test_scores_and_errors_are_there_if_they_were_asked_for() -> None:
    scores = [[LabelScore(label="angry", probability=0.9, similarity=0.2)]]
    fault = SampleFault(index=0, code="unreadable_image", message="broken")
    reply = ClassifyReply(answers=[result(["angry"], scores=scores, errors=[fault])])

    answer, _, _ = ask({"dataset": TEXT, "questions": {"mood": MOOD}, "scores": True, "on_error": "null"}, reply)

    assert answer.scores == {"mood": scores}
    assert answer.errors == [fault]


def test_a_question_may_name_a_label_set() -> None:
    reply = ClassifyReply(answers=[result(["angry"])])

    _, (command,), _ = ask({"dataset": TEXT, "questions": {"mood": {"label_set": "moods"}}}, reply)

    assert [label.value for label in command.request.questions["mood"].labels] == ["angry", "calm"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"questions": {}}, "questions"),
        ({"questions": [MOOD]}, "questions"),
        ({"questions": {str(k): MOOD for k in range(401)}}, "questions"),
        ({"questions": {"mood": {"labels": MOOD["labels"][:1]}}}, "questions.mood.labels"),
        ({"questions": {"mood": {"labels": [{"type": "text", "value": str(k)} for k in range(256)]}}}, "questions.mood.labels"),
        ({"questions": {"mood": {"label_set": "none"}}}, "questions.mood.label_set"),
        ({"questions": {"mood": {**MOOD, "threshold": 2}}}, "questions.mood.threshold"),
        ({"labels": MOOD["labels"]}, "questions"),
        ({"dataset": []}, "dataset"),
        ({"dataset": [{"type": "text", "value": " "}]}, "dataset.0.value"),
    ],
)
def test_a_fault_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(BODY | change)

    assert path in [fault.path for fault in caught.value.details]


def test_the_texts_of_all_questions_are_limited_together() -> None:
    with pytest.raises(InvalidRequest, match="questions: must have at most 3 distinct label texts together, got 4"):
        ask(max_question_texts=3)


def test_400_questions_and_255_labels_pass() -> None:
    labels = [{"type": "text", "value": str(k)} for k in range(255)]
    questions = {str(k): MOOD for k in range(399)} | {"last": {"labels": labels}}

    answer, _, _ = ask({"dataset": TEXT, "questions": questions}, ClassifyReply(answers=[result(["calm"])] * 400))

    assert len(answer.predictions) == 400


def test_the_results_of_all_questions_together_are_limited() -> None:
    with pytest.raises(InvalidRequest, match="dataset: with these labels, the results of at most 0 samples fit into 20 bytes"):
        ask(max_result_bytes=20)


def test_label_sets_of_too_many_questions_are_not_read() -> None:
    jobs = Jobs()
    body = {"dataset": TEXT, "questions": {str(k): {"label_set": "moods"} for k in range(401)}}

    with pytest.raises(InvalidRequest) as caught:
        jobs.classification().classify(body, tenant=ACME, log_id="log", preference=PLAIN)

    assert caught.value.details == (Fault("questions", "must have 1 to 400 questions, got 401"),)


def test_questions_that_take_too_long_are_answered_by_a_job_and_alike() -> None:
    dataset = [{"type": "text", "value": "x" * 8_000, "custom_id": str(k)} for k in range(32)]

    answer, commands, jobs = ask(BODY | {"dataset": dataset})

    assert answer.predictions == {"mood": ["angry"] * 32, "topics": [["billing"]] * 32}
    assert answer.custom_ids == [str(k) for k in range(32)]
    assert answer.usage.model_dump() == {
        "input_tokens": 32 + 4 + 4,
        "output_tokens": 64,
        "inference_time_tokens": 8 * 3,
        "total_tokens": 128,
    }
    assert (len(commands), len(jobs.store.jobs)) == (0, 1)


def test_a_job_answers_questions_by_their_names() -> None:
    samples = [{"type": "text", "value": "a", "custom_id": "first"}, {"type": "text", "value": BAD}]

    job, _, jobs = ask(BODY | {"dataset": samples}, prefer=Preference(respond_async=True))
    jobs.work()
    answer = json.loads(to_json(jobs.responder.respond(jobs.job(job), "log")))

    assert answer["job"]["progress"] == {"total": 2, "succeeded": 1, "failed": 1}
    assert answer["predictions"] == {"mood": ["angry", None], "topics": [["billing"], None]}
    assert answer["custom_ids"] == ["first", None]
    assert answer["errors"] == [{"index": 1, "code": "unreadable_image", "message": "broken"}]


def test_a_job_of_questions_that_was_given_up_has_their_names() -> None:
    job, _, jobs = ask(prefer=Preference(respond_async=True))

    jobs.abandon(jobs.take())
    answer = json.loads(to_json(jobs.responder.respond(jobs.job(job), "log")))

    assert answer["predictions"] == {"mood": [None], "topics": [None]}


def test_the_same_idempotency_key_gives_the_same_job_after_a_label_set_of_a_question_is_deleted() -> None:
    jobs, body = Jobs(), {"dataset": TEXT, "questions": {"mood": {"label_set": "moods"}}}
    jobs.label_sets.sets[("acme", "moods")] = PETS
    key = IdempotencyKey("caller", "k", body=b"the body")

    first = jobs.classification().submit_job(body, tenant=ACME, log_id="log", preference=PLAIN, idempotency_key=key)
    jobs.label_sets.sets.clear()
    second = jobs.classification().submit_job(body, tenant=ACME, log_id="log", preference=PLAIN, idempotency_key=key)

    assert second.id == first.id


def test_an_error_of_the_classifier_is_raised() -> None:
    with pytest.raises(UnreadableImage):
        ask(reply=error_reply("unreadable_image", "truncated"))
