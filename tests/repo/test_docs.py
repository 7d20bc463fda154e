"""Every link in the documents leads somewhere, and the map and the floors of docs/architecture.md are those of the code."""

from __future__ import annotations

import re
import subprocess
import tomllib
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


def mapped_paths(text: str) -> list[str]:
    """Give the paths that the map names: each line's first words, below the folder of the lines above."""
    paths: list[str] = []
    folders: list[str] = []
    for line in pages.marked(text, "map").code.splitlines():
        indent = len(line) - len(line.lstrip())
        if indent > 12:  # the second line of a description
            continue
        names = re.split(r" {2,}", line.strip())[0].split()
        folders = folders[: indent // 2]
        paths += ["".join(folders) + name for name in names]
        folders.append(names[-1] if names[-1].endswith("/") else "")
    return paths


def test_the_map_names_only_what_exists() -> None:
    assert [path for path in mapped_paths(MAP.read_text()) if not (ROOT / path).exists()] == []


def test_every_folder_of_code_is_on_the_map() -> None:
    mapped = {path.rstrip("/") for path in mapped_paths(MAP.read_text())}
    folders = {
        f"{parent}/{path.relative_to(ROOT / parent).parts[0]}"
        for parent in ("layers/core/pigeonhole", "functions", "cli/pigeonhole_cli")
        for path in committed(f"{parent}/**/*.py")
        if len(path.relative_to(ROOT / parent).parts) > 1
    }

    assert sorted(folders - mapped) == []


def test_the_top_level_has_what_the_map_names_and_no_stray_file() -> None:
    mapped = {Path(path).parts[0] for path in mapped_paths(MAP.read_text())}
    names = {path.relative_to(ROOT).parts[0] for path in committed("*")}

    assert sorted(names - mapped) == []


EXAMPLE_MAP = """<!-- test: map -->
```
a.yaml b.md            two files
a/
  c.py                 a description
                       and its second line
  d/ e/
    f.py
z/
```
"""


def test_the_map_is_read_with_its_folders() -> None:
    assert mapped_paths(EXAMPLE_MAP) == ["a.yaml", "b.md", "a/", "a/c.py", "a/d/", "a/e/", "a/e/f.py", "z/"]


def test_the_floors_are_those_of_the_import_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", MAP.read_text(), re.MULTILINE)

    assert [set(re.findall(r"\w+", modules)) for _, modules in rows] == [set(layer.split(" : ")) for layer in layers]
