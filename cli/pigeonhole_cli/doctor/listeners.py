"""Which process listens on a port. Linux tells it for the processes of the same user."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"  # the state of a listening socket


def find_listener(port: int) -> str | None:
    """Return the name and id of a process that listens on a port, or None if the system doesn't tell."""
    inodes = {inode for table in _TABLES for inode in _listening_sockets(table, port)}
    for process in Path("/proc").glob("[0-9]*") if inodes else ():
        if _open_sockets(process) & inodes:
            return f"{_name(process)} (process {process.name})"
    return None


def _listening_sockets(table: Path, port: int) -> list[str]:
    """Return the inodes of the sockets that listen on a port. A row has the local address as `hex:hex` and the state."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == _LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port]


def _open_sockets(process: Path) -> set[str]:
    """Return the inodes of the sockets that a process has open."""
    found = set()
    with suppress(OSError):  # the process belongs to another user, or has just ended
        for link in (process / "fd").iterdir():
            with suppress(OSError):  # it has just been closed
                found.add(os.readlink(link).removeprefix("socket:[").removesuffix("]"))
    return found


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process that has ended"
