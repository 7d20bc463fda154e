"""A bounded number of slots with a bounded queue."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from pigeonhole.errors import Overloaded
from pigeonhole_cli.local.asgi import ClientGone

RETRY_AFTER_S = 10  # the queue is long, or its requests are


class Slots:
    """Slots for requests. A request that finds none free waits, first come, first served.

    All calls are made on one event loop.

    Attributes:
        free: The slots that are free. If there are any, the queue is empty.
    """

    def __init__(self, count: int, *, max_queued: int, max_wait_s: float) -> None:
        """Create free slots.

        Args:
            count: The number of slots.
            max_queued: How many requests may wait at the same time.
            max_wait_s: How long a request waits.
        """
        self.free = count
        self._max_queued, self._max_wait_s = max_queued, max_wait_s
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def queued(self) -> int:
        """How many requests wait."""
        return len(self._queue)

    async def acquire(self, leaving: asyncio.Future[Any]) -> None:
        """Wait for a slot. The caller releases it.

        Args:
            leaving: Is done when the client has gone. Its place in the queue is then free.

        Raises:
            ClientGone: The client has gone.
            Overloaded: The queue is full, or no slot was free in time.
        """
        if self.free:
            self.free -= 1
            return
        if self.queued >= self._max_queued:
            raise _overloaded(f"{self._max_queued} requests are waiting for their turn already. Try again later.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await asyncio.wait((turn, leaving), timeout=self._max_wait_s, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                raise ClientGone
            if not turn.done():
                raise _overloaded(f"The request waited {self._max_wait_s:g} s for its turn. Try again later.")
        except BaseException:
            if turn.done():
                self.release()
            else:
                self._queue.remove(turn)
            raise

    def release(self) -> None:
        """Give a slot to the request that has waited longest, or make it free."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self.free += 1


def _overloaded(message: str) -> Overloaded:
    error = Overloaded(message)
    error.retry_after_s = RETRY_AFTER_S
    return error
