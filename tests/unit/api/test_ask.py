"""A request may ask several questions about its samples."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.ask import QuestionService
from pigeonhole.api.classify import DirectRules
from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import Preference
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import AskCommand, ChunkResult, ClassifyReply
from pigeonhole.errors import InvalidRequest, TooLarge, UnreadableImage
from pigeonhole.label_sets.apply import LabelSetApplier
from pigeonhole.label_sets.label_set import LabelSet
from support.fakes import FakeClassifierClient, FakeLabelSetStore, error_reply
from support.job_fixtures import ACME

MOOD = {"labels": [{"type": "text", "value": "angry"}, {"type": "text", "value": "calm"}]}
TOPICS = {"labels": [{"type": "text", "value": "billing"}, {"type": "text", "value": "delivery"}], "multiple_labels": True}
TEXT = [{"type": "text", "value": "I was charged twice."}]
BODY: dict[str, Any] = {"dataset": TEXT, "questions": {"mood": MOOD, "topics": TOPICS}}
PETS = LabelSet("acme", "moods", 1, created_at=0, updated_at=0, options=MOOD)


def result(labels: list[str], **fields: Any) -> ChunkResult:
    tokens = {"input_tokens": 10, "label_tokens": 4, "output_tokens": 1, "inference_ms": 7}
    return ChunkResult(predictions=[labels], **tokens | fields)


ANSWERS = ClassifyReply(answers=[result(["angry"], warnings=["a"]), result(["billing", "delivery"], warnings=["a", "b"])])


def ask(body: Any = BODY, reply: ClassifyReply = ANSWERS, *, prefer: Preference | None = None, **limits: int) -> Any:
    client = FakeClassifierClient(reply)
    service = QuestionService(
        classifier=client,
        label_sets=LabelSetApplier(store=FakeLabelSetStore({("acme", "moods"): PETS})),
        limits=RequestLimits(**limits),
        rules=DirectRules(),
    )
    return service.ask(body, tenant=ACME, log_id="log", preference=prefer or Preference()), client.commands


def test_the_predictions_are_those_of_each_question_by_its_name() -> None:
    answer, (command,) = ask()

    assert answer.predictions == {"mood": ["angry"], "topics": [["billing", "delivery"]]}
    assert answer.warnings == ["a", "b"]
    assert (answer.scores, answer.errors) == (None, None)
    assert answer.usage.model_dump() == {
        "input_tokens": 6 + 4 + 4,
        "output_tokens": 2,
        "inference_time_tokens": 7,
        "total_tokens": 23,
    }
    assert isinstance(command, AskCommand)
    assert (command.tenant_id, command.grants, [len(asked.labels) for asked in command.questions]) == (
        "acme",
        ACME.grants,
        [2, 2],
    )


def test_scores_and_errors_are_there_if_they_were_asked_for() -> None:
    scores = [[LabelScore(label="angry", probability=0.9, similarity=0.2)]]
    fault = SampleFault(index=0, code="unreadable_image", message="broken")
    reply = ClassifyReply(answers=[result(["angry"], scores=scores, errors=[fault])])

    answer, _ = ask({"dataset": TEXT, "questions": {"mood": MOOD}, "scores": True, "on_error": "null"}, reply)

    assert answer.scores == {"mood": scores}
    assert answer.errors == [fault]


def test_a_question_may_name_a_label_set() -> None:
    reply = ClassifyReply(answers=[result(["angry"])])

    _, (command,) = ask({"dataset": TEXT, "questions": {"mood": {"label_set": "moods"}}}, reply)

    assert [label.value for label in command.questions[0].labels] == ["angry", "calm"]


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

    answer, _ = ask({"dataset": TEXT, "questions": questions}, ClassifyReply(answers=[result(["calm"])] * 400))

    assert len(answer.predictions) == 400


def test_jobs_take_no_questions() -> None:
    with pytest.raises(InvalidRequest, match="Prefer"):
        ask(prefer=Preference(respond_async=True))


def test_questions_that_take_too_long_are_refused() -> None:
    with pytest.raises(TooLarge):
        ask(BODY | {"dataset": [{"type": "text", "value": "x" * 8_000}] * 32})


def test_an_error_of_the_classifier_is_raised() -> None:
    with pytest.raises(UnreadableImage):
        ask(reply=error_reply("unreadable_image", "truncated"))
