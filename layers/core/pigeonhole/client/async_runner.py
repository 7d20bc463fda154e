"""Performs the steps of flows with asyncio."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from pigeonhole.client.exchange import RetryPolicy, send_with_retries
from pigeonhole.client.flow import Attempt, Flow, HttpRequest, HttpResponse, Lost, Parallel, Read, Step
from pigeonhole.client.transport import Endpoint, from_httpx, to_lost

T = TypeVar("T")


@dataclass(frozen=True)
class AsyncRunner:
    """Runs flows.

    Attributes:
        endpoint: The API.
        retries: When a request is sent again.
        concurrency: How many flows run at the same time.
        http: The connections.
    """

    endpoint: Endpoint
    retries: RetryPolicy
    concurrency: int
    http: httpx.AsyncClient

    async def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, and return its result."""
        outcome: Any = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = await self._perform(step)

    async def _perform(self, step: Step) -> Any:
        if isinstance(step, HttpRequest):
            return await self.run(send_with_retries(step, self.retries))
        if isinstance(step, Attempt):
            return await self._send(step.request)
        if isinstance(step, Read):
            return await asyncio.to_thread(step.function)
        if isinstance(step, Parallel):
            return await self._run_parallel(step)
        return await asyncio.sleep(step.seconds)

    async def _send(self, request: HttpRequest) -> HttpResponse | Lost:
        try:
            return from_httpx(await self.http.request(**self.endpoint.to_httpx(request)))
        except httpx.RequestError as error:
            return to_lost(error)

    async def _run_parallel(self, step: Parallel) -> list[Any]:
        results = dict[int, Any]()
        running: dict[asyncio.Task[Any], int] = {}

        async def collect() -> None:
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                results[running.pop(task)] = task.result()
                step.on_end(task.result())

        try:
            # In a thread: to take the next flow may mean to read files and to encode images.
            while (flow := await asyncio.to_thread(next, step.flows, None)) is not None:
                running[asyncio.create_task(self.run(flow))] = len(results) + len(running)
                if len(running) == self.concurrency:
                    await collect()
            while running:
                await collect()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        return [results[index] for index in sorted(results)]
