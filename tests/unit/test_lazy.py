"""A lazy part is opened once, at its first use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from pigeonhole.lazy import Lazy, LazyProxy


def test_threads_share_one_part() -> None:
    opened: list[int] = []

    def open_slowly() -> list[int]:
        sleep(0.01)
        opened.append(len(opened))
        return opened

    lazy = Lazy(open_slowly)
    assert not opened
    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(lambda _: lazy.part, range(8)))

    assert opened == [0]
    assert all(part is opened for part in parts)


def test_a_part_that_failed_is_opened_again() -> None:
    results = iter([None, "open"])

    def open_part() -> str:
        if (result := next(results)) is None:
            raise OSError("not yet")
        return result

    lazy = Lazy(open_part)
    with pytest.raises(OSError, match="not yet"):
        _ = lazy.part
    assert lazy.part == "open"


def test_a_proxy_has_the_attributes_of_its_object() -> None:
    created: list[str] = []

    def create() -> list[str]:
        created.append("x")
        return created

    proxy = LazyProxy(create)
    assert not created
    assert proxy.copy() == ["x"]
    assert proxy.count("x") == 1
    with pytest.raises(AttributeError):
        _ = proxy.missing
