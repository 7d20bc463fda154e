"""The CPU time of a local stack's functions: of their processes, and of the decode processes that these have started."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAME, ENDPOINT = b"AWS_LAMBDA_FUNCTION_NAME", b"AWS_ENDPOINT_URL"  # the local stack sets both for a function's process


@dataclass(frozen=True)
class ProcessTime:
    """The CPU time of a function's process.

    Attributes:
        function: The physical name of the function.
        cpu_s: Seconds so far, with those of its child processes that are alive.
    """

    function: str
    cpu_s: float


def read_processes(aws_url: str) -> dict[int, ProcessTime]:
    """Read the CPU time of each process that runs a function of the stack at `aws_url`, by its process id. Linux only."""
    processes = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # not a process, or one that has ended or belongs to another user
            environment = dict(_parse((folder / "environ").read_bytes()))
            if environment.get(ENDPOINT) == aws_url.encode() and (name := environment.get(NAME)):
                pid = int(folder.name)
                processes[pid] = ProcessTime(name.decode(), sum(map(cpu_s, (pid, *_children(pid)))))
    return processes


def cpu_between(before: Mapping[int, ProcessTime], after: Mapping[int, ProcessTime]) -> dict[str, float]:
    """Return the CPU seconds of each function between two readings.

    Raises:
        SystemExit: A process has started meanwhile, so its time has the loading of its libraries and of the model.
    """
    if started := {after[pid].function for pid in after.keys() - before.keys()}:
        raise SystemExit(f"{', '.join(sorted(started))} started during the measurement; measure again")
    spent: dict[str, float] = {}
    for pid, process in after.items():
        spent[process.function] = spent.get(process.function, 0.0) + process.cpu_s - before[pid].cpu_s
    return spent


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far, all threads together."""
    return time.clock_gettime(~pid << 3 | 2)  # its clock, as clock_getcpuclockid(3) makes it


def _parse(environment: bytes) -> Iterator[tuple[bytes, bytes]]:
    for variable in environment.split(b"\0"):
        name, separator, value = variable.partition(b"=")
        if separator:
            yield name, value


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in os.listdir(f"/proc/{pid}/task")
        for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split()
    ]
