"""Images are fetched concurrently, once each, within the budget, and cut to the model's input."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Mapping, Sequence

import pytest
from PIL import Image

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import Overloaded
from pigeonhole.inference.images.decode_pool import DecodePool
from pigeonhole.inference.images.fetch import ByteBudget, StorageBusy
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.inference.pipeline import InferencePipeline
from support import fits
from support.fake_encoder import COLOURS
from support.fake_model import IMAGE_LIMITS, fake_classifier, fake_pipeline
from support.fake_web import GRANTS, RED_GREEN, FakeWeb, classify_command, image_file
from support.pictures import save


class BudgetedWeb(FakeWeb):
    """A web whose bytes count against the budget."""

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        data = super().fetch(value, grants=grants, budget=budget)
        budget.check_item(len(data))
        budget.spend(len(data))
        return data


class BusyWeb(FakeWeb):
    """A web that can't give the value "busy" now."""

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        if value == "busy":
            raise StorageBusy("S3 is too busy")
        return super().fetch(value, grants=grants, budget=budget)


def side_by_side(*colours: str) -> bytes:
    file = io.BytesIO()
    canvas = Image.new("RGB", (40 * len(colours), 40))
    for position, colour in enumerate(colours):
        canvas.paste(COLOURS[colour], (40 * position, 0, 40 * position + 40, 40))
    canvas.save(file, "PNG")
    return file.getvalue()


COLOUR_LABELS = [{"type": "text", "value": colour} for colour in ("red", "green", "blue", "yellow")]


def test_several_labels_are_found_along_a_long_image() -> None:
    web = FakeWeb({"wide": side_by_side("red", "blue", "green")})
    command = classify_command([("image", "wide")], COLOUR_LABELS, multiple_labels=True, threshold=0.9, scores=True)
    result = fake_pipeline(web).classify(command)
    assert result.predictions[0] is not None
    assert set(result.predictions[0]) == {"red", "green", "blue"}


def test_a_single_label_is_that_of_the_models_own_crop() -> None:
    web = FakeWeb({"wide": side_by_side("red", "blue", "green")})
    assert fake_pipeline(web).classify(classify_command([("image", "wide")], COLOUR_LABELS)).predictions == [["blue"]]


def test_each_value_is_fetched_once_with_the_tenants_grants() -> None:
    web = FakeWeb({"a": image_file("red"), "b": image_file("green")})
    labels = [{"key": "one", "type": "image", "value": "a"}, {"key": "two", "type": "image", "value": "b"}]
    fake_pipeline(web).classify(classify_command([("image", "a"), ("image", "a")], labels))
    assert sorted(web.fetched) == ["a", "b"]
    assert set(web.grants) == {GRANTS}


def test_a_broken_image_is_freed() -> None:
    """The traceback of an error would hold the frames of the decoder, and so its pixels."""
    web = FakeWeb({str(number): image_file("red")[:-30] for number in range(10)})
    pipeline = fake_pipeline(web)
    command = classify_command([("image", value) for value in web.files], RED_GREEN, on_error="null")
    gc.collect()
    gc.disable()  # A collection would free what a reference cycle holds, at a time that the test doesn't control.
    try:
        before = count_images()
        result = pipeline.classify(command)
        left = count_images() - before
    finally:
        gc.enable()

    assert len(result.errors) == 10
    assert left == 0


def count_images() -> int:
    return sum(issubclass(type(thing), Image.Image) for thing in gc.get_objects())  # isinstance would also call proxies


def test_images_are_fetched_concurrently_within_the_limit() -> None:
    web = FakeWeb({str(k): image_file("red", 16 + k) for k in range(32)}, delay_s=0.05)
    result = fake_pipeline(web, fetches=8).classify(classify_command([("image", str(k)) for k in range(32)], RED_GREEN))
    assert result.predictions == [["red"]] * 32
    assert web.max_running == 8


def test_all_images_of_a_full_request_are_fetched_at_the_same_time() -> None:
    """Every fetch waits for all others. With fewer fetches at the same time, the barrier would break."""
    barrier = threading.Barrier(32 + 22)

    class MeetingWeb(FakeWeb):
        def fetch(
            self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
        ) -> bytes:
            barrier.wait(timeout=20)
            return super().fetch(value, grants=grants, budget=budget)

    web = MeetingWeb({str(k): image_file("red", 16 + k) for k in range(32 + 22)})
    labels = [*RED_GREEN, *({"type": "image", "value": str(32 + k)} for k in range(22))]
    result = fake_pipeline(web).classify(classify_command([("image", str(k)) for k in range(32)], labels))
    assert len(result.predictions) == 32


def test_an_image_of_a_job_never_fails_for_the_size_of_others() -> None:
    """The images of a request are limited together. A caller who uploads a file can't know the other files of the job."""
    large = {str(number): image_file(("red", "green")[number % 2], 320, "BMP") for number in range(8)}  # 307 KB each
    command = classify_command([("image", value) for value in large], RED_GREEN, on_error="null")

    in_request = fake_pipeline(BudgetedWeb(large), request_bytes=1_000_000).classify(command)
    in_job = fake_pipeline(BudgetedWeb(large), request_bytes=1_000_000).classify(command.model_copy(update={"is_job": True}))

    assert [fault.code for fault in in_request.errors] == ["too_large"] * 5
    assert in_job.errors == []
    assert in_job.predictions == [["red"], ["green"]] * 4


def test_an_image_of_a_job_that_is_too_large_by_itself_is_fetched_once() -> None:
    web = BudgetedWeb({"a": image_file("red", 600, "BMP"), "b": image_file("green")})
    command = classify_command([("image", "a"), ("image", "b")], RED_GREEN, on_error="null")

    result = fake_pipeline(web).classify(command.model_copy(update={"is_job": True}))

    assert (result.predictions, [fault.code for fault in result.errors]) == ([None, ["green"]], ["too_large"])
    assert web.fetched.count("a") == 1


def test_busy_storage_fails_a_command_that_will_be_retried_and_otherwise_only_the_sample() -> None:
    pipeline = fake_pipeline(BusyWeb({"a": image_file("red")}))
    command = classify_command([("image", "a"), ("image", "busy")], RED_GREEN, on_error="null")

    with pytest.raises(Overloaded):
        pipeline.classify(command.model_copy(update={"will_be_retried": True}))
    result = pipeline.classify(command)
    assert (result.predictions, [fault.code for fault in result.errors]) == ([["red"], None], ["unfetchable_url"])


def test_an_image_that_ends_its_decoder_does_not_affect_31_others() -> None:
    costly = save(Image.new("RGB", (16, 16), (255, 0, 0)), "PNG")
    files = {"costly": costly, **{str(number): image_file("blue") for number in range(31)}}
    pipeline = InferencePipeline(
        image_fetcher=FakeWeb(files),  # type: ignore[arg-type]
        decoder=DecodePool(fits.spin_on_red, ImageLimits(max_cpu_s=0.3), side=4),
        classifier=fake_classifier(),
        limits=ChunkLimits(IMAGE_LIMITS),
    )

    result = pipeline.classify(classify_command([("image", name) for name in files], COLOUR_LABELS, on_error="null"))

    assert result.predictions == [None, *[["blue"]] * 31]
    assert [error.code for error in result.errors] == ["too_large"]
