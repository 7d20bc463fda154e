"""Images are decoded in processes that the kernel limits. An image that ends its process affects no other."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from pigeonhole.errors import SampleError, TooLarge, UnreadableImage, UnsupportedMedia
from pigeonhole.inference.encoders import preprocess
from pigeonhole.inference.encoders.image_spec import ImageSpec
from pigeonhole.inference.images import decode_pool
from pigeonhole.inference.images.decode_pool import START_S, DecodePool
from pigeonhole.inference.images.decoder import ImageDecoder
from pigeonhole.inference.images.in_process_decoder import InProcessDecoder
from pigeonhole.inference.images.limits import ImageLimits
from support import fits
from support.pictures import photo, save

SPEC = ImageSpec(side=32, resize="shortest_edge", edge=36, resample="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
LIMITS = ImageLimits(max_pixels=1_000_000)
RED, BLUE = (save(Image.new("RGB", (40, 40), colour), "PNG") for colour in ("red", "blue"))
BLUE_VIEW = fits.shrink(Image.new("RGB", (40, 40), "blue"))[np.newaxis]


def pool_of(
    fit: Callable[[Image.Image], fits.Pixels], limits: ImageLimits = LIMITS, side: int = 4, **options: float
) -> DecodePool:
    return DecodePool(fit, limits, side=side, **options)


@pytest.fixture(scope="module", params=[InProcessDecoder, DecodePool])
def decoder(request: pytest.FixtureRequest) -> ImageDecoder:
    decoder: ImageDecoder = request.param(partial(preprocess.fit, spec=SPEC), LIMITS, side=32)
    return decoder


@pytest.mark.parametrize("every_part", [False, True])
def test_the_views_of_a_file_are_those_of_the_encoder(decoder: ImageDecoder, every_part: bool) -> None:
    wide = photo("coffee.png").resize((300, 90))

    views = decoder.decode(save(wide, "PNG"), every_part=every_part)

    assert views.shape == (4 if every_part else 1, 32, 32, 3)
    assert np.array_equal(views[0], preprocess.fit(wide, SPEC))


@pytest.mark.parametrize(
    ("file", "error", "message"),
    [
        (save(photo("coffee.png"), "PNG")[:1_000], UnreadableImage, "broken or cut off"),
        (b"%PDF-1.7", UnsupportedMedia, "PDF"),
        (save(Image.new("RGB", (1_001, 1_000)), "PNG"), TooLarge, "1 megapixels"),
        (b"", UnreadableImage, "empty"),
    ],
)
def test_a_file_that_is_refused_raises_its_error(
    decoder: ImageDecoder, file: bytes, error: type[SampleError], message: str
) -> None:
    with pytest.raises(error, match=message):
        decoder.decode(file)


@pytest.mark.parametrize(
    ("fit", "limits", "error", "message"),
    [
        (fits.spin_on_red, ImageLimits(max_cpu_s=0.3), TooLarge, r"more than 0\.3 s to decode"),
        (fits.allocate_on_red, ImageLimits(max_memory_bytes=300_000_000), TooLarge, "more than 300 MB to decode"),
        (fits.crash_on_red, ImageLimits(), UnreadableImage, "makes its decoder fail"),
    ],
    ids=["CPU time", "memory", "crash"],
)
def test_an_image_that_ends_its_process_costs_only_itself(
    fit: Callable[[Image.Image], fits.Pixels], limits: ImageLimits, error: type[SampleError], message: str
) -> None:
    pool = pool_of(fit, limits)

    for _ in range(2):
        with pytest.raises(error, match=message):
            pool.decode(RED)
        assert np.array_equal(pool.decode(BLUE), BLUE_VIEW)


@pytest.mark.parametrize(
    ("kind", "limit_s"), [("PNG", 100), ("JPEG", 100), ("WEBP", 100), ("TIFF", 100), ("HEIF", 200), ("AVIF", 200)]
)
def test_heif_and_avif_have_twice_the_cpu_time(kind: str, limit_s: float) -> None:
    pool = pool_of(fits.cpu_limit, ImageLimits(max_cpu_s=100))

    (left_s,) = struct.unpack_from("<d", pool.decode(save(Image.new("RGB", (40, 40)), kind)).tobytes())

    assert left_s == pytest.approx(limit_s, abs=20)  # a tick of the kernel may be added


def test_an_image_that_takes_too_long_is_told_the_limit_of_its_format() -> None:
    with pytest.raises(TooLarge, match=r"more than 0\.6 s to decode"):
        pool_of(fits.spin, ImageLimits(max_cpu_s=0.3)).decode(save(Image.new("RGB", (40, 40)), "HEIF"))


def test_a_decoder_that_waits_for_ever_is_ended() -> None:
    with pytest.raises(TooLarge, match="to decode"):
        pool_of(fits.sleep, answer_s=0.1).decode(BLUE)


def message(content: bytes) -> bytes:
    return struct.pack("!i", len(content)) + content


def answer(**fields: object) -> bytes:
    return message(json.dumps(fields).encode())


def pixels(*shape: object, size: int) -> bytes:
    return answer(shape=shape) + message(bytes(size))


WRONG_ANSWERS = {
    "no JSON": message(b"junk"),
    "no object": message(b"[]"),
    "nested JSON": message(b"[" * 100_000),
    "no shape": answer(),
    "an error that isn't one of an image": answer(code="internal_error", message="a"),
    "an unknown error": answer(code="a", message="a"),
    "an error without a message": answer(code="too_large"),
    "an error whose message is no text": answer(code="too_large", message=[1]),
    "another side": pixels(1, 2, 8, 3, size=48),
    "too few bytes": pixels(1, 4, 4, 3, size=47),
    "a shape that doesn't match": pixels(2, 4, 4, 3, size=48),
    "no view": pixels(0, 4, 4, 3, size=0),
    "more views than asked for": pixels(2, 4, 4, 3, size=96),
    "a long message": struct.pack("!i", 2**30),
    "long pixels": answer(shape=[1, 4, 4, 3]) + struct.pack("!i", 2**30),
    "a length below zero": struct.pack("!i", -5),
}


@pytest.mark.parametrize("wrong", WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_a_wrong_answer_costs_only_its_image(wrong: bytes) -> None:
    """The socket gives nothing to this process that it doesn't check: a file may have taken over its decoder."""
    pool = pool_of(partial(fits.write_on_red, answer=wrong))

    with pytest.raises(UnreadableImage, match="makes its decoder fail"):
        pool.decode(RED)
    assert np.array_equal(pool.decode(BLUE), BLUE_VIEW)


def test_an_encoder_that_cuts_to_another_side_costs_only_its_image() -> None:
    with pytest.raises(UnreadableImage, match="makes its decoder fail"):
        pool_of(fits.wrong_shape_on_red).decode(RED)


@pytest.mark.parametrize("begun", [b"\0", struct.pack("!i", 20), answer(shape=[1, 4, 4, 3])], ids=["length", "JSON", "pixels"])
def test_a_process_that_stops_within_its_answer_is_ended(begun: bytes) -> None:
    pool = pool_of(partial(fits.write_on_red, answer=begun, pause_s=3_600), answer_s=1)

    with pytest.raises(TooLarge, match="to decode"):
        pool.decode(RED)
    assert np.array_equal(pool.decode(BLUE), BLUE_VIEW)


def test_a_process_imports_nothing_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("import os; os._exit(5)")
    monkeypatch.chdir(tmp_path)

    assert np.array_equal(pool_of(fits.shrink).decode(BLUE), BLUE_VIEW)


def decode_pid(pool: DecodePool) -> int:
    pid: int = struct.unpack_from("<Q", pool.decode(BLUE).tobytes())[0]
    return pid


def test_a_process_decodes_one_image_after_another() -> None:
    pool = pool_of(fits.process_id)

    assert decode_pid(pool) == decode_pid(pool) != os.getpid()


def test_a_refused_file_does_not_end_its_process() -> None:
    pool = pool_of(fits.process_id)
    before = decode_pid(pool)
    with suppress(SampleError):
        pool.decode(b"no image")

    assert decode_pid(pool) == before


def test_images_at_once_have_a_process_each() -> None:
    pool = pool_of(fits.stop)
    with ThreadPoolExecutor(3) as threads:
        decoded = [threads.submit(decode_pid, pool) for _ in range(3)]
        stopped = {_wait_for_a_stop() for _ in range(3)}
        for process in stopped:
            os.kill(process, signal.SIGCONT)

    assert {pid.result() for pid in decoded} == stopped
    assert len(stopped) == 3


def _wait_for_a_stop() -> int:
    """Return the id of the next child process that stops."""
    deadline_s = time.monotonic() + START_S
    while (stop := os.waitid(os.P_ALL, 0, os.WSTOPPED | os.WNOHANG)) is None:
        assert time.monotonic() < deadline_s, "no process has stopped"
        time.sleep(0.01)
    return stop.si_pid


def test_an_idle_process_that_the_system_ended_is_replaced() -> None:
    pool = pool_of(fits.process_id)
    before = decode_pid(pool)
    os.kill(before, signal.SIGKILL)
    os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)

    assert decode_pid(pool) != before


def start_ahead() -> int:
    """Start a process before there is a pool, and return its id."""
    before = children()
    decode_pool.start_ahead()
    (started,) = children() - before
    return started


def children() -> set[int]:
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # the thread has ended
            found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found


def test_a_process_that_was_started_ahead_decodes_the_first_image() -> None:
    started = start_ahead()
    pool = pool_of(fits.process_id)

    assert [decode_pid(pool), decode_pid(pool)] == [started, started]
    assert decode_pid(pool_of(fits.process_id)) != started


def test_a_process_that_was_started_ahead_and_has_ended_is_replaced() -> None:
    started = start_ahead()
    os.kill(started, signal.SIGKILL)
    os.waitid(os.P_PID, started, os.WEXITED | os.WNOWAIT)

    assert decode_pid(pool_of(fits.process_id)) != started


def test_processes_end_with_their_pool() -> None:
    pool = pool_of(fits.process_id)
    pid = decode_pid(pool)
    del pool
    gc.collect()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")

    names = pool_of(fits.environment, side=16).decode(BLUE).tobytes().rstrip(b"\0").decode().split()

    assert "PYTHONPATH" in names
    assert "AWS_SECRET_ACCESS_KEY" not in names


def test_a_process_can_open_nothing_and_no_process_of_its_user_reads_its_memory() -> None:
    reached = pool_of(fits.reach, side=16).decode(BLUE).tobytes().rstrip(b"\0")

    assert reached == b""


def test_the_memory_of_a_process_with_a_pool_is_hidden() -> None:
    ctypes.CDLL(None).prctl(fits.PR_SET_DUMPABLE, 1, 0, 0, 0)
    assert fits.is_memory_readable()

    pool_of(fits.shrink)

    assert not fits.is_memory_readable()


def files_of_every_kind() -> Iterator[tuple[str, bytes]]:
    """Yield a file of each format in each mode that Pillow writes."""
    picture = photo("coffee.png").resize((60, 40))
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF"):
        for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"):
            with suppress(OSError, ValueError, KeyError):
                yield f"{kind} {mode}", save(picture.convert("L" if mode == "I;16" else "RGB").convert(mode), kind)
    for compression in ("tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate", "group4"):
        mode = "1" if compression == "group4" else "RGB"
        yield f"TIFF {compression}", save(picture.convert(mode), "TIFF", compression=compression)
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(picture, *profiles, outputMode="LAB")
    assert lab is not None
    yield "TIFF LAB", save(lab, "TIFF")
    transparent = Image.new("P", (8, 8))
    yield "GIF of a transparent colour", save(transparent, "GIF", transparency=0)


@pytest.mark.filterwarnings("ignore:Image.Image.getdata is deprecated")  # by pillow-heif, which only writes here
def test_no_kind_of_file_needs_what_a_process_can_not_open() -> None:
    """Pillow imports some of its modules when a picture needs them."""
    files = dict(files_of_every_kind())
    assert len(files) > 50
    pool, in_process = pool_of(fits.shrink), InProcessDecoder(fits.shrink, LIMITS, 4)

    different = [name for name, file in files.items() if not np.array_equal(pool.decode(file), in_process.decode(file))]

    assert different == []


def test_a_process_that_does_not_start_is_a_fault_of_the_service() -> None:
    with pytest.raises(RuntimeError, match="doesn't start: exit code 3"):
        pool_of(fits.Unpicklable()).decode(BLUE)
