"""The result of a command has the order of the request, and says which samples failed."""

from __future__ import annotations

from support.fake_model import fake_pipeline
from support.fake_web import RED_GREEN, FakeWeb, classify_command, image_file


def test_predictions_have_the_order_of_the_request() -> None:
    web = FakeWeb({"a": image_file("green"), "b": image_file("red")})
    samples = [("image", "a"), ("image", "b"), ("image", "a")]
    result = fake_pipeline(web).classify(classify_command(samples, RED_GREEN, scores=True))
    assert result.predictions == [["green"], ["red"], ["green"]]
    assert result.scores is not None
    assert [scores[0].label for scores in result.scores if scores] == ["green", "red", "green"]
    assert result.errors == []


def test_with_on_error_null_the_other_samples_are_classified() -> None:
    samples = [("image", "missing"), ("image", "good"), ("image", "forbidden:x")]
    result = fake_pipeline(FakeWeb({"good": image_file("green")})).classify(
        classify_command(samples, RED_GREEN, on_error="null", scores=True)
    )
    assert result.predictions == [None, ["green"], None]
    assert result.scores is not None
    assert [scores is None for scores in result.scores] == [True, False, True]
    assert [(fault.index, fault.code) for fault in result.errors] == [(0, "unfetchable_url"), (2, "forbidden_url")]


def test_top_k_limits_several_labels() -> None:
    labels = [*RED_GREEN, {"type": "text", "value": "blue"}]
    result = fake_pipeline(FakeWeb({})).classify(
        classify_command([("text", "red green")], labels, multiple_labels=True, threshold=0, top_k=2)
    )
    assert result.predictions[0] is not None
    assert sorted(result.predictions[0]) == ["green", "red"]


def test_usage_counts_words_and_image_patches() -> None:
    result = fake_pipeline(FakeWeb({"a": image_file("red")})).classify(classify_command([("image", "a")], RED_GREEN))
    assert result.input_tokens == 1 + 2
    assert result.output_tokens == 1
    assert result.inference_ms >= 0
