"""Install packages with pip, and show how far it is. pip's errors are printed whole.

`make start` runs `python -m pigeonhole_cli.start.install FOLDER ARGUMENTS...`: the folder is that of the environment, and the
arguments are those of `pip install`. Only the standard library is imported, because nothing else is installed yet.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

REDRAW_S = 0.2  # of the line on a terminal
LINE_S = 15.0  # between two lines where there is no terminal
EXIT_INTERRUPTED = 130

_FOUND = re.compile(r"Collecting ([\w.-]+)|Obtaining file://")
_DOWNLOADED = re.compile(r"\s*Downloading (\S+) \(([^)]+)\)")
_INSTALLS = re.compile(r"Installing collected packages: (.+)")


class InstallProgress:
    """How far pip is, by the lines that it prints and by the packages that are there."""

    def __init__(self, count_installed: Callable[[], int]) -> None:
        """Start to count.

        Args:
            count_installed: Returns the number of packages in the environment.
        """
        self._count_installed = count_installed
        self._found = 0
        self._activity = "asking the package registry"
        self._packages: list[str] = []
        self._before = 0

    def read(self, line: str) -> None:
        """Note a line that pip has printed."""
        if match := _FOUND.match(line):
            self._found += 1
            self._activity = f"fetching {match[1] or 'this package'}"
        elif match := _DOWNLOADED.match(line):
            self._activity = f"downloading {match[1].rpartition('/')[2].split('-')[0]}, {match[2]}"
        elif match := _INSTALLS.match(line):
            self._before = self._count_installed()
            self._packages = match[1].strip().split(", ")

    def describe(self) -> str:
        """Return what pip does now."""
        if not self._packages:
            noun = "package" if self._found == 1 else "packages"
            return f"{self._found} {noun} found, {self._activity}" if self._found else self._activity
        total = len(self._packages)
        done = max(0, min(self._count_installed() - self._before, total - 1))  # pip writes bytecode after the last one
        return f"package {done + 1} of {total}, {self._packages[done]}"

    @property
    def total(self) -> int:
        """The number of packages that pip installs, 0 until it is known."""
        return len(self._packages)


def count_packages(folder: Path) -> int:
    """Count the packages of a folder `site-packages`."""
    return sum(1 for _ in folder.glob("*.dist-info"))


def install(target: str, arguments: Sequence[str], *, out: IO[str], error: IO[str]) -> int:
    """Run `pip install`.

    Args:
        target: The name of the environment's folder, for messages.
        arguments: The arguments of `pip install`.
        out: Gets the progress. On a terminal it is one line that changes.
        error: Gets what pip reports if it fails.

    Returns:
        pip's exit status.
    """
    site_packages = Path(sysconfig.get_paths()["purelib"])
    progress = InstallProgress(lambda: count_packages(site_packages))
    began_s = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
        with subprocess.Popen(  # noqa: S603 - the arguments are the Makefile's
            [*pip, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", errors="replace"
        ) as child:
            _follow(child, progress, target, out)
        errors.seek(0)
        if child.returncode:
            error.write(errors.read())
            return child.returncode
    noun = "package" if progress.total == 1 else "packages"
    number = f"{progress.total} {noun}" if progress.total else "The packages"
    print(f"{number} installed into {target} in {time.monotonic() - began_s:.0f} s.", file=out, flush=True)
    return 0


def _follow(child: subprocess.Popen[str], progress: InstallProgress, target: str, out: IO[str]) -> None:
    """Show the progress until pip has ended."""

    def read() -> None:
        for line in child.stdout or ():
            progress.read(line)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    began_s, is_terminal = time.monotonic(), out.isatty()
    while reader.is_alive():
        line = f"Installing into {target}, {time.monotonic() - began_s:.0f} s: {progress.describe()}"
        if is_terminal:
            width = shutil.get_terminal_size().columns - 1
            out.write(f"\r\x1b[K{line[:width]}")
            out.flush()
        else:
            print(line, file=out, flush=True)
        reader.join(REDRAW_S if is_terminal else LINE_S)
    child.wait()
    if is_terminal:
        out.write("\r\x1b[K")


def main() -> None:
    """Install with the arguments of the command line, and exit with pip's status."""
    try:
        status = install(sys.argv[1], sys.argv[2:], out=sys.stdout, error=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted. The same command installs the rest.", file=sys.stderr)
        status = EXIT_INTERRUPTED
    sys.exit(status)


if __name__ == "__main__":
    main()
