"""Render JSON as text, and find the placeholders of images in it. docs/decisions-api.md documents the rendering.

A dual encoder reads text, so each value of an object or array becomes a line: the names that lead to it, and the value.

    {"subject": "Duplicate charge", "customer": {"plan": "pro"}, "tags": ["billing", "urgent"], "open": true, "due": null}

    subject: Duplicate charge
    customer plan: pro
    tags: billing
    tags: urgent
    open: true
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property


def render(value: object) -> str:
    """Render a JSON value as text. A string stands for itself. A null is left out."""
    return "\n".join(f"{names}: {text}" if names else text for names, text in _lines(value, ""))


def _lines(value: object, names: str) -> Iterator[tuple[str, str]]:
    """Yield the names that lead to each value, and the value."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _lines(item, f"{names} {name}".strip())
    elif isinstance(value, list):
        for item in value:
            yield from _lines(item, names)
    elif value is not None:
        yield names, value if isinstance(value, str) else json.dumps(value)


@dataclass(frozen=True)
class Placeholders:
    """Finds placeholders in texts.

    Attributes:
        names: The placeholders.
    """

    names: Collection[str]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first, because a placeholder may begin with another one.
        return re.compile("|".join(re.escape(name) for name in sorted(self.names, key=len, reverse=True)))

    def split(self, text: str) -> tuple[str, tuple[str, ...]]:
        """Take placeholders out of a text.

        Returns:
            The text without them and without blanks at its ends, and the placeholders in it, without repeats.
        """
        found = tuple(dict.fromkeys(self._pattern.findall(text))) if self.names else ()
        return (self._pattern.sub("", text).strip() if found else text), found
