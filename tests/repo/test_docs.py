"""The documents are true where a machine can tell: links lead somewhere, the house has the rooms that its map shows."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from support import pages

ROOT = Path(__file__).resolve().parents[2]
MAP = ROOT / "docs/architecture.md"


def committed(pattern: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", pattern],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return [ROOT / name for name in sorted(listed.stdout.decode().split("\0")) if name and (ROOT / name).is_file()]


DOCUMENTS = committed("*.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert pages.broken_links(document) == []


def test_there_are_links_to_follow() -> None:
    names = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS}

    assert {
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/operations.md",
        "docs/models.md",
    } <= names
    assert len(pages.links((ROOT / "README.md").read_text())) > 3


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, here\n```sh\n# not a heading\n```\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-here) [c](https://example.com)\n"
        "[d](gone.md) [e](there.md#not-a-heading) [f](#top)\n"
        "```md\n[code](is-not-a-link.md)\n```\n"
    )

    assert pages.broken_links(page) == ["gone.md", "there.md#not-a-heading", "#top"]


def rooms(text: str) -> list[str]:
    """The paths that the map names: each line's first words, under the folder of the lines above it."""
    found: list[str] = []
    folders: list[str] = []
    for line in pages.marked(text, "map").code.splitlines():
        depth, names = (len(line) - len(line.lstrip())) // 2, re.split(r" {2,}", line.strip())[0].split()
        if len(line) - len(line.lstrip()) > 12:  # an explanation that goes on
            continue
        folders = folders[:depth]
        found += ["".join(folders) + name for name in names]
        folders.append(names[-1] if names[-1].endswith("/") else "")
    return found


def test_the_map_shows_what_is_there() -> None:
    assert [name for name in rooms(MAP.read_text()) if not (ROOT / name).exists()] == []


def test_every_module_is_on_the_map() -> None:
    shown = set(rooms(MAP.read_text()))
    modules = [
        path.relative_to(ROOT).as_posix()
        for folder in ("layers/core/pigeonhole", "functions", "cli")
        for path in committed(f"{folder}/**.py")
    ]

    assert [name for name in modules if name not in shown and not name.endswith("/__init__.py")] == []


MAP_OF_A_HOUSE = """<!-- test: map -->
```
a.yaml b.md            two files
a/
  c.py                 why
                       and more
  d/ e/
    f.py
z/
```
"""


def test_the_map_is_read_with_its_folders() -> None:
    assert rooms(MAP_OF_A_HOUSE) == ["a.yaml", "b.md", "a/", "a/c.py", "a/d/", "a/e/", "a/e/f.py", "z/"]
