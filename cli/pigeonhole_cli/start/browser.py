"""Open the page in the user's browser, where there is one."""

from __future__ import annotations

import html
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

REDIRECT = "open-page.html"


def has_browser(environment: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether a window can be opened: there is a display, and this isn't continuous integration.

    Args:
        environment: The variables of the environment.
        platform: Python's name of the operating system.
    """
    if environment.get("CI"):
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


@contextmanager
def opened_page(url: str, folder: Path) -> Iterator[None]:
    """Open an address in the browser. The block begins at once, and the file that leads to the address is deleted at its end.

    The address has the API key, and every user of this machine sees the arguments of a process. So the browser gets the address
    of a file that only its owner can read, and that redirects to the page.

    Args:
        url: The address.
        folder: An existing folder for the file.
    """
    file = folder.resolve() / REDIRECT
    try:
        _write_private(file, f'<meta charset="utf-8"><meta http-equiv="refresh" content="0; url={html.escape(url)}">\n')
        threading.Thread(target=_run_browser, args=(file.as_uri(),), daemon=True).start()
        yield
    finally:
        file.unlink(missing_ok=True)


def _write_private(file: Path, content: str) -> None:
    file.unlink(missing_ok=True)  # a stack that was killed leaves its file
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
        opened.write(content)


def _run_browser(url: str) -> None:
    """Run the browser in a process of its own.

    Many browsers write to the terminal, and a browser for terminals would take it.
    """
    nothing = subprocess.DEVNULL
    subprocess.run(  # noqa: S603 - the address is ours
        [sys.executable, "-m", "webbrowser", "-t", url],
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        check=False,  # the panel has the address
        start_new_session=True,  # Ctrl-C must not end the browser
    )
