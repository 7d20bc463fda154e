"""The stack of `make start`, for a benchmark: with data of its own, on ports that the system chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pigeonhole_cli.local.command import bring_up, model_folder
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.model_cache import DEFAULT_CACHE


@contextmanager
def running_stack() -> Iterator[tuple[str, str]]:
    """Run the stack of `make start`, with data of its own. Yields its URL and an API key."""
    with TemporaryDirectory() as folder:
        sockets = open_port(0, ""), open_port(0, "")
        with LocalProcess(Path(folder), *sockets) as process:
            yield process.api_url, bring_up(process, model_folder("tiny", DEFAULT_CACHE))
