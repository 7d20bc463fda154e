"""Checks of this machine: Python, its packages, memory, disk and ports."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pigeonhole_cli.doctor.check import Check, Level
from pigeonhole_cli.doctor.listeners import find_listener
from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.process import LocalError, PortInUse, open_port

MIN_PYTHON = (3, 11)
# What `make start` needs. The Makefile has the same list.
PACKAGES = ("hypercorn", "ministack", "onnxruntime", "pigeonhole", "samtranslator", "torch", "transformers", "typer")
GB = 1e9
MIN_MEMORY_BYTES = 1.5 * GB  # the stack has 1.3 GB after its first job (docs/local-stack.md)
MIN_FREE_BYTES = 0.5 * GB  # a prepared model has 0.2 GB
_MEMINFO = Path("/proc/meminfo")


def check_python(version: Sequence[int] = sys.version_info[:3]) -> Check:
    """Check the version of Python."""
    found = ".".join(map(str, version[:3]))
    if tuple(version[:2]) < MIN_PYTHON:
        needed = ".".join(map(str, MIN_PYTHON))
        advice = f"Use Python {needed} or later: rm -r .venv && make PYTHON=python{needed} start"
        return Check("Python", Level.FAIL, f"{found} is too old", advice)
    return Check("Python", Level.OK, f"{found} at {sys.executable}")


def check_packages(packages: Sequence[str] = PACKAGES) -> Check:
    """Check that the packages of `make start` are installed. Nothing is imported, which would take seconds."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        advice = "Install them: make start. If it says that they are there: rm -r .venv && make start"
        return Check("packages", Level.FAIL, f"{', '.join(missing)} missing", advice)
    return Check("packages", Level.OK, f"all {len(packages)} that `make start` needs are installed")


def check_memory(available_bytes: float | None) -> Check:
    """Check the memory that is available.

    Args:
        available_bytes: What `read_available_memory` returns.
    """
    if available_bytes is None:
        return Check("memory", Level.OK, f"{platform.system()} doesn't say how much is available")
    found = f"{available_bytes / GB:.1f} GB available"
    if available_bytes < MIN_MEMORY_BYTES:
        advice = f"The local stack needs {MIN_MEMORY_BYTES / GB:g} GB. Close other programs."
        return Check("memory", Level.WARN, found, advice)
    return Check("memory", Level.OK, found)


def read_available_memory() -> float | None:
    """Return the bytes of memory that programs can still use, or None where the system doesn't say."""
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:
        return None
    values = dict(line.split(":", 1) for line in lines)
    return int(values["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in values else None


def check_disk(what: str, folder: Path, free_bytes: float | None = None) -> Check:
    """Check that a folder can be written and that its disk has space. The folder needs not exist.

    Args:
        what: What is in the folder, in a word.
        folder: A folder in which Pigeonhole writes.
        free_bytes: The free space, measured by default.
    """
    existing = next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())
    name, advice = f"disk of {what}", f"Choose another folder: PIGEONHOLE_{what.upper()}=..."
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        return Check(name, Level.FAIL, f"{existing} can't be written", advice)
    free = shutil.disk_usage(existing).free if free_bytes is None else free_bytes
    found = f"{free / GB:.1f} GB free at {existing}"
    if free < MIN_FREE_BYTES:
        level = Level.FAIL if free < MIN_FREE_BYTES / 2 else Level.WARN
        return Check(name, level, found, f"A model takes {MIN_FREE_BYTES / 2 / GB:g} GB. Delete something. {advice}")
    return Check(name, Level.OK, found)


def check_port(name: str, port: int, running: Addresses | None) -> Check:
    """Check that a port is free, or used by the running local stack.

    Args:
        name: The variable that sets the port.
        port: The port.
        running: The addresses of a local stack, None if none runs.
    """
    check_name = f"port {port}"
    if running and any(url.endswith(f":{port}") for url in (running.api_url, running.aws_url)):
        return Check(check_name, Level.OK, "used by the local stack that runs")
    try:
        open_port(port, "").close()
    except PortInUse:
        user = find_listener(port)
        by = f" by {user}" if user else ""
        return Check(check_name, Level.WARN, f"in use{by}", f"`make start` uses the next free port. Or choose one: {name}=...")
    except LocalError as error:
        return Check(check_name, Level.FAIL, str(error), f"Choose a port from 1024 on: {name}=8090")
    return Check(check_name, Level.OK, "free")
