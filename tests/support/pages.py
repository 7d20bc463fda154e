"""Reads the documents: their marked code, tables, headings and links. A comment on the line before a fence marks a block.

<!-- test: curl -->
```sh
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?:<!-- test: (?P<mark>[\w -]+) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of code. `mark` is its name for the tests, or empty."""

    mark: str
    language: str
    code: str


def blocks(text: str) -> list[Block]:
    return [Block(found["mark"] or "", found["language"], found["code"]) for found in FENCE.finditer(text)]


def marked(text: str, mark: str) -> Block:
    """Return the only block with a mark. Raise ValueError if there is none or more than one."""
    (block,) = [block for block in blocks(text) if block.mark == mark]
    return block


def table_after(text: str, heading: str) -> list[dict[str, str]]:
    """Return the rows of the first table below `heading`, by the names of its columns."""
    section = re.split(rf"^#+ {re.escape(heading)}$", text, maxsplit=1, flags=re.MULTILINE)[1]
    lines = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    if lines is None:
        raise ValueError(f"no table under {heading!r}")
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return [dict(zip(head, row, strict=True)) for row in rows]


def links(text: str) -> list[str]:
    """Return the targets of the links outside code."""
    return LINK.findall(FENCE.sub("", text))


def broken_links(document: Path) -> list[str]:
    """Return the relative links of a document whose file or heading is missing."""
    broken = []
    for target in links(document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = document.parent / name if name else document
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    return broken


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub creates for headings: lower case, hyphens for spaces, no other marks."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
