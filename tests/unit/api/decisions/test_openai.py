"""OpenAI's questions are translated to choices among labels, and the results to its answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.contract.commands import ClassifyReply
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.validation import LocatedFault
from pigeonhole.errors import InvalidRequest, TooLarge, UnreadableImage
from support.decisions import Decisions, PipelineClient
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb
from support.fakes import FakeClassifierClient, error_reply

PREDICATE = {"type": "predicate", "name": "billing", "instructions": "Is this about billing?"}
CHOICE = {
    "type": "choice",
    "name": "tone",
    "instructions": "What is the tone?",
    "choices": [{"value": "calm", "description": "a polite message"}, {"value": "angry"}, {"value": "excited"}],
}
SCORE = {
    "type": "score",
    "instructions": "How urgent is it?",
    "levels": [{"label": "can wait"}, {"label": "this week"}, {"label": "today", "description": "an emergency"}],
}
BARE = {**CHOICE, "choices": [{"value": "low"}, {"value": "high"}]}  # mean nothing without the instructions
IMAGE = {"type": "input_image", "image_url": "https://example.com/a.jpg", "detail": "low"}


def body(*questions: dict[str, Any], content: Any = "I was charged twice.") -> dict[str, Any]:
    return {"model": "gpt-6-luna", "input": content, "questions": list(questions)}


def message(*parts: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


def faults(decisions: Decisions, request: object) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidRequest) as caught:
        decisions.decide(request)
    assert all(isinstance(fault, LocatedFault) for fault in caught.value.details)
    return {fault.location: fault.message for fault in caught.value.details if isinstance(fault, LocatedFault)}


# ------------------------------------------------------------------------------------------------------------ the answers


def test_the_answers_are_in_the_order_and_the_shape_of_the_questions() -> None:
    answer = Decisions().decide(body(PREDICATE, CHOICE, SCORE))

    assert answer == {
        "model": "fake",
        "answers": [
            {"type": "predicate", "name": "billing", "probability": 0.5},
            {
                "type": "choice",
                "name": "tone",
                "choice": "calm",
                "confidence": 0.25,
                "probabilities": [
                    {"value": "calm", "probability": 0.5},
                    {"value": "angry", "probability": 0.25},
                    {"value": "excited", "probability": 0.25},
                ],
            },
            {
                "type": "score",
                "name": None,
                "score": 0.75,
                "confidence": 0.25,
                "probabilities": [
                    {"label": "can wait", "value": 0, "probability": 0.5},
                    {"label": "this week", "value": 1, "probability": 0.25},
                    {"label": "today", "value": 2, "probability": 0.25},
                ],
            },
        ],
        "usage": {
            "input_tokens": 6 + 3 * 4,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 21,
        },
    }


def test_one_command_asks_all_questions_about_one_sample() -> None:
    decisions = Decisions()
    decisions.decide(body(PREDICATE, CHOICE, SCORE))

    request = decisions.request
    assert [(sample.type, sample.value) for sample in request.dataset] == [("text", "I was charged twice.")]
    assert [question.instruction for question in request.questions.values()] == [None, None, None]
    assert decisions.labels[1:] == [
        [("calm", "calm"), ("calm", "a polite message"), ("angry", "angry"), ("excited", "excited")],
        [("0", "can wait"), ("1", "this week"), ("2", "today"), ("2", "an emergency")],
    ]
    assert [name for name, _ in decisions.labels[0]] == ["yes", "no"]


def test_a_boolean_and_a_string_of_the_same_text_are_two_choices() -> None:
    choices = [{"value": "true"}, {"value": True, "description": "it is so"}, {"value": False, "description": "it isn't"}]

    (answer,) = Decisions().decide(body({**CHOICE, "choices": choices}))["answers"]

    assert [row["value"] for row in answer["probabilities"]] == ["true", True, False]
    assert [row["probability"] for row in answer["probabilities"]] == [0.5, 0.25, 0.25]


def test_a_string_may_look_like_the_name_of_a_boolean() -> None:
    choices = [{"value": "true (boolean)"}, {"value": True, "description": "it is so"}]

    (answer,) = Decisions().decide(body({**CHOICE, "choices": choices}))["answers"]

    assert [row["value"] for row in answer["probabilities"]] == ["true (boolean)", True]


def test_a_boolean_without_a_description_is_the_answer_to_the_instructions() -> None:
    decisions = Decisions()
    question = {"type": "choice", "instructions": "spam", "choices": [{"value": True}, {"value": False}]}
    decisions.decide(body(question, {"type": "predicate", "instructions": "spam"}))

    assert [[value for _, value in labels] for labels in decisions.labels] == [["spam", "not spam"]] * 2


def test_a_question_with_an_image_is_refused_alone() -> None:
    refused = {**PREDICATE, "name": "odd", "instructions": [text("the same as"), IMAGE]}

    answer = Decisions().decide(body(PREDICATE, refused, CHOICE))

    assert [(row["type"], row["name"]) for row in answer["answers"]] == [
        ("predicate", "billing"),
        ("refusal", "odd"),
        ("choice", "tone"),
    ]
    (warning,) = answer["warnings"]
    assert "image" in warning


def test_all_questions_may_be_refused() -> None:
    answer = Decisions().decide(body({**PREDICATE, "instructions": [IMAGE]}))

    assert (answer["model"], [row["type"] for row in answer["answers"]]) == ("fake", ["refusal"])


# ------------------------------------------------------------------------------------------------------------ the content


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ([message(text("one"), text("two"))], "one\ntwo"),
        ([{"type": "message", "role": "user", "content": "one"}, message(text("two"), role="assistant")], "one\ntwo"),
        ([message({"type": "output_text", "text": "hi"}, {"type": "refusal", "refusal": "no"}, role="assistant")], "hi\nno"),
        ([message({"type": "input_json", "data": {"a": {"b": 1}}})], "a b: 1"),
        ([message({"type": "input_json", "data": [{"a": 1}, {"a": 2}]})], "a: 1\na: 2"),
        (
            [
                {"type": "function_call", "call_id": "1", "name": "refund", "arguments": '{"id": 7}'},
                {"type": "function_call_output", "call_id": "1", "output": "done"},
                {"type": "custom_tool_call", "call_id": "2", "name": "note", "input": "late"},
                {"type": "custom_tool_call_output", "call_id": "2", "output": [text("kept")]},
            ],
            'refund({"id": 7})\ndone\nnote(late)\nkept',
        ),
    ],
)
def test_the_texts_of_an_input_are_one_sample(content: Any, value: str) -> None:
    decisions = Decisions()
    decisions.decide(body(PREDICATE, content=content))

    assert decisions.request.dataset[0].value == value


@pytest.mark.parametrize("role", ["system", "developer"])
def test_instructions_to_a_generating_model_are_not_classified_and_the_answer_says_so(role: str) -> None:
    decisions = Decisions()
    answer = decisions.decide(body(PREDICATE, content=[message(text("Be brief."), role=role), message(text("hello"))]))

    assert decisions.request.dataset[0].value == "hello"
    assert len(answer["warnings"]) == 1


def test_an_image_is_classified_and_the_text_beside_it_is_context() -> None:
    decisions = Decisions()
    decisions.decide(body(PREDICATE, BARE, content=[message(text("from a shop"), IMAGE)]))

    request = decisions.request
    assert [(sample.type, sample.value) for sample in request.dataset] == [("image", "https://example.com/a.jpg")]
    assert [question.instruction for question in request.questions.values()] == ["from a shop", "What is the tone\nfrom a shop"]


def test_the_context_of_an_image_is_cut_where_an_instruction_ends() -> None:
    decisions = Decisions(limits=RequestLimits(max_instruction_chars=25))
    decisions.decide(body(BARE, content=[message(text("from a shop in town"), IMAGE)]))

    assert decisions.request.questions["0"].instruction == "What is the tone\nfrom a s"


# ------------------------------------------------------------------------------------------------------------- the faults


@pytest.mark.parametrize(
    ("request_body", "location", "words"),
    [
        ({"model": "m", "questions": [PREDICATE]}, ("input",), "required"),
        ({"input": "a", "questions": [PREDICATE]}, ("model",), "required"),
        ({"model": "m", "input": "a"}, ("questions",), "required"),
        (body(), ("questions",), "1 to 400 questions, got 0"),
        (body(*[PREDICATE] * 401), ("questions",), "1 to 400 questions, got 401"),
        (body({"type": "guess"}), ("questions", 0), "predicate, choice or score"),
        (body({**CHOICE, "choices": [{"value": str(n)} for n in range(256)]}), ("questions", 0, "choices"), "255"),
        (body({**CHOICE, "choices": [{"value": "a"}] * 2}), ("questions", 0, "choices"), "distinct"),
        (body({**CHOICE, "choices": [{"value": 1}, {"value": "a"}]}), ("questions", 0, "choices", 0, "value"), "string"),
        (body({**CHOICE, "choices": [{"value": "a"}, {"value": " "}]}), ("questions", 0, "choices", 1, "value"), "blank"),
        (body({**SCORE, "levels": [{"label": "a"}, {"label": ""}]}), ("questions", 0, "levels", 1, "label"), "must not be"),
        (body({**SCORE, "levels": [{"label": "a"}]}), ("questions", 0, "levels"), "2 to 255"),
        (body({**PREDICATE, "instructions": " "}), ("questions", 0, "instructions"), "must say"),
        (body({**PREDICATE, "instructions": [{"type": "input_audio"}]}), ("questions", 0, "instructions", 0), "input_text"),
        (body(PREDICATE, content=""), ("input",), "blank"),
        (body(PREDICATE, content=[]), ("input",), "blank"),
        (body(PREDICATE, content="a" * 8_001), ("input",), "8000"),
        (body(PREDICATE, content=[message(IMAGE, IMAGE)]), ("input",), "at most one image, got 2"),
        (body(PREDICATE, content=[{"type": "reasoning"}]), ("input", 0), "message"),
        (body(PREDICATE, content=[message(text("a"), role="tool")]), ("input", 0, "role"), "'user'"),
        (body(PREDICATE, content=[message({"type": "input_json", "data": "a"})]), ("input", 0, "content", 0, "data"), "object"),
        ([], (), "must be a JSON object"),
    ],
)
def test_a_fault_is_named_by_its_place(request_body: object, location: tuple[str | int, ...], words: str) -> None:
    assert words in faults(Decisions(), request_body)[location]


def test_json_that_is_nested_too_deeply_is_refused() -> None:
    data: dict[str, Any] = {}
    for _ in range(32):
        data = {"a": data}

    assert "32 levels" in str(faults(Decisions(), body(PREDICATE, content=[message({"type": "input_json", "data": data})])))


def test_400_questions_of_many_choices_are_refused_by_the_limit_on_texts() -> None:
    questions = [{**CHOICE, "choices": [{"value": f"{n} {m}"} for m in range(255)]} for n in range(16)]

    assert "4000 distinct label texts together, got 4080" in faults(Decisions(), body(*questions))[("questions",)]


def test_an_image_that_cannot_be_read_is_a_fault_of_the_input() -> None:
    reply = error_reply("unreadable_image", "dataset.0.value: no image", {"path": "dataset.0.value", "message": "no image"})

    with pytest.raises(UnreadableImage) as caught:
        Decisions(FakeClassifierClient(reply)).decide(body(PREDICATE, content=[message(IMAGE)]))

    assert (caught.value.message, [fault.path for fault in caught.value.details]) == ("input: no image", ["input"])


def test_too_large_a_command_is_raised_as_it_is() -> None:
    with pytest.raises(TooLarge, match="the request"):
        Decisions(FakeClassifierClient(TooLarge("the request is too large"))).decide(body(PREDICATE))


def test_a_reply_without_answers_is_an_internal_error() -> None:
    with pytest.raises(Exception, match="went wrong"):
        Decisions(FakeClassifierClient(ClassifyReply())).decide(body(PREDICATE))


# --------------------------------------------------------------------------------------------------------- the properties


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_questions_and_choices_changes_no_answer(seed: int) -> None:
    decisions = Decisions(PipelineClient(fake_pipeline(FakeWeb({}))))
    shuffled = random.Random(seed)
    values = shuffled.sample(["calm", "angry", "excited", "not a complaint", "other"], 4)
    choice = {**CHOICE, "name": "choice", "choices": [{"value": value} for value in values]}
    permuted = {**choice, "choices": shuffled.sample(choice["choices"], 4)}
    questions = [{**PREDICATE, "name": "predicate"}, choice, {**SCORE, "name": "score"}]

    one = decisions.decide(body(*questions))
    other = decisions.decide(body(*shuffled.sample([questions[0], permuted, questions[2]], 3)))

    assert by_name(one) == by_name(other)


@settings(max_examples=20, deadline=None)
@given(names=st.lists(st.text(max_size=20), min_size=3, max_size=3))
def test_the_names_of_questions_change_no_answer(names: list[str]) -> None:
    decisions = Decisions(PipelineClient(fake_pipeline(FakeWeb({}))))
    questions = [PREDICATE, CHOICE, SCORE]

    unnamed = decisions.decide(body(*({**question, "name": None} for question in questions)))["answers"]
    named = decisions.decide(body(*({**question, "name": name} for question, name in zip(questions, names, strict=True))))

    assert [row.get("name") for row in named["answers"]] == names
    assert [{**row, "name": None} for row in named["answers"]] == [{**row, "name": None} for row in unnamed]


def test_a_question_alone_and_among_50_has_one_answer() -> None:
    decisions = Decisions(PipelineClient(fake_pipeline(FakeWeb({}))))
    others = [{**PREDICATE, "name": str(n), "instructions": f"a text about {n}"} for n in range(49)]

    alone = decisions.decide(body(CHOICE))["answers"][0]
    among = decisions.decide(body(*others[:25], CHOICE, *others[25:]))["answers"][25]

    assert [row["probability"] for row in among["probabilities"]] == pytest.approx(
        [row["probability"] for row in alone["probabilities"]], abs=1e-6
    )


def by_name(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answers by name, with the choices in the order of their values."""
    named = {row["name"]: dict(row) for row in answer["answers"]}
    named["choice"]["probabilities"] = sorted(named["choice"]["probabilities"], key=lambda row: str(row["value"]))
    return named
