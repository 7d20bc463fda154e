"""Measure the service under load: the latency of the local stack, functions/api's own share, and memory over many requests.

    python benchmarks/load.py --write

- **stack**: 1, 4 and 16 clients send a text or a photo over loopback, one request after another each. The driver is asyncio
  with httpx, which the tests have anyway. locust would bring gevent and fifteen more packages for the same figures.
- **functions**: both functions run under awslambdaric without an emulated AWS (function_pair.py). DynamoDB and Lambda answer
  at once. So the time is functions/api's: parsing, authentication, the rate counter, the invocation, the answer.
- **memory**: the same pair answers 10,000 requests. Every tenth has a photo, and the others have a new text each. The model
  is the bundled one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import document_region
from cold_start import ROOT
from function_pair import Pair, function_pair
from latency import MOODS, SENTENCE, THINGS, to_data_url, to_request_body
from local_stack import running_stack
from machine import describe_run
from packaged_photos import PHOTOS
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

PAGE = ROOT / "docs/performance.md"
CLIENTS = (1, 4, 16)
REQUESTS = 400  # per row of the table of the stack
SHARE_REQUESTS = 1_000
MEMORY_REQUESTS = 10_000
PHOTO_EVERY = 10
MARKS = (0.1, 0.5, 1.0)  # of the requests, at which memory is read
TIMEOUT_S = 60.0
PHOTO = PHOTOS[4]  # 112 KB of JPEG


@dataclass(frozen=True)
class Load:
    """The latencies of a number of clients.

    Attributes:
        request: The name of the request.
        clients: How many requests were in progress at a time.
        seconds: The latency of each request.
        took_s: The seconds from the first request to the last answer.
    """

    request: str
    clients: int
    seconds: Sequence[float]
    took_s: float

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells."""
        latencies = [f"{1000 * percentile(self.seconds, share):.0f}" for share in (50, 95, 99)]
        return (self.request, str(self.clients), *latencies, f"{len(self.seconds) / self.took_s:.1f}")


@dataclass(frozen=True)
class Share:
    """functions/api's own time, if everything that it calls answers at once.

    Attributes:
        request: The name of the request.
        seconds: The time of each request.
        cpu_s: The CPU time of a request in the mean.
    """

    request: str
    seconds: Sequence[float]
    cpu_s: float

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells."""
        times = [f"{1000 * percentile(self.seconds, share):.1f}" for share in (50, 95, 99)]
        return (self.request, *times, f"{1000 * self.cpu_s:.1f}")


@dataclass(frozen=True)
class Memory:
    """Resident bytes of both functions.

    Attributes:
        requests: Requests that were answered before.
        api: functions/api.
        classify: functions/classify, with its decode processes.
    """

    requests: int
    api: int
    classify: int

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells."""
        return (f"{self.requests:,}", f"{self.api / 1e6:.0f}", f"{self.classify / 1e6:.0f}")


def percentile(values: Sequence[float], share: int) -> float:
    """Return the value that `share` percent of the values don't exceed, interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1]


def requests() -> dict[str, dict[str, Any]]:
    """Build the bodies of the measured requests, by their names in the tables."""
    photo = to_data_url(PHOTO)
    return {
        "a text": to_request_body("text", [SENTENCE], MOODS),
        f"a photo, {len(photo) / 1000:.0f} kB inline": to_request_body("image", [photo], THINGS),
    }


def measure_stack(url: str, api_key: str, clients: Sequence[int], count: int) -> list[Load]:
    """Send each request `count` times from each number of clients, after a warm-up with the most clients.

    Raises:
        HTTPStatusError: A request wasn't answered with 200.
    """
    loads = []
    for name, body in requests().items():
        asyncio.run(_drive(url, api_key, body, max(clients), 2 * max(clients)))
        for number in clients:
            started = time.perf_counter()
            seconds = asyncio.run(_drive(url, api_key, body, number, count))
            loads.append(Load(name, number, seconds, time.perf_counter() - started))
    return loads


async def _drive(url: str, api_key: str, body: Mapping[str, Any], clients: int, count: int) -> list[float]:
    """Send a request `count` times, each client one after another, and return all latencies."""
    seconds: list[float] = []
    tickets = iter(range(count))
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    headers = {"x-api-key": api_key}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, limits=limits, trust_env=False) as http:

        async def client() -> None:
            for _ in tickets:  # shared: the loop runs in one thread
                started = time.perf_counter()
                (await http.post("/v1/classification", json=body)).raise_for_status()
                seconds.append(time.perf_counter() - started)

        await asyncio.gather(*(client() for _ in range(clients)))
    return seconds


def measure_shares(pair: Pair, count: int) -> list[Share]:
    """Measure functions/api's own time for each request, after a tenth that isn't counted."""
    shares = []
    for name, body in requests().items():
        with pair.answered_at_once(body):
            for _ in range(count // 10 + 1):
                pair.send(body)
            before = pair.api.cpu_s
            seconds = [pair.send(body) for _ in range(count)]
            shares.append(Share(name, seconds, (pair.api.cpu_s - before) / count))
    return shares


def measure_memory(pair: Pair, count: int) -> Iterator[Memory]:
    """Send requests through both functions, and yield their memory at MARKS."""
    photo = to_request_body("image", [to_data_url(PHOTO)], THINGS)
    marks = {round(mark * count) for mark in MARKS}
    for number in range(1, count + 1):
        text = to_request_body("text", [f"{SENTENCE} It is number {number} of {count}."], MOODS)
        pair.send(text if number % PHOTO_EVERY else photo)
        if number in marks:
            yield Memory(number, pair.api.resident_bytes, pair.classify.resident_bytes)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Format rows as a Markdown table whose first columns are text and whose others are numbers."""
    rule = [*["---"] * text_columns, *["---:"] * (len(head) - text_columns)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *rows))


def report_stack(run: str, loads: Sequence[Load]) -> str:
    """Format the latencies of the stack as Markdown."""
    head = ("request", "clients", "p50, ms", "p95, ms", "p99, ms", "requests/s")
    return f"{run}\n\n{table(head, [load.cells() for load in loads])}"


def report_functions(run: str, shares: Sequence[Share], memory: Sequence[Memory]) -> str:
    """Format functions/api's share and the memory of both functions as Markdown."""
    share_head = ("functions/api alone", "p50, ms", "p95, ms", "p99, ms", "CPU, ms")
    memory_head = ("requests answered", "functions/api, MB", "functions/classify, MB")
    rows = [each.cells() for each in memory]
    return f"{run}\n\n{table(share_head, [share.cells() for share in shares])}\n\n{table(memory_head, rows, 0)}"


def main() -> None:
    """Run the measurements from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="per row of the stack (default: %(default)s)")
    parser.add_argument(
        "--memory-requests", type=int, default=MEMORY_REQUESTS, help="while memory is read (default: %(default)s)"
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/performance.md")
    args = parser.parse_args()
    sys.path.append(str(ROOT / "tests"))
    bundled = cached_folder("tiny", Path(DEFAULT_CACHE))
    prepare("tiny", bundled)
    command = f"python benchmarks/load.py --requests {args.requests} --memory-requests {args.memory_requests} --write"
    run = describe_run(command)
    with function_pair(bundled) as pair:
        shares = measure_shares(pair, SHARE_REQUESTS)
        functions = report_functions(run, shares, list(measure_memory(pair, args.memory_requests)))
    print(functions, flush=True)
    with running_stack() as (url, api_key):
        stack = report_stack(run, measure_stack(url, api_key, CLIENTS, args.requests))
    print(stack)
    if args.write:
        document_region.fill(PAGE, "functions", functions)
        document_region.fill(PAGE, "load", stack)


if __name__ == "__main__":
    main()
