"""pydantic's findings in the caller's words: one fault per place of the body, each with its dotted path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pigeonhole.errors import Fault, InvalidRequest

# pydantic's error type -> what the value must be; `{…}` are filled from the error's context.
_WORDS = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode; it holds half of a surrogate pair",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}
# A union's branch shows in the path as a segment of its own.
_BRANCHES = ("constrained-str", "int", "float", "constrained-float")


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Turn pydantic's findings into faults, in the order of the model's fields. A path names what the caller sent."""
    found: dict[str, Fault] = {}
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"] if part not in _BRANCHES)
        fits_no_branch = any(part in _BRANCHES for part in item["loc"]) and item["type"] != "string_unicode"
        message = "must be a string or a finite number" if fits_no_branch else _wording(item, whole_body=not path)
        found.setdefault(path, Fault(path, message))
    return tuple(found.values())


def _wording(item: Mapping[str, Any], *, whole_body: bool) -> str:
    if whole_body and item["type"] == "model_type":
        return "the body must be a JSON object"
    template = _WORDS.get(item["type"])
    if template:
        return template.format(**item.get("ctx", {}))
    message = str(item["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def invalid_request(faults: tuple[Fault, ...]) -> InvalidRequest:
    """One error for all `faults` (at least one): the message names the first, the details hold each."""
    first = faults[0]
    head = f"{first.path}: {first.message}" if first.path else first.message
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidRequest(head + more, faults)


def within(text: str, longest: int, what: str) -> str:
    """Give `text` back, if it has at most `longest` characters.

    Raises ValueError, for a validator to report.
    """
    if len(text) > longest:
        raise ValueError(f"{what} has at most {longest} characters, got {len(text)}")
    return text


def counted(items: Any, least: int, most: int, what: str) -> Any:
    """Give `items` back, if it is no list or one of `least` to `most` items.

    Raises ValueError, for a validator to report.
    """
    if isinstance(items, list) and not least <= len(items) <= most:
        taken = f"{least} to {most}" if least else f"at most {most}"
        raise ValueError(f"{taken} {what} are taken, got {len(items)}")
    return items
