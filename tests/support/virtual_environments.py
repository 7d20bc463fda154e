"""Virtual environments that hold only the packages of a requirements file. They are reused by later runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path


def with_requirements(requirements: Path, cache: Path) -> Path:
    """Return the folder of an environment with the packages of a requirements file.

    Args:
        requirements: The requirements file.
        cache: The folder for the environment. An environment with the same requirements is reused.

    Raises:
        CalledProcessError: pip can't install the packages. Its output is shown.
    """
    content = f"{sys.version}\n{requirements.read_text()}"
    folder = cache / hashlib.sha256(content.encode()).hexdigest()[:16]
    complete = folder / "complete"
    if not complete.is_file():
        shutil.rmtree(cache, ignore_errors=True)  # It has other requirements, or a killed run left it.
        create(folder)
        # The new environment has no pip of its own, because pip and setuptools would hide a missing requirement.
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python(folder))]
        subprocess.run([*pip, "install", "--quiet", "-r", str(requirements)], check=True)
        complete.write_text(content)
    return folder


def without(folder: Path, name: str, target: Path) -> Path:
    """Create an environment in `target` that has the packages of `folder` except one distribution.

    Args:
        folder: The environment to copy.
        name: The distribution that the new environment lacks.
        target: The folder of the new environment.
    """
    create(target)
    (omitted,) = [package for package in _installed(folder) if _normalize(package.name) == _normalize(name)]
    omitted_names = {Path(str(file)).parts[0] for file in omitted.files or []}
    for entry in packages(folder).iterdir():
        if entry.name not in omitted_names:
            (packages(target) / entry.name).symlink_to(entry)
    return target


def names(folder: Path) -> set[str]:
    """Return the names of an environment's distributions, in lower case with hyphens."""
    return {_normalize(package.name) for package in _installed(folder)}


def python(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / "bin/python"


def packages(folder: Path) -> Path:
    """Return the folder of an environment's packages."""
    (site_packages,) = folder.glob("lib/python*/site-packages")
    return site_packages


def create(folder: Path) -> None:
    """Create an empty environment, without pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, stdout=subprocess.DEVNULL)


def _installed(folder: Path) -> list[Distribution]:
    return list(distributions(path=[str(packages(folder))]))


def _normalize(name: str) -> str:
    return name.lower().replace("_", "-")
