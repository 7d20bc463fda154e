"""The prompt cache keeps the prompts that were used last."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import sleep

import numpy as np
import numpy.typing as npt

from pigeonhole.inference.prompt_cache import PromptCache
from support.fake_model import RecordingEncoder


def test_the_cache_drops_the_least_recently_used_prompt() -> None:
    cache, encoder = PromptCache(size=2), RecordingEncoder()
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.embed("revision", encoder.encode_text, [text])
    assert encoder.texts == ["a", "b", "c", "b"]


def test_two_threads_encode_a_prompt_once() -> None:
    cache, encoder = PromptCache(size=9), RecordingEncoder()
    started, go_on = Event(), Event()

    def encode_slowly(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        started.set()
        assert go_on.wait(10)
        return encoder.encode_text(texts)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.embed, "revision", encode_slowly, ["a", "b"])
        assert started.wait(10)
        second = pool.submit(cache.embed, "revision", encoder.encode_text, ["b", "c"])
        for _ in range(5_000):
            if "c" in encoder.texts:
                break
            sleep(0.001)
        go_on.set()
        embedded, others = first.result(10), second.result(10)

    assert sorted(encoder.texts) == ["a", "b", "c"]
    assert (embedded["b"] == others["b"]).all()


def test_an_error_reaches_every_thread_that_waits_and_is_not_cached() -> None:
    cache, encoder = PromptCache(size=9), RecordingEncoder()
    started, go_on = Event(), Event()

    def fail(_: Sequence[str]) -> npt.NDArray[np.float32]:
        started.set()
        assert go_on.wait(10)
        raise MemoryError("too much")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.embed, "revision", fail, ["a"])
        assert started.wait(10)
        second = pool.submit(cache.embed, "revision", encoder.encode_text, ["a"])
        go_on.set()
        assert isinstance(first.exception(10), MemoryError)
        # It came before the error and shared it, or after it and encoded the prompt itself.
        assert second.exception(10) is first.exception() or encoder.texts == ["a"]

    assert list(cache.embed("revision", encoder.encode_text, ["a"])) == ["a"]
    assert encoder.texts == ["a"]


def test_a_cache_that_is_too_small_still_answers() -> None:
    cache, encoder = PromptCache(size=1), RecordingEncoder()

    assert list(cache.embed("revision", encoder.encode_text, ["a", "b", "a"])) == ["a", "b"]
    assert encoder.texts == ["a", "b"]
