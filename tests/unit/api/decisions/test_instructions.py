"""Of instructions that are an object, only the question is compared with the content."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pigeonhole.api.decisions.instructions import Instructions, read_instructions
from support.decisions import Decisions

QUESTION = "Is this message about billing?"
PARTS = {"field": "billing", "premise": "It is a message.", "question": QUESTION, "goal": "Sort messages."}


@pytest.mark.parametrize(
    ("instructions", "question"),
    [
        (QUESTION, QUESTION),
        (None, None),
        ("{a text in braces}", "{a text in braces}"),
        (PARTS, QUESTION),
        (json.dumps(PARTS), QUESTION),
        (PARTS | {"option": "refunds: money back"}, "refunds: money back"),
        ({"task": "Identify complaints."}, "Identify complaints."),
        ({"field": "billing", "goal": "Sort messages."}, "billing"),
        ({"field": "billing", "question": ""}, "billing"),
        ({"goal": "Sort messages."}, {"goal": "Sort messages."}),
        ([PARTS], [PARTS]),
    ],
)
def test_the_question_is_found(instructions: object, question: object) -> None:
    assert read_instructions(instructions) == Instructions(question)


def test_what_yes_and_no_mean_is_found_beside_the_question() -> None:
    parts: dict[str, Any] = {"question": QUESTION, "yes": "payments", "no": "anything else"}

    assert read_instructions(parts) == Instructions(QUESTION, "payments", "anything else")


def test_both_shapes_ask_the_question_of_such_instructions() -> None:
    openai, typesafe = Decisions(), Decisions()
    instructions = PARTS | {"yes": "payments"}

    openai.decide(
        {
            "model": "m",
            "input": "hello",
            "questions": [
                {"type": "predicate", "instructions": json.dumps(instructions)},
                {"type": "predicate", "instructions": [{"type": "input_json", "data": instructions}]},
            ],
        }
    )
    typesafe.system_one({"model": "m", "state": "hello", "questions": {"q": {"type": "noul", "instructions": instructions}}})

    expected = [("yes", "billing"), ("yes", "payments"), ("no", "not billing")]
    assert openai.labels == [expected, expected]
    assert typesafe.labels == [expected]


def test_meanings_of_yes_and_no_suffice() -> None:
    decisions = Decisions()

    decisions.decide(
        {
            "model": "m",
            "input": "hello",
            "questions": [{"type": "predicate", "instructions": '{"yes": "spam", "no": "a letter"}'}],
        }
    )

    assert decisions.labels == [[("yes", "spam"), ("no", "a letter")]]
