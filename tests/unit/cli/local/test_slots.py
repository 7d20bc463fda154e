"""Slots: first come, first served; a place in the queue ends with its client; a full queue refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pigeonhole.errors import Overloaded
from pigeonhole_cli.local.asgi import ClientGone
from pigeonhole_cli.local.slots import RETRY_AFTER_S, Slots
from support.cli.asgi import in_loop, settle


def slots(count: int = 1, *, max_queued: int = 10, max_wait_s: float = 60) -> Slots:
    return Slots(count, max_queued=max_queued, max_wait_s=max_wait_s)


def stays() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


@in_loop
async def test_free_slots_are_given_at_once() -> None:
    two = slots(2)

    await two.acquire(stays())
    await two.acquire(stays())

    assert two.free == 0


@in_loop
async def test_the_longest_waiting_is_next() -> None:
    one, order = slots(), []
    await one.acquire(stays())

    async def wait(name: str) -> None:
        await one.acquire(stays())
        order.append(name)
        one.release()

    waiting = [asyncio.ensure_future(wait(name)) for name in "abc"]
    await settle()
    one.release()
    await asyncio.gather(*waiting)

    assert order == ["a", "b", "c"]
    assert one.free == 1


@in_loop
async def test_a_client_that_leaves_frees_its_place() -> None:
    one, leaving = slots(max_queued=1), stays()
    await one.acquire(stays())
    waiting = asyncio.ensure_future(one.acquire(leaving))
    await settle()
    leaving.set_result(None)
    with pytest.raises(ClientGone):
        await waiting

    next_one = asyncio.ensure_future(one.acquire(stays()))  # it has room in the queue
    await settle()
    one.release()
    await next_one

    assert one.free == 0


@in_loop
async def test_a_slot_that_comes_as_its_client_leaves_goes_to_the_next() -> None:
    one, leaving = slots(), stays()
    await one.acquire(stays())
    first, second = asyncio.ensure_future(one.acquire(leaving)), asyncio.ensure_future(one.acquire(stays()))
    await settle()

    one.release()
    leaving.set_result(None)

    with pytest.raises(ClientGone):
        await first
    await second


@in_loop
async def test_a_canceled_request_gives_its_slot_back() -> None:
    one = slots()
    await one.acquire(stays())
    first, second = asyncio.ensure_future(one.acquire(stays())), asyncio.ensure_future(one.acquire(stays()))
    await settle()

    one.release()
    first.cancel()

    await second
    assert first.cancelled()


@in_loop
async def test_a_full_queue_refuses() -> None:
    one = slots(max_queued=1)
    await one.acquire(stays())
    waiting = asyncio.ensure_future(one.acquire(stays()))
    await settle()

    with pytest.raises(Overloaded, match="1 requests are waiting") as refused:
        await one.acquire(stays())

    assert refused.value.retry_after_s == RETRY_AFTER_S
    waiting.cancel()


@in_loop
async def test_a_wait_ends() -> None:
    one = slots(max_wait_s=0.01)
    await one.acquire(stays())

    with pytest.raises(Overloaded, match=r"waited 0\.01 s") as refused:
        await one.acquire(stays())

    assert refused.value.retry_after_s == RETRY_AFTER_S
    one.release()
    assert one.free == 1, "the request that gave up has no place in the queue"
