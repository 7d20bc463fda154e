"""Performs the steps of flows with threads."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from pigeonhole.client.exchange import RetryPolicy, send_with_retries
from pigeonhole.client.flow import Attempt, Flow, HttpRequest, HttpResponse, Lost, Parallel, Read, Step
from pigeonhole.client.transport import Endpoint, from_httpx, to_lost

T = TypeVar("T")


class _Stopped(Exception):
    """Another flow that ran parallel to this one has failed."""


@dataclass(frozen=True)
class SyncRunner:
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
    http: httpx.Client

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end, and return its result."""
        return self._run(flow, threading.Event())

    def _run(self, flow: Flow[T], stopped: threading.Event) -> T:
        outcome: Any = None
        while True:
            try:
                step = flow.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = self._perform(step, stopped)

    def _perform(self, step: Step, stopped: threading.Event) -> Any:
        if stopped.is_set():
            raise _Stopped
        if isinstance(step, HttpRequest):
            return self._run(send_with_retries(step, self.retries), stopped)
        if isinstance(step, Attempt):
            return self._send(step.request)
        if isinstance(step, Read):
            return step.function()
        if isinstance(step, Parallel):
            return self._run_parallel(step)
        return stopped.wait(step.seconds)

    def _send(self, request: HttpRequest) -> HttpResponse | Lost:
        try:
            return from_httpx(self.http.request(**self.endpoint.to_httpx(request)))
        except httpx.RequestError as error:
            return to_lost(error)

    def _run_parallel(self, step: Parallel) -> list[Any]:
        """Run flows in threads. `on_end` is called in the thread of the caller."""
        stopped, results = threading.Event(), dict[int, Any]()
        running: dict[Future[Any], int] = {}

        def collect() -> None:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                results[running.pop(future)] = future.result()
                step.on_end(future.result())

        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="pigeonhole") as pool:
            try:
                for index, flow in enumerate(step.flows):
                    running[pool.submit(self._run, flow, stopped)] = index
                    if len(running) == self.concurrency:
                        collect()
                while running:
                    collect()
            except BaseException:
                stopped.set()
                raise
        return [results[index] for index in sorted(results)]
