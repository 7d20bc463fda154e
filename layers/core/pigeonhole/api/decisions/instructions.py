"""Find the question in instructions that are an object.

pydantic-ai sends a question with what surrounds it, and OpenAI's shape has it as a string of JSON:

    {"field": "billing", "question": "Is this message about billing?", "goal": "Sort messages.", "yes": "payments"}

A dual encoder would compare the content with all of these words, of which only the question says what to look for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

# The names of what asks, the most exact first: an option of the question, the question itself, or the name of the output.
_ASKING = ("option", "question", "task", "field")


@dataclass(frozen=True)
class Instructions:
    """What instructions say. Each value is JSON.

    Attributes:
        question: What is asked.
        yes: What counts as yes, None if nothing says it.
        no: What counts as no, None if nothing says it.
    """

    question: object
    yes: object = None
    no: object = None


def read_instructions(value: object) -> Instructions:
    """Find the question in instructions. Other text than a JSON object is the question, and so is an object without one."""
    parts = _to_object(value)
    if parts is None:
        return Instructions(value)
    asking = next((parts[name] for name in _ASKING if parts.get(name)), None)
    others = {name: part for name, part in parts.items() if name not in ("yes", "no")}
    return Instructions(asking or others, parts.get("yes"), parts.get("no"))


def _to_object(value: object) -> Mapping[str, object] | None:
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):  # the text only begins like JSON
            return None
    return value if isinstance(value, dict) else None
