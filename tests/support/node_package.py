"""The npm package of integrations/n8n, with its development packages installed once per lock file."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "integrations" / "n8n"


def installed_package() -> Path:
    """Return the package's folder. Skip the test if this machine has no npm.

    Raises:
        CalledProcessError: npm can't install the packages. Its errors are shown.
    """
    if shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed, so the n8n node can't be run")
    lock_file, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".installed"
    with (FOLDER / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's workers must not install at the same time
        if not installed.is_file() or installed.read_bytes() != lock_file.read_bytes():
            subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, timeout=600)
            installed.write_bytes(lock_file.read_bytes())
    return FOLDER


def npm(*arguments: str) -> str:
    """Run npm in the package and return its output. Raise AssertionError with what it printed if it fails."""
    done = subprocess.run(["npm", *arguments], cwd=installed_package(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
