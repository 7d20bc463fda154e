"""Images in memory are sent as PNG, without loss and upright."""

from __future__ import annotations

import io
import threading
import tracemalloc
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from pigeonhole.client import images
from pigeonhole.client.images import read_image
from pigeonhole.errors import TooLarge, UnreadableImage
from support.cli.job_api import job_answer
from support.client_api import FakeApi, async_call, classify_by_value, respond, upload_answer

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def reopen(data: str | bytes) -> Image.Image:
    assert isinstance(data, bytes)
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("array", [PIXELS, PIXELS[:, :, 0], np.dstack([PIXELS, PIXELS[:, :, :1]])], ids=["rgb", "grey", "rgba"])
def test_an_array_is_sent_without_loss(array: np.ndarray) -> None:
    assert np.array_equal(np.asarray(reopen(read_image(array))), array)


def test_a_pil_image_is_sent_without_loss() -> None:
    assert np.array_equal(np.asarray(reopen(read_image(Image.fromarray(PIXELS)))), PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "F", "I"])
def test_every_mode_can_be_sent(mode: str) -> None:
    assert reopen(read_image(Image.new(mode, (3, 2)))).size == (3, 2)


def test_a_pil_image_is_sent_upright() -> None:
    photo = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.new("RGB", (6, 4)).save(photo, "JPEG", exif=exif)

    assert reopen(read_image(Image.open(photo))).size == (4, 6)


@pytest.mark.parametrize(
    "array", [PIXELS.astype(float), PIXELS[None], PIXELS[:, :, :2], PIXELS[:0]], ids=["float", "batch", "two channels", "empty"]
)
def test_an_array_that_is_no_image_says_what_one_is(array: np.ndarray) -> None:
    with pytest.raises(UnreadableImage, match="must be uint8 and have the shape"):
        read_image(array)


def test_a_truncated_file_that_pil_has_opened_is_unreadable() -> None:
    photo = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(photo, "PNG")

    with pytest.raises(UnreadableImage, match="PIL image can't be encoded"):
        read_image(Image.open(io.BytesIO(photo.getvalue()[:2_000])))


@pytest.mark.parametrize("name", ["missing.png", ".", "a\0b"])
def test_a_file_that_cannot_be_read_says_why(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="can't be read"):
        read_image(f"{tmp_path}/{name}")


def test_an_empty_file_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()

    with pytest.raises(UnreadableImage, match="is empty"):
        read_image(tmp_path / "empty.png")


def test_a_file_that_is_too_large_is_refused_by_its_size(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(images.MAX_FILE_BYTES + 1)
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge, match=r"large\.png must not be larger than 20 MB"):
            read_image(tmp_path / "large.png")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_device_without_an_end_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 1_000)

    with pytest.raises(TooLarge, match="must not be larger"):
        read_image("/dev/zero")


@pytest.mark.parametrize("source", [7, None, ["a.png"]])
def test_another_type_is_refused(source: object) -> None:
    with pytest.raises(TypeError, match="an image must be an address, a path, bytes"):
        read_image(source)  # type: ignore[arg-type]


class WatchedPath:
    """A path that notes in which threads its file is read."""

    def __init__(self, path: Path) -> None:
        self.path, self.threads = path, set[int]()

    def __fspath__(self) -> str:
        self.threads.add(threading.get_ident())
        return str(self.path)


@pytest.mark.parametrize("size", [4, 4_000_000], ids=["inline", "uploaded"])
@pytest.mark.parametrize("method", ["submit_images", "classify_images", "labels"])
def test_files_are_not_read_in_the_event_loop(tmp_path: Path, method: str, size: int) -> None:
    (tmp_path / "a.png").write_bytes(b"x" * size)
    path = WatchedPath(tmp_path / "a.png")

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/v1/uploads"):
            return respond(upload_answer())
        if request.url.host == "bucket.example":
            return respond(status=204)
        return respond(job_answer("queued"), 202) if method == "submit_images" else classify_by_value(request)

    call = async_call(FakeApi(answer))
    if method == "labels":
        call("classify_texts", ["a"], {"cat": path, "dog": "a dog"})
    else:
        call(method, [path], ["cat", "dog"])

    assert path.threads
    assert threading.get_ident() not in path.threads
