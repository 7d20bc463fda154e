"""TypeSafe's questions are translated to choices among labels, and the results to its answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.contract.validation import LocatedFault
from pigeonhole.errors import InvalidRequest, UnreadableImage
from support.decisions import Decisions, PipelineClient
from support.fake_model import fake_pipeline
from support.fake_web import FakeWeb
from support.fakes import FakeClassifierClient, error_reply

NOUL = {"type": "noul", "instructions": "Is this about billing?"}
CHOICE = {"type": "choice", "instructions": "What is the tone?", "criteria": {"calm": "a polite message", "angry": None}}
SCORE = {"type": "score", "instructions": "How urgent is it?", "criteria": ["can wait", {"due": "this week"}, "today"]}
ASSETS = {"<one>": {"type": "image", "format": "png", "data_base64": "AAAA"}, "<two>": {"type": "image", "part": "asset-1"}}
FILES = {"asset-1": b"\xff\xd8"}


def body(state: Any = "I was charged twice.", *, assets: Any = None, **questions: Any) -> dict[str, Any]:
    return {"model": "jev-latest", "state": state, "questions": questions} | ({} if assets is None else {"assets": assets})


def faults(request: object, files: dict[str, bytes] | None = None) -> dict[tuple[str | int, ...], str]:
    with pytest.raises(InvalidRequest) as caught:
        Decisions().system_one(request, files)
    return {fault.location: fault.message for fault in caught.value.details if isinstance(fault, LocatedFault)}


# ------------------------------------------------------------------------------------------------------------ the answers


def test_the_answers_have_the_names_the_order_and_the_shape_of_the_questions() -> None:
    answer = Decisions().system_one(body(z=SCORE, a=CHOICE, b=NOUL))

    assert answer == {
        "model": "fake",
        "answers": {
            "z": {
                "type": "score",
                "score": 0.75,
                "confidence": 0.25,
                "legend": {"0": "can wait", "1": {"due": "this week"}, "2": "today"},
                "probabilities": {"0": 0.5, "1": 0.25, "2": 0.25},
            },
            "a": {"type": "choice", "choice": "calm", "confidence": 0, "probabilities": {"calm": 0.5, "angry": 0.5}},
            "b": {"type": "noul", "noul": 0.5},
        },
        "usage": {"input_tokens": 6 + 3 * 4, "output_tokens": 3},
    }
    assert [*answer["answers"]] == ["z", "a", "b"]


def test_descriptions_join_the_names_of_choices_and_levels_are_texts() -> None:
    decisions = Decisions()
    decisions.system_one(body(a=CHOICE, b=SCORE))

    assert decisions.labels == [
        [("calm", "calm"), ("calm", "a polite message"), ("angry", "angry")],
        [("0", "can wait"), ("1", "due: this week"), ("2", "today")],
    ]
    assert [question.instruction for question in decisions.request.questions.values()] == [None, None]


def test_levels_that_mean_nothing_alone_are_read_with_the_instructions() -> None:
    decisions = Decisions()
    decisions.system_one(body(a={**SCORE, "criteria": ["low", "medium", "high"]}))

    assert decisions.labels == [[("0", "not urgent"), ("1", "somewhat urgent"), ("2", "very urgent")]]


def test_criteria_of_a_noul_are_texts_of_yes_and_no() -> None:
    decisions = Decisions()
    criteria = {"true": "unsolicited advertising", "false": ["a conversation"]}
    decisions.system_one(body(a={"type": "noul", "criteria": criteria}, b={"type": "noul", "criteria": {"true": "spam"}}))

    assert decisions.labels == [
        [("yes", "unsolicited advertising"), ("no", "a conversation")],
        [("yes", "spam"), ("no", "not spam")],
    ]


# ------------------------------------------------------------------------------------------------------------- the images


@pytest.mark.parametrize(
    ("state", "address", "context"),
    [
        ("<one>", "data:image/any;base64,AAAA", None),
        ({"photo": "<two>", "shop": "Ann's"}, "data:image/any;base64,/9g=", "photo: \nshop: Ann's"),
        (["see <one>"], "data:image/any;base64,AAAA", "see"),
    ],
)
def test_an_image_is_classified_wherever_its_placeholder_stands(state: Any, address: str, context: str | None) -> None:
    decisions = Decisions()
    decisions.system_one(body(state, assets=ASSETS, a=CHOICE), FILES)

    (sample,) = decisions.request.dataset
    assert (sample.type, sample.value) == ("image", address)
    assert decisions.request.questions["0"].instruction == context


def test_an_image_in_the_criteria_is_an_example_of_its_choice() -> None:
    decisions = Decisions()
    question = {"type": "choice", "criteria": {"logo": "a drawing <one>", "photo": "<two>"}}
    decisions.system_one(body("a text", assets=ASSETS, a=question), FILES)

    assert [(label.name, label.type, label.value) for label in decisions.request.questions["0"].labels] == [
        ("logo", "text", "logo"),
        ("logo", "text", "a drawing"),
        ("logo", "image", "data:image/any;base64,AAAA"),
        ("photo", "text", "photo"),
        ("photo", "image", "data:image/any;base64,/9g="),
    ]


def test_a_part_goes_before_base64() -> None:
    decisions = Decisions()
    both = {"<a>": {"part": "asset-1", "data_base64": "AAAA"}}
    decisions.system_one(body("<a>", assets=both, q=NOUL), FILES)

    assert decisions.request.dataset[0].value == "data:image/any;base64,/9g="


# ------------------------------------------------------------------------------------------------------------- the faults


@pytest.mark.parametrize(
    ("request_body", "location", "words"),
    [
        ({"model": "m", "questions": {"a": NOUL}}, ("state",), "required"),
        ({"state": "a", "questions": {"a": NOUL}}, ("model",), "required"),
        (body(3, a=NOUL), ("state",), "string, an object or an array"),
        (body("", a=NOUL), ("state",), "blank"),
        (body({"a": None}, a=NOUL), ("state",), "blank"),
        (body(), ("questions",), "1 to 400 questions, got 0"),
        (body(**{str(n): NOUL for n in range(401)}), ("questions",), "got 401"),
        (body(a={"type": "guess"}), ("questions", "a"), "noul"),
        (body(a={"type": "box", "instructions": "The dog"}), ("questions", "a", "box"), "no places"),
        (body(a={"type": "noul"}), ("questions", "a", "noul"), "`instructions` or `criteria`"),
        (body(a={"type": "choice"}), ("questions", "a", "choice", "criteria"), "required"),
        (body(a={"type": "choice", "criteria": {"b": None}}), ("questions", "a", "choice", "criteria"), "2 to 255"),
        (body(**{"a.b": {"type": "score", "criteria": ["b"]}}), ("questions", "a.b", "score", "criteria"), "2 to 255"),
        (body(a={"type": "score", "criteria": ["b"] * 256}), ("questions", "a", "score", "criteria"), "got 256"),
        (body(a={"type": "choice", "criteria": {"b": None, "c": "d" * 513}}), ("questions", "a"), "512"),
        (body(a={"type": "score", "criteria": ["b", {}]}), ("questions", "a"), "words or an image"),
        (body(a={"type": "choice", "criteria": {"b": "c", " ": None}}), ("questions", "a"), "blank"),
        (body(a={"type": "noul", "instructions": "<one>"}, assets=ASSETS), ("questions", "a", "noul", "instructions"), "image"),
        (body("<one> <two>", a=NOUL, assets=ASSETS), ("state",), "at most one image, got 2"),
        (body("a", a=NOUL, assets={"<one>": {"type": "image"}}), ("assets", "<one>"), "`data_base64` or `part`"),
        (body("a", a=NOUL, assets={"<one>": {"type": "video"}}), ("assets", "<one>", "type"), "'image'"),
        (body("a", a=NOUL, assets={str(n): ASSETS["<one>"] for n in range(1_001)}), ("assets",), "at most 1000"),
        (body("a", a=NOUL, assets={" ": ASSETS["<one>"]}), ("assets",), "blank"),
    ],
)
def test_a_fault_is_named_by_its_place(request_body: object, location: tuple[str | int, ...], words: str) -> None:
    assert words in faults(request_body, FILES)[location]


def test_a_part_that_is_missing_is_named() -> None:
    assert "part" in faults(body("<two>", assets=ASSETS, a=NOUL))[("assets", "<two>", "part")]


def test_an_image_that_cannot_be_read_is_a_fault_of_its_asset() -> None:
    reply = error_reply("unreadable_image", "dataset.0.value: no image", {"path": "dataset.0.value", "message": "no image"})

    with pytest.raises(UnreadableImage) as caught:
        Decisions(FakeClassifierClient(reply)).system_one(body("<one>", assets=ASSETS, a=NOUL), FILES)

    (fault,) = caught.value.details
    assert isinstance(fault, LocatedFault)
    assert fault.location == ("assets", "<one>")


def test_an_example_image_that_cannot_be_read_is_a_fault_of_its_question() -> None:
    detail = {"path": "questions.1.labels.2.value", "message": "no image"}
    reply = error_reply("unreadable_image", "questions.1.labels.2.value: no image", detail)
    question = {"type": "choice", "criteria": {"logo": "<one>", "photo": None}}

    with pytest.raises(UnreadableImage) as caught:
        Decisions(FakeClassifierClient(reply)).system_one(body("a", assets=ASSETS, a=NOUL, b=question), FILES)

    (fault,) = caught.value.details
    assert isinstance(fault, LocatedFault)
    assert fault.location == ("questions", "b")


@pytest.mark.parametrize("text", ["\ud800", {"\ud800": "a"}])
def test_half_of_a_surrogate_pair_is_refused(text: Any) -> None:
    assert "surrogate" in str(faults(body(text, a=NOUL)))
    assert "surrogate" in str(faults(body("a", a={"type": "score", "criteria": [text, "b"]})))


# --------------------------------------------------------------------------------------------------------- the properties


@settings(max_examples=20, deadline=None)
@given(names=st.lists(st.text(min_size=1, max_size=20), min_size=3, max_size=3, unique=True), order=st.permutations(range(3)))
def test_the_order_and_the_names_of_questions_and_choices_change_no_answer(names: list[str], order: list[int]) -> None:
    decisions = Decisions(PipelineClient(fake_pipeline(FakeWeb({}))))
    turned = [NOUL, {**CHOICE, "criteria": dict(reversed([*CHOICE["criteria"].items()]))}, SCORE]

    straight = decisions.system_one(body(a=NOUL, b=CHOICE, c=SCORE))["answers"]
    mixed = decisions.system_one(body(**{names[index]: turned[index] for index in order}))["answers"]

    assert [*mixed] == [names[index] for index in order]
    assert [mixed[name] for name in names] == [straight[name] for name in "abc"]


def test_a_question_alone_and_among_50_has_one_answer() -> None:
    decisions = Decisions(PipelineClient(fake_pipeline(FakeWeb({}))))
    others = {str(n): {**NOUL, "instructions": f"a text about {n}"} for n in range(49)}

    alone = decisions.system_one(body(tone=CHOICE))["answers"]["tone"]
    among = decisions.system_one(body(**others, tone=CHOICE))["answers"]["tone"]

    assert among["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)
