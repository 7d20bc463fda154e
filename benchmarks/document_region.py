"""Regions of a document that a script fills.

A region is what stands between the comments `<!-- begin: NAME -->` and `<!-- end: NAME -->`, each in a line of its own. So each
table is in one place, written by the command that measured it.
"""

from __future__ import annotations

import re
from pathlib import Path


def fill(document: Path, name: str, content: str) -> None:
    """Replace the content of a region.

    Args:
        document: The Markdown file.
        name: The name of the region.
        content: Markdown, without empty lines around it.

    Raises:
        ValueError: The document doesn't have exactly one region of this name.
    """
    text = document.read_text("utf-8")
    start, end = _find(text, document, name)
    document.write_text(f"{text[:start]}\n{content.strip()}\n\n{text[end:]}", "utf-8")


def read(document: Path, name: str) -> str:
    """Return the content of a region, without empty lines around it.

    Raises:
        ValueError: The document doesn't have exactly one region of this name.
    """
    text = document.read_text("utf-8")
    start, end = _find(text, document, name)
    return text[start:end].strip()


def _find(text: str, document: Path, name: str) -> tuple[int, int]:
    begin, end = f"<!-- begin: {name} -->\n", f"<!-- end: {name} -->\n"
    found = list(re.finditer(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", text, re.DOTALL))
    if len(found) != 1 or text.count(begin) != 1:
        raise ValueError(f"{document}: must have one region {name!r}. Add the lines {begin.strip()} and {end.strip()} to it.")
    return found[0].span()
