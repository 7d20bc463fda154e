"""A local stack that runs jobs for a benchmark, and counts what they use: seconds, calls to AWS, runs of functions."""

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
from pigeonhole_cli.local.command import ROOT, api_key_manager
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from plain_processes import to_request_body

PATIENCE_S = 3_600.0
QUIET_S, MAX_PAUSES = 2.0, 20  # the stack is idle when no call was noted for one pause
REPORT = re.compile(r"^REPORT .*\tDuration: (\d+) ms\t.*\tMemory Size: (\d+) MB")
LOG_EVENT_BYTES = 26  # that CloudWatch bills for each line beside its text
TENANT = "benchmark"
TIMESTAMP = "%Y-%m-%d %H:%M:%S,%f%z"  # of Powertools' log lines


@dataclass(frozen=True)
class Invocation:
    """One run of a function.

    Attributes:
        function: The function's name in the template.
        seconds: Its duration.
        megabytes: Its memory size.
    """

    function: str
    seconds: float
    megabytes: int


@dataclass(frozen=True)
class Usage:
    """What the stack used in a period.

    Attributes:
        calls: Lines that recording_server.py wrote for calls to AWS. `function` is a name in the template.
        units: Its lines for billed units, likewise.
        invocations: The runs of functions.
    """

    calls: list[dict[str, Any]]
    units: list[dict[str, Any]]
    invocations: list[Invocation]

    def runs_of(self, function: str) -> list[Invocation]:
        """Return the runs of one function, by its name in the template."""
        return [invocation for invocation in self.invocations if invocation.function == function]

    @property
    def chunks(self) -> int:
        """The number of messages that workers processed: each has a run of its own."""
        return len(self.runs_of("WorkerFunction"))


@dataclass(frozen=True)
class JobRun(Usage):
    """The predictions of a job, and how long it took from just before the request.

    Attributes:
        predictions: The job's predictions.
        first_s: Seconds until the results of the first chunk were stored.
        took_s: Seconds until the results of the last chunk were stored.
    """

    predictions: list[Any]
    first_s: float
    took_s: float

    @property
    def working_s(self) -> float:
        """The run time of all workers, added up."""
        return sum(run.seconds for run in self.runs_of("WorkerFunction"))


@dataclass(frozen=True)
class Mark:
    """The start of a period.

    Attributes:
        at: Its time in seconds since 1970.
        lines: How many lines each recorded file had then.
    """

    at: float
    lines: Mapping[str, int]


class BenchmarkStack:
    """A deployed local stack that runs jobs of the tenant TENANT.

    Attributes:
        stack: The deployed stack.
        http: A client of its API, with a key of the tenant.
        resources: The physical ids of its resources, by their names in the template.
    """

    def __init__(self, *, process: LocalProcess, stack: LocalStack, api_key: str, recorded: Mapping[str, Path]) -> None:
        """Connect to a deployed stack.

        Args:
            process: The process of the local stack.
            stack: The deployed stack.
            api_key: A key of the tenant.
            recorded: The files that recording_server.py writes, by the environment variable that names each.
        """
        self.stack = stack
        self.http = httpx.Client(base_url=process.api_url, headers={"x-api-key": api_key}, timeout=60, trust_env=False)
        self.resources = stack.resources()
        self._recorded = recorded
        self._functions = {physical: name for name, physical in self.resources.items() if name.endswith("Function")}
        self._logs = {name: physical for name, physical in self.resources.items() if name.endswith("Logs")}

    def close(self) -> None:
        """Close the HTTP client."""
        self.http.close()

    def run(self, urls: Sequence[str]) -> JobRun:
        """Run a job on the photos at `urls`, and wait until the stack is idle.

        Raises:
            SystemExit: The job didn't end in time, or couldn't read a photo.
        """
        mark = self.mark()
        job = self.http.post(JOBS, json=to_request_body(urls)).raise_for_status().json()["job"]
        answer = self._wait(job["id"])
        usage = self.usage_since(mark)
        lines_of_job = [line for line in self._log_lines("Worker", mark.at) if line.get("job_id") == job["id"]]
        return JobRun(
            calls=usage.calls,
            units=usage.units,
            invocations=usage.invocations,
            predictions=answer["predictions"],
            first_s=min(datetime.strptime(line["timestamp"], TIMESTAMP).timestamp() for line in lines_of_job) - mark.at,
            took_s=datetime.fromisoformat(answer["job"]["finished_at"]).timestamp() - mark.at,
        )

    def mark(self) -> Mark:
        """Mark the start of a period."""
        lines = {variable: len(self._lines(variable)) for variable in self._recorded}
        return Mark(time.time(), lines)

    def usage_since(self, mark: Mark) -> Usage:
        """Wait until the stack is idle, and count what it used since the mark."""
        self._wait_until_idle()
        return Usage(
            calls=self._lines_of_functions("RECORD", mark.lines["RECORD"]),
            units=self._lines_of_functions("UNITS", mark.lines["UNITS"]),
            invocations=list(self._invocations(mark.at)),
        )

    def name_of(self, function: str) -> str:
        """Return the name in the template of a function, by its physical name."""
        return self._functions[function]

    def log_bytes_since(self, mark: Mark) -> int:
        """Return the bytes of log lines since the mark, as CloudWatch bills them. Those of the sweeper don't count."""
        groups = (group for name, group in self._logs.items() if name != "SweepLogs")
        return sum(
            len(message.encode()) + LOG_EVENT_BYTES for group in groups for message in self._log_messages(group, mark.at)
        )

    def _wait(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            answer: dict[str, Any] = self.http.get(f"{JOBS}/{job_id}?wait=20").raise_for_status().json()
            if "finished_at" in answer["job"]:
                if answer["job"]["progress"]["failed"]:
                    raise SystemExit(f"the job can't read some photos: {answer['errors'][:3]}")
                return answer
        raise SystemExit(f"the job did not end within {PATIENCE_S:.0f} s")

    def _wait_until_idle(self) -> None:
        """Wait for what follows the end of a job: the worker's own end, and the functions that the end triggers."""
        count_before = -1
        for _ in range(MAX_PAUSES):
            # Only the functions' calls are counted, because this loop itself makes calls to read the logs.
            count = len(self._lines_of_functions("RECORD", 0)) + len(list(self._invocations(0)))
            if count == count_before:
                return
            count_before = count
            time.sleep(QUIET_S)

    def _lines(self, variable: str) -> list[str]:
        return self._recorded[variable].read_text().splitlines()

    def _lines_of_functions(self, variable: str, first: int) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._lines(variable)[first:]]
        named = [line | {"function": self._functions.get(line["principal"].rpartition("/")[2])} for line in lines]
        return [line for line in named if line["function"]]

    def _log_messages(self, group: str, since: float) -> Iterator[str]:
        pages = self.stack.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=int(since * 1000)):
            yield from (event["message"] for event in page["events"])

    def _log_lines(self, function: str, since: float) -> Iterator[dict[str, Any]]:
        for message in self._log_messages(self._logs[f"{function}Logs"], since):
            if message.startswith("{"):
                yield json.loads(message)

    def _invocations(self, since: float) -> Iterator[Invocation]:
        for name, group in self._logs.items():
            for message in self._log_messages(group, since):
                if report := REPORT.match(message):
                    yield Invocation(name.removesuffix("Logs") + "Function", int(report[1]) / 1000, int(report[2]))


@contextmanager
def deployed_stack(
    settings: Mapping[str, str], workers: int, chunk: int, parameters: Mapping[str, str] | None = None
) -> Iterator[BenchmarkStack]:
    """Start and deploy a local stack for a benchmark, and stop it afterwards.

    Args:
        settings: Environment variables of functions/classify and of each worker.
        workers: How many workers run at once.
        chunk: Photos per message.
        parameters: More parameters of the template.
    """
    chunk_settings = {"PIGEONHOLE_IMAGE_CHUNK": str(chunk)}
    settings_by_function = {
        **dict.fromkeys(("ClassifyFunction", "WorkerFunction"), settings),
        **dict.fromkeys(("ApiFunction", "IngestFunction"), chunk_settings),
    }
    with TemporaryDirectory() as folder:
        recorded = {variable: Path(folder) / f"{variable.lower()}.jsonl" for variable in ("RECORD", "UNITS")}
        for path in recorded.values():
            path.touch()
        environment = {
            "PYTHONPATH": str(Path(__file__).parent),
            **{variable: str(path) for variable, path in recorded.items()},
        }
        sockets = open_port(0, ""), open_port(0, "")
        with (
            LocalProcess(Path(folder) / "data", *sockets, module="recording_server", environment=environment) as process,
            LocalStack(process.aws_url, "pigeonhole", ROOT) as stack,
        ):
            outputs = stack.deploy(
                classify_concurrency=1,
                settings=settings_by_function,
                parameters={"WorkerConcurrency": str(workers), **(parameters or {})},
            )
            process.route_to(outputs["ApiId"], outputs["StageName"])
            api_key = api_key_manager(stack, outputs).create(TENANT, "jobs").value
            deployed = BenchmarkStack(process=process, stack=stack, api_key=api_key, recorded=recorded)
            try:
                yield deployed
            finally:
                deployed.close()
