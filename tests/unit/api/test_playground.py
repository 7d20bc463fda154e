"""The files of the playground."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pigeonhole.api import playground
from pigeonhole.api.playground import find_page, list_files
from pigeonhole.errors import BY_CODE

STATIC = Path(playground.__file__).parent / "static"
MAX_BUNDLE_BYTES = 40_000  # of what a browser fetches to show the page, compressed
MAX_BYTES = 150_000  # of all files, compressed, with the photos to try


def test_the_page_is_small() -> None:
    sizes = {name: len(find_page(name).compressed) for name in list_files()}

    assert sum(sizes[name] for name in ("index.html", "playground.js", "style.css", "logo.svg")) <= MAX_BUNDLE_BYTES
    assert sum(sizes.values()) <= MAX_BYTES


def test_every_address_of_the_page_is_relative_and_exists() -> None:
    """On AWS the page lies below the stage's name."""
    addresses = re.findall(r'(?:src|href)="([^"#]+)"', find_page("index.html").text)

    assert "playground/playground.js" in addresses
    for address in addresses:
        assert address == "docs" or find_page(address.removeprefix("playground/"))


def test_no_file_names_an_address_elsewhere() -> None:
    for name in ("index.html", "playground.js", "style.css"):
        assert set(re.findall(r"https?://[\w.]+", find_page(name).text)) == set()


def test_the_page_has_no_inline_script_or_style() -> None:
    """Its policy would block them."""
    page = find_page("index.html").text

    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)


def test_each_element_that_the_script_looks_for_is_in_the_page_or_made_by_the_script() -> None:
    page, script = find_page("index.html").text, find_page("playground.js").text
    ids = set(re.findall(r'\bid="([\w-]+)"', page)) | set(re.findall(r'id: "([\w-]+)"', script))

    assert set(re.findall(r'byId\("([\w-]+)"\)', script)) <= ids


def test_the_script_names_only_codes_that_the_api_has() -> None:
    named = set(re.findall(r'code(?: = | \?\? |: )"(\w+)"', find_page("playground.js").text))

    assert named - {"unreachable", "no_json", "no_key"} <= set(BY_CODE)


@pytest.mark.parametrize("file", sorted(STATIC.rglob("*.js")), ids=lambda file: file.name)
def test_a_module_is_readable(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()

    assert lines[0].startswith("// ")
    assert len(lines) <= 250
    assert max(map(len, lines)) <= 128


def test_the_script_is_javascript(tmp_path: Path) -> None:
    node = shutil.which("node")
    assert node, "Node is missing. On Debian and Ubuntu: apt install nodejs"
    script = tmp_path / "playground.mjs"
    script.write_bytes(find_page("playground.js").content)

    checked = subprocess.run([node, "--check", script], capture_output=True, text=True, timeout=60)

    assert checked.returncode == 0, checked.stderr
