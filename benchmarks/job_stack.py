"""A local stack of its own that does jobs, and what it took: seconds, calls to AWS, runs of functions."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from pigeonhole.contract.jobs import JOBS
from pigeonhole_cli.local.command import ROOT, manage_keys
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from plain_processes import request_of

PATIENCE_S = 3_600.0
QUIET_S, MOST_PAUSES = 2.0, 20  # after a job: until nothing has been noted for so long
REPORT = re.compile(r"^REPORT .*\tDuration: (\d+) ms\t.*\tMemory Size: (\d+) MB")
TENANT = "benchmark"
TIMESTAMP = "%Y-%m-%d %H:%M:%S,%f%z"  # Powertools'


@dataclass(frozen=True)
class Invocation:
    """One run of a function, named as in the template."""

    function: str
    seconds: float
    megabytes: int


@dataclass(frozen=True)
class Counts:
    """What a stretch of time took. `calls`, `units`: recording_server.py's lines, of functions named as in the template."""

    calls: list[dict[str, Any]]
    units: list[dict[str, Any]]
    invocations: list[Invocation]

    def runs_of(self, function: str) -> list[Invocation]:
        """The runs of one function, named as in the template."""
        return [it for it in self.invocations if it.function == function]

    @property
    def chunks(self) -> int:
        """Messages that workers did: each has a run of its own."""
        return len(self.runs_of("WorkerFunction"))


@dataclass(frozen=True)
class JobRun(Counts):
    """What became of a job. Seconds count from the moment before the request: `first_s` to the first chunk's results being
    stored, `took_s` to the last one's.
    """

    predictions: list[Any]
    first_s: float
    took_s: float

    @property
    def working_s(self) -> float:
        """How long workers ran, added up."""
        return sum(it.seconds for it in self.runs_of("WorkerFunction"))


@dataclass(frozen=True)
class Mark:
    """Where a stretch of time begins: `at`, seconds since 1970, and how many lines of each kind were there before."""

    at: float
    lines: Mapping[str, int]


class Queue:
    """A deployed stack, which does jobs. `http`: a client of its API with a key of the tenant TENANT."""

    def __init__(self, process: LocalProcess, stack: LocalStack, key: str, noted: Mapping[str, Path]) -> None:
        self.stack = stack
        self.http = httpx.Client(base_url=process.api_url, headers={"x-api-key": key}, timeout=60, trust_env=False)
        self.resources = stack.resources()
        self._noted = noted
        self._functions = {made: name for name, made in self.resources.items() if name.endswith("Function")}
        self._logs = {name: made for name, made in self.resources.items() if name.endswith("Logs")}

    def close(self) -> None:
        self.http.close()

    def run(self, urls: Sequence[str]) -> JobRun:
        """Submit a job, wait for its end, and for all that comes after it."""
        mark = self.mark()
        job = self.http.post(JOBS, json=request_of(urls)).raise_for_status().json()["job"]
        answer = self._wait(job["id"])
        counts = self.counts_since(mark)
        worked = [line for line in self._logged("Worker", mark.at) if line.get("job_id") == job["id"]]
        return JobRun(
            calls=counts.calls,
            units=counts.units,
            invocations=counts.invocations,
            predictions=answer["predictions"],
            first_s=min(datetime.strptime(line["timestamp"], TIMESTAMP).timestamp() for line in worked) - mark.at,
            took_s=datetime.fromisoformat(answer["job"]["finished_at"]).timestamp() - mark.at,
        )

    def mark(self) -> Mark:
        """Begin to count."""
        lines = {kind: len(self._lines(kind)) for kind in self._noted}
        return Mark(time.time(), lines)

    def counts_since(self, mark: Mark) -> Counts:
        """Wait until nothing follows any more, and count what there was since then."""
        self._settle()
        return Counts(
            calls=self._of_functions("RECORD", mark.lines["RECORD"]),
            units=self._of_functions("UNITS", mark.lines["UNITS"]),
            invocations=list(self._invocations(mark.at)),
        )

    def _wait(self, job_id: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            answer: dict[str, Any] = self.http.get(f"{JOBS}/{job_id}?wait=20").raise_for_status().json()
            if "finished_at" in answer["job"]:
                if answer["job"]["progress"]["failed"]:
                    raise SystemExit(f"photos could not be read: {answer['errors'][:3]}")
                return answer
        raise SystemExit(f"the job has not ended within {PATIENCE_S:.0f} s")

    def _settle(self) -> None:
        """Wait until nothing follows any more: a worker's own end, what a job's end sets off."""
        before = -1
        for _ in range(MOST_PAUSES):
            # Of functions alone: to ask for their logs is a call, too.
            now = len(self._of_functions("RECORD", 0)) + len(list(self._invocations(0)))
            if now == before:
                return
            before = now
            time.sleep(QUIET_S)

    def _lines(self, kind: str) -> list[str]:
        return self._noted[kind].read_text().splitlines()

    def _of_functions(self, kind: str, first: int) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._lines(kind)[first:]]
        named = [line | {"function": self._functions.get(line["principal"].rpartition("/")[2])} for line in lines]
        return [line for line in named if line["function"]]

    def _events(self, group: str, since: float) -> Iterator[str]:
        pages = self.stack.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=int(since * 1000)):
            yield from (event["message"] for event in page["events"])

    def _logged(self, function: str, since: float) -> Iterator[dict[str, Any]]:
        for message in self._events(self._logs[f"{function}Logs"], since):
            if message.startswith("{"):
                yield json.loads(message)

    def _invocations(self, since: float) -> Iterator[Invocation]:
        for name, group in self._logs.items():
            for message in self._events(group, since):
                if found := REPORT.match(message):
                    yield Invocation(name.removesuffix("Logs") + "Function", int(found[1]) / 1000, int(found[2]))


@contextmanager
def deployed_queue(
    settings: Mapping[str, str], workers: int, chunk: int, parameters: Mapping[str, str] | None = None
) -> Iterator[Queue]:
    """Bring up a local stack of its own. `settings`: of each of the `workers`; `chunk`: photos in a message; `parameters`: of
    the template, beside theirs."""
    of_chunks = {"PIGEONHOLE_IMAGE_CHUNK": str(chunk)}
    of_functions = {"WorkerFunction": settings, "ApiFunction": of_chunks, "IngestFunction": of_chunks}
    with TemporaryDirectory() as folder:
        noted = {kind: Path(folder) / f"{kind.lower()}.jsonl" for kind in ("RECORD", "UNITS")}
        for path in noted.values():
            path.touch()
        environment = {"PYTHONPATH": str(Path(__file__).parent), **{kind: str(path) for kind, path in noted.items()}}
        sockets = open_port(0, ""), open_port(0, "")
        with (
            LocalProcess(Path(folder) / "data", *sockets, module="recording_server", environment=environment) as process,
            LocalStack(process.aws_url, "pigeonhole", ROOT) as stack,
        ):
            outputs = stack.deploy(
                classify_concurrency=1,
                settings=of_functions,
                parameters={"WorkerConcurrency": str(workers), **(parameters or {})},
            )
            process.route_to(outputs["ApiId"], outputs["StageName"])
            queue = Queue(process, stack, manage_keys(stack, outputs).create(TENANT, "jobs").value, noted)
            try:
                yield queue
            finally:
                queue.close()
