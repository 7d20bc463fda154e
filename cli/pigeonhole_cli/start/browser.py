"""Open the page in the user's browser, where there is one."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping


def has_browser(environment: Mapping[str, str], *, platform: str = sys.platform) -> bool:
    """Whether a window can be opened: there is a display, and this isn't continuous integration.

    Args:
        environment: The variables of the environment.
        platform: Python's name of the operating system.
    """
    if environment.get("CI"):
        return False
    return platform == "darwin" or bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def open_page(url: str) -> None:
    """Open an address in the browser, and return at once.

    A process of its own opens it, because many browsers write to the terminal, and a browser for terminals would take it.
    """
    threading.Thread(target=_run_browser, args=(url,), daemon=True).start()


def _run_browser(url: str) -> None:
    nothing = subprocess.DEVNULL
    subprocess.run(  # noqa: S603 - the address is ours
        [sys.executable, "-m", "webbrowser", "-t", url],
        stdin=nothing,
        stdout=nothing,
        stderr=nothing,
        check=False,  # the panel has the address
        start_new_session=True,  # Ctrl-C must not end the browser
    )
