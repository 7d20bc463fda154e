"""Several questions about samples are answered by one reading, and each as if it had been asked alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import UnfetchableUrl
from support.fake_encoder import COLOURS
from support.fake_model import RecordingEncoder, fake_pipeline
from support.fake_web import GRANTS, FakeWeb, image_file

Body = dict[str, Any]
SINGLE: Body = {"labels": [{"type": "text", "value": "red"}, {"type": "text", "value": "green"}]}
MULTIPLE: Body = {"labels": [{"type": "text", "value": name} for name in COLOURS], "multiple_labels": True}
WITH_EXAMPLE: Body = {"labels": [*SINGLE["labels"], {"key": "sea", "type": "image", "value": "blue.png"}]}
TEMPLATED: Body = {**SINGLE, "prompt_templates": ["it is {}"], "top_k": 1}
QUESTIONS = [SINGLE, MULTIPLE, WITH_EXAMPLE, TEMPLATED]


def web() -> FakeWeb:
    return FakeWeb({"blue.png": image_file("blue"), "wide.png": image_file("red"), "red.png": image_file("red")})


def ask(questions: list[Body], dataset: list[tuple[str, str]], *, pipeline: Any = None, **fields: Any) -> list[ChunkResult]:
    request = {
        "dataset": [{"type": kind, "value": value} for kind, value in dataset],
        "questions": {str(position): question for position, question in enumerate(questions)},
        "scores": True,
        **fields,
    }
    command = ClassifyCommand.model_validate(
        {"log_id": "log", "tenant_id": "acme", "grants": GRANTS, "request": request}, context=RequestLimits(max_samples=100)
    )
    return (pipeline or fake_pipeline(web())).ask(command)


def probabilities(result: ChunkResult) -> list[dict[str, float]]:
    return [{score.label: score.probability for score in scores or ()} for scores in result.scores or ()]


@pytest.mark.parametrize("dataset", [[("text", "a red car")], [("image", "red.png")], [("text", "red"), ("text", "blue")]])
def test_a_question_has_the_same_answer_alone_and_among_others(dataset: list[tuple[str, str]]) -> None:
    together = ask(QUESTIONS, dataset)

    for question, result in zip(QUESTIONS, together, strict=True):
        (alone,) = ask([question], dataset)
        assert result.predictions == alone.predictions
        for ours, theirs in zip(probabilities(result), probabilities(alone), strict=True):
            assert ours == pytest.approx(theirs, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(len(QUESTIONS))))
def test_the_order_of_questions_changes_nothing(order: list[int]) -> None:
    straight = ask(QUESTIONS, [("text", "a red car")])

    mixed = ask([QUESTIONS[index] for index in order], [("text", "a red car")])

    assert [result.predictions for result in mixed] == [straight[index].predictions for index in order]
    assert [probabilities(result) for result in mixed] == [probabilities(straight[index]) for index in order]


def test_each_image_is_fetched_and_encoded_once() -> None:
    fetcher, encoder = web(), RecordingEncoder()
    pipeline = fake_pipeline(fetcher, encoder=encoder)

    ask([SINGLE, WITH_EXAMPLE, TEMPLATED, WITH_EXAMPLE], [("image", "red.png")], pipeline=pipeline)

    assert sorted(fetcher.fetched) == ["blue.png", "red.png"]
    assert encoder.images == 2


def test_each_label_text_is_encoded_once_in_one_batch() -> None:
    encoder = RecordingEncoder()
    calls: list[int] = []
    encode, encoder.encode_text = encoder.encode_text, lambda texts: calls.append(len(texts)) or encode(texts)  # type: ignore[func-returns-value,method-assign]

    ask([SINGLE, MULTIPLE, SINGLE], [("image", "red.png")], pipeline=fake_pipeline(web(), encoder=encoder))

    assert len(encoder.texts) == len(set(encoder.texts))
    assert len(calls) == 1


def test_a_sample_that_can_not_be_read_has_an_error_in_each_answer() -> None:
    results = ask([SINGLE, MULTIPLE], [("image", "red.png"), ("image", "gone.png")], on_error="null")

    assert [result.predictions for result in results] == [[["red"], None], [["red"], None]]
    assert [[fault.index for fault in result.errors] for result in results] == [[1], [1]]


def test_an_example_image_that_can_not_be_read_is_named_by_its_question() -> None:
    broken = {"labels": [*SINGLE["labels"], {"type": "image", "value": "gone.png"}]}

    with pytest.raises(UnfetchableUrl, match=r"^questions\.1\.labels\.2\.value: "):
        ask([SINGLE, broken], [("text", "red")])


def test_the_samples_are_classified_in_groups() -> None:
    results = ask([SINGLE, MULTIPLE], [("text", "red")] * 70)

    assert [len(result.predictions) for result in results] == [70, 70]
