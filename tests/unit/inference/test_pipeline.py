"""A command's samples: fetched once each, faults told apart by sample and label, answers in the request's order."""

import gc
import io
import threading
from collections.abc import Mapping, Sequence

import pytest
from PIL import Image

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import Overloaded, UnfetchableUrl, UnreadableImage
from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.fake_encoder import COLOURS, FakeEncoder
from pigeonhole.inference.images.decode import ImageLimits
from pigeonhole.inference.images.fetch import ByteBudget, SourceBusy
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from pigeonhole.inference.scoring.calibration import prior_calibration
from support.fake_model import fake_background
from support.fake_web import GRANTS, RED_GREEN, Web, command, png


def bmp(colour: str, size: int) -> bytes:
    """A picture of three bytes per pixel."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), COLOURS[colour]).save(file, "BMP")
    return file.getvalue()


def service(web: Web, **limits: int) -> InferencePipeline:
    encoder, sentence = FakeEncoder(), FakeEncoder(model_id="sentence")
    image = ImageLimits(max_bytes=1_000_000, max_pixels=1_000_000)
    return InferencePipeline(
        sources=web,
        classifier=Classifier(
            encoder=encoder, sentence=sentence, calibration=prior_calibration(encoder.info), background=fake_background()
        ),
        limits=ChunkLimits(image, **limits),
    )


class Weighed(Web):
    """Values whose bytes count against the budget."""

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        data = super().read(value, grants=grants, budget=budget)
        budget.check_item(len(data))
        budget.spend(len(data))
        return data


def test_images_are_answered_in_the_requests_order() -> None:
    web = Web({"a": png("green"), "b": png("red")})
    result = service(web).classify(command([("image", "a"), ("image", "b"), ("image", "a")], RED_GREEN, scores=True))
    assert result.predictions == [["green"], ["red"], ["green"]]
    assert result.scores is not None
    assert [scores[0].label for scores in result.scores if scores] == ["green", "red", "green"]
    assert result.errors == []


def test_texts_and_mixed_labels() -> None:
    labels = [*RED_GREEN, {"key": "sea", "type": "image", "value": "blue.png"}]
    result = service(Web({"blue.png": png("blue")})).classify(command([("text", "a red car")], labels))
    assert result.predictions == [["red"]]
    assert result.scores is None


def side_by_side(*colours: str) -> bytes:
    file = io.BytesIO()
    canvas = Image.new("RGB", (40 * len(colours), 40))
    for position, colour in enumerate(colours):
        canvas.paste(COLOURS[colour], (40 * position, 0, 40 * position + 40, 40))
    canvas.save(file, "PNG")
    return file.getvalue()


def test_several_labels_are_found_from_end_to_end_of_a_long_picture() -> None:
    web = Web({"wide": side_by_side("red", "blue", "green")})
    labels = [{"type": "text", "value": colour} for colour in ("red", "green", "blue", "yellow")]
    asked = command([("image", "wide")], labels, multiple_labels=True, threshold=0.9, scores=True)
    result = service(web).classify(asked)
    assert result.predictions[0] is not None
    assert set(result.predictions[0]) == {"red", "green", "blue"}


def test_a_single_label_is_that_of_the_models_own_crop() -> None:
    web = Web({"wide": side_by_side("red", "blue", "green")})
    labels = [{"type": "text", "value": colour} for colour in ("red", "green", "blue", "yellow")]
    assert service(web).classify(command([("image", "wide")], labels)).predictions == [["blue"]]


def test_each_address_is_read_once_with_the_tenants_grants() -> None:
    web = Web({"a": png("red"), "b": png("green")})
    labels = [{"key": "one", "type": "image", "value": "a"}, {"key": "two", "type": "image", "value": "b"}]
    service(web).classify(command([("image", "a"), ("image", "a")], labels))
    assert sorted(web.reads) == ["a", "b"]
    assert set(web.grants) == {GRANTS}


def test_a_bad_sample_fails_the_request_with_every_fault_and_its_path() -> None:
    web = Web({"good": png("red"), "broken": png("red")[:-30]})
    samples = [("image", "good"), ("image", "broken"), ("image", "forbidden:x")]
    with pytest.raises(UnreadableImage) as caught:
        service(web).classify(command(samples, RED_GREEN))
    assert caught.value.message.startswith("dataset.1.value: ")
    assert [fault.path for fault in caught.value.details] == ["dataset.1.value", "dataset.2.value"]


def test_on_error_null_keeps_the_rest() -> None:
    web = Web({"good": png("green")})
    result = service(web).classify(
        command([("image", "missing"), ("image", "good"), ("image", "forbidden:x")], RED_GREEN, on_error="null", scores=True)
    )
    assert result.predictions == [None, ["green"], None]
    assert result.scores is not None
    assert [scores is None for scores in result.scores] == [True, False, True]
    assert [(fault.index, fault.code) for fault in result.errors] == [(0, "unfetchable_url"), (2, "forbidden_url")]


def test_a_picture_that_turns_out_broken_is_not_kept_in_memory() -> None:
    """An error's traceback would hold the frames of the decoder, and those its pixels."""
    web = Web({str(number): png("red")[:-30] for number in range(10)})
    run, asked = service(web), command([("image", value) for value in web.files], RED_GREEN, on_error="null")
    gc.collect()
    gc.disable()  # it would hide what hangs on a cycle until it happens to run
    try:
        before = living_pictures()
        result = run.classify(asked)
        left = living_pictures() - before
    finally:
        gc.enable()

    assert len(result.errors) == 10
    assert left == 0


def living_pictures() -> int:
    return sum(issubclass(type(thing), Image.Image) for thing in gc.get_objects())  # isinstance asks proxies, too


def test_nothing_readable_is_still_an_answer() -> None:
    result = service(Web({})).classify(command([("image", "missing")], RED_GREEN, on_error="null"))
    assert result.predictions == [None]
    assert [fault.index for fault in result.errors] == [0]


def test_a_bad_label_fails_the_request_even_with_on_error_null() -> None:
    labels = [*RED_GREEN, {"type": "image", "value": "missing"}]
    with pytest.raises(UnfetchableUrl, match=r"^labels\.2\.value: "):
        service(Web({"good": png("green")})).classify(command([("image", "good")], labels, on_error="null"))


def test_images_are_fetched_concurrently_but_no_more_than_the_limit() -> None:
    web = Web({str(k): png("red", 16 + k) for k in range(32)}, delay_s=0.05)
    result = service(web, fetches=8).classify(command([("image", str(k)) for k in range(32)], RED_GREEN))
    assert result.predictions == [["red"]] * 32
    assert web.most_at_once == 8


def test_a_whole_request_is_fetched_at_once() -> None:
    """Every fetch waits for all the others: with fewer at a time, the barrier would break."""
    together = threading.Barrier(32 + 22)

    class Meeting(Web):
        def read(
            self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
        ) -> bytes:
            together.wait(timeout=20)
            return super().read(value, grants=grants, budget=budget)

    web = Meeting({str(k): png("red", 16 + k) for k in range(32 + 22)})
    labels = [*RED_GREEN, *({"type": "image", "value": str(32 + k)} for k in range(22))]
    result = service(web).classify(command([("image", str(k)) for k in range(32)], labels))
    assert len(result.predictions) == 32


def test_top_k_and_multiple_labels_shape_the_answer() -> None:
    result = service(Web({})).classify(
        command(
            [("text", "red green")], [*RED_GREEN, {"type": "text", "value": "blue"}], multiple_labels=True, threshold=0, top_k=2
        )
    )
    assert result.predictions[0] is not None
    assert sorted(result.predictions[0]) == ["green", "red"]


def test_usage_counts_words_and_pictures() -> None:
    result = service(Web({"a": png("red")})).classify(command([("image", "a")], RED_GREEN))
    assert result.input_tokens == 1 + 2
    assert result.output_tokens == 1
    assert result.inference_ms >= 0


def test_a_jobs_image_never_fails_for_the_size_of_others() -> None:
    """A request's images are bounded together; who drops a file into a bucket knows nothing of the others."""
    large = {str(number): bmp(("red", "green")[number % 2], 320) for number in range(8)}  # 307 KB each
    asked = command([("image", value) for value in large], RED_GREEN, on_error="null")

    in_request = service(Weighed(large), request_bytes=1_000_000).classify(asked)
    in_job = service(Weighed(large), request_bytes=1_000_000).classify(asked.model_copy(update={"is_job": True}))

    assert [fault.code for fault in in_request.errors] == ["too_large"] * 5
    assert in_job.errors == []
    assert in_job.predictions == [["red"], ["green"]] * 4


def test_a_jobs_image_that_is_too_large_itself_is_read_once() -> None:
    web = Weighed({"a": bmp("red", 600), "b": png("green")})
    asked = command([("image", "a"), ("image", "b")], RED_GREEN, on_error="null").model_copy(update={"is_job": True})

    result = service(web).classify(asked)

    assert (result.predictions, [fault.code for fault in result.errors]) == ([None, ["green"]], ["too_large"])
    assert web.reads.count("a") == 1


class Busy(Web):
    """Of its values, `busy` can't be had now."""

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        if value == "busy":
            raise SourceBusy("S3 is too busy")
        return super().read(value, grants=grants, budget=budget)


def test_what_s3_is_too_busy_to_give_is_waited_for_if_the_command_comes_again() -> None:
    run = service(Busy({"a": png("red")}))
    asked = command([("image", "a"), ("image", "busy")], RED_GREEN, on_error="null")

    with pytest.raises(Overloaded):
        run.classify(asked.model_copy(update={"will_be_retried": True}))
    result = run.classify(asked)
    assert (result.predictions, [fault.code for fault in result.errors]) == ([["red"], None], ["unfetchable_url"])
