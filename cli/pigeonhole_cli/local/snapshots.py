"""Save the state of the emulated AWS while it runs, so that a killed local stack loses seconds and not everything.

ministack saves its state only when it is stopped. This module saves it every few seconds as Redis does: the process forks, and
the child writes its own copy of the memory, while the server continues. All services are saved as of one moment, so
the table never lacks a job whose message is in a queue.

A snapshot is a folder. It takes the place of the last one when it is complete, so a kill at any moment leaves a whole snapshot.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import logging
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import Any

from pigeonhole_cli.local.asgi import App, Receive, Scope, Send

EVERY_S = 2.0  # between two snapshots while the state changes
MAX_SHARE = 0.25  # of the time, most of which is spent waiting for the disk; a large state is saved less often
MAX_SAVE_S = 60  # a child that takes longer is killed, and the last snapshot stays
_POLL_S = 0.05
_MAX_OPEN_FILES = 65_536  # more than a server has open; the limit of the system itself may be billions

logger = logging.getLogger(__name__)

States = Mapping[str, Callable[[], Any]]


class Snapshots:
    """The snapshots of one server process.

    Nothing is saved before the stack is deployed. CloudFormation can't go on with a deployment that was interrupted, so a
    snapshot of it would be of no use.
    """

    def __init__(self, folder: Path, states: Callable[[], States], is_deployed: Callable[[], bool], lock_fd: int) -> None:
        """Create the service.

        Args:
            folder: The folder of the saved state.
            states: Returns, for each service of ministack, the function that returns its state.
            is_deployed: Whether the stack is deployed.
            lock_fd: The lock of the data folder. A child holds it until its snapshot is complete, even if this process is
                killed. So the next start doesn't read what is being written.
        """
        self._folder, self._states, self._is_deployed, self._lock_fd = folder, states, is_deployed, lock_fd
        self._changed = False
        self._child: ForkProcess | None = None

    def watch(self, app: App) -> App:
        """Return the ASGI application, with each HTTP request noted as a change of the state.

        What ministack does by itself, such as passing a message to a function, comes before or after a request.
        """

        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self._changed = self._changed or scope["type"] == "http"

        return handle

    async def run(self) -> None:
        """Save the state whenever it has changed, until this task is cancelled."""
        pause_s = EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            if not (self._changed and self._is_deployed()):
                continue
            began_s = time.monotonic()
            try:
                child = self._start()
            except OSError as error:  # the machine has no memory or no room for a process: the next try may succeed
                logger.error("The state can't be saved: %s", error)
                self._changed = True
                continue
            while child.is_alive():
                await asyncio.sleep(_POLL_S)
            self._changed = self._changed or child.exitcode != 0  # the log has the child's error
            pause_s = max(EVERY_S, (time.monotonic() - began_s) * (1 / MAX_SHARE - 1))

    def save(self) -> None:
        """Save the state now, and wait until it is saved."""
        if self._child is not None:
            self._child.join()
        if self._is_deployed():
            self._start().join()

    def _start(self) -> ForkProcess:
        """Fork on the event loop's thread, which makes all changes to the table: none is half done in the child."""
        self._changed = False
        self._child = multiprocessing.get_context("fork").Process(target=self._write)
        self._child.start()
        return self._child

    def _write(self) -> None:
        signal.set_wakeup_fd(-1)  # it leads to the parent's event loop
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.alarm(MAX_SAVE_S)  # ends this process, even if a thread of the parent held a lock that it needs
        # The sockets must close when the parent closes them.
        os.closerange(3, self._lock_fd)
        os.closerange(self._lock_fd + 1, _MAX_OPEN_FILES)
        gc.disable()  # a collection would write to all pages, which the kernel would then copy
        copy.deepcopy = _same  # type: ignore[assignment]  # the states are copies already
        write_snapshot(self._folder, self._states())


def write_snapshot(folder: Path, states: States) -> None:
    """Write the state of all services, and put it in the place of the last snapshot.

    Raises:
        RuntimeError: A service has no state because it could not be imported. The last snapshot stays.
    """
    from ministack.core import persistence
    from ministack.services import lambda_svc

    complete_snapshot(folder)
    new, old = _siblings(folder)
    new.mkdir(mode=0o700)
    lambda_svc.CODE_BLOB_DIR = str(new / "lambda-blobs")  # its get_state writes the functions' code there
    for name, get_state in states.items():
        state = get_state()
        if state is None:
            raise RuntimeError(f"{name} has no state")
        version = persistence._state_format_version(name)
        content = json.dumps({"__ministack_format__": version, "payload": state}, default=persistence._json_default)
        (new / f"{name}.json").write_text(content)
    for path in [*new.rglob("*"), new]:
        _flush(path)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def complete_snapshot(folder: Path) -> None:
    """Remove what a killed process left beside the snapshot, or put it in place if the kill came between two renames."""
    new, old = _siblings(folder)
    if not folder.exists() and old.exists():
        new.rename(folder)
    shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _siblings(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")


def _flush(path: Path) -> None:
    """Wait until a file or folder is on the disk. Otherwise a power failure could leave a renamed folder of empty files."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _same(value: Any, memo: object = None) -> Any:
    return value
