"""What a table says of its run: the processor, the day, the load and the command."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

WITHOUT_VNNI = ", without VNNI"  # ends the name of what was measured on a processor without it
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "i8mm")  # that decide how fast a matrix product is


def describe_run(command: str) -> str:
    """Describe this machine and a run on it, in a sentence that ends with a colon.

    Call it before the measurement: the load is that of the minute before.
    """
    day = time.strftime("%d %B %Y", time.gmtime()).lstrip("0")
    busy = os.getloadavg()[0]
    return f"{len(os.sched_getaffinity(0))} cores of {_processor()}, {day}, load {busy:.1f} before the run\n(`{command}`):"


def to_region(name: str) -> str:
    """Return the region of a document for a table of this processor.

    int8 is about twice as fast with VNNI, so documents have a table for processors with it and one for those without.
    """
    return f"{name}, with VNNI" if has_vnni() else name + WITHOUT_VNNI


def has_vnni() -> bool:
    """Return whether this processor has the instructions of x86 for products of 8-bit integers."""
    return any(flag in ("avx512_vnni", "avx_vnni") for flag in _flags(_cpu_fields()))


def _processor() -> str:
    fields = _cpu_fields()
    name = fields.get("model name") or platform.processor() or platform.machine()
    flags = _flags(fields)
    known = [instruction for instruction in INSTRUCTIONS if instruction in flags]
    return f"{name} ({', '.join(known)})" if known else name


def _cpu_fields() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _flags(fields: dict[str, str]) -> list[str]:
    return (fields.get("flags") or fields.get("Features") or "").split()
