"""How much of this machine the local stack uses.

Lambda starts an environment for each request that runs at the same time. Here an environment is a process, so the number of
processes depends on the machine. Requests beyond it wait in a queue.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3
MAX_CLASSIFY = 4  # more models of several hundred MB each would leave little of a laptop
MEMORY_PER_CLASSIFY = 4 * GIB  # a quarter of it for the model; as much again for a worker's; the rest isn't ours
REQUESTS_PER_CLASSIFY = 2  # one is classified while the other is parsed, or waits for no more than one run
MIN_WAITS, MAX_WAITS = 4, 16
WAITS_PER_CORE = 4  # their processes are idle, but each costs a second of a core when it starts
MEMORY_PER_WAIT = 1 * GIB  # its process has 75 MB
MIN_QUEUED, MAX_QUEUED = 50, 500  # each has one of the 1,024 files that a process may open
MEMORY_PER_QUEUED = 32 * 1024**2  # a body may have 10 MB of it

MAX_IDLE_S = 60  # until a process of a function ends, except the first of each function
MAX_QUEUE_S = 60.0
MAX_INVOCATION_QUEUE_S = 20.0  # an invocation of functions/classify; functions/api gives it up after 24 s
MAX_BODY_BYTES = 10 * 1024 * 1024  # API Gateway's limit

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


@dataclass(frozen=True)
class Capacity:
    """How many requests the local stack works on at the same time.

    Attributes:
        classify: Runs of functions/classify. Each has a process with a model.
        requests: Requests to the API. Each has a process of functions/api.
        waits: Requests that wait for the end of a job because they ask for it, in addition. Their processes are idle.
        queued: Requests that wait for their turn, for each of the three.
    """

    classify: int
    requests: int
    waits: int
    queued: int

    @classmethod
    def of(cls, cores: int, memory_bytes: int) -> Capacity:
        """Return the capacity of a machine."""
        classify = max(1, min(cores, MAX_CLASSIFY, memory_bytes // MEMORY_PER_CLASSIFY))
        waits = max(MIN_WAITS, min(MAX_WAITS, cores * WAITS_PER_CORE, memory_bytes // MEMORY_PER_WAIT))
        queued = max(MIN_QUEUED, min(MAX_QUEUED, memory_bytes // MEMORY_PER_QUEUED))
        return cls(classify, classify * REQUESTS_PER_CLASSIFY, waits, queued)

    @classmethod
    def of_this_machine(cls) -> Capacity:
        """Return the capacity of this machine, or of the container around this process."""
        return cls.of(count_cores(), _memory_bytes())


def count_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # macOS lacks it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_bytes() -> int:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # there is no such file, or no limit: `max`
            memory_bytes = min(memory_bytes, int(limit.read_text()))
    return memory_bytes
