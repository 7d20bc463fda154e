"""Virtual environments with a requirements file's packages and nothing else, kept between runs."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path


def with_requirements(requirements: Path, cache: Path) -> Path:
    """Give the folder of an environment with `requirements`: the one in `cache` if its requirements were the same.

    Raises CalledProcessError if pip can't install them; what pip said is shown.
    """
    content = f"{sys.version}\n{requirements.read_text()}"
    folder = cache / hashlib.sha256(content.encode()).hexdigest()[:16]
    complete = folder / "complete"
    if not complete.is_file():
        shutil.rmtree(cache, ignore_errors=True)  # of earlier requirements, or left by a killed run
        create(folder)
        # This environment's pip installs into that one, which needs none: pip and setuptools would hide a missing requirement.
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python(folder))]
        subprocess.run([*pip, "install", "--quiet", "-r", str(requirements)], check=True)
        complete.write_text(content)
    return folder


def without(folder: Path, name: str, target: Path) -> Path:
    """Make `target` an environment like `folder` that lacks the distribution `name`, and give it."""
    create(target)
    (gone,) = [found for found in _installed(folder) if _same(found.name, name)]
    left_out = {Path(str(file)).parts[0] for file in gone.files or []}
    for entry in packages(folder).iterdir():
        if entry.name not in left_out:
            (packages(target) / entry.name).symlink_to(entry)
    return target


def names(folder: Path) -> set[str]:
    """The distributions of an environment, in small letters with hyphens."""
    return {_plain(found.name) for found in _installed(folder)}


def python(folder: Path) -> Path:
    return folder / "bin/python"


def packages(folder: Path) -> Path:
    (found,) = folder.glob("lib/python*/site-packages")
    return found


def create(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, stdout=subprocess.DEVNULL)


def _installed(folder: Path) -> list[Distribution]:
    return list(distributions(path=[str(packages(folder))]))


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)
