"""Report pydantic's errors in the caller's words: one fault per field of the body, each with its dotted path."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pigeonhole.errors import Fault, InvalidRequest

# By pydantic's type of error. `{…}` are filled from the error's context.
_MESSAGES = {
    "missing": "is required",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be an array",
    "string_type": "must be a string",
    "string_unicode": "must be valid Unicode, without half of a surrogate pair",
    "string_too_short": "must not be empty",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "union_tag_invalid": "must have as {discriminator} one of {expected_tags}",
    "union_tag_not_found": "must be an object with the field {discriminator}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
}
# In pydantic's path, the branch of a union is a segment of its own.
_UNION_BRANCHES = ("constrained-str", "int", "float", "constrained-float")


TAG = "#"  # begins the tags of unions, which are segments of pydantic's path as well


@dataclass(frozen=True)
class LocatedFault(Fault):
    """A fault whose place is known as a list, because names in it may have dots.

    Attributes:
        location: The path in the body: names and indices.
        kind: What is wrong, as pydantic calls it.
    """

    location: tuple[str | int, ...] = ()
    kind: str = "value_error"


def locate(location: Iterable[str | int], message: str, kind: str = "value_error") -> LocatedFault:
    """Create a fault at a place of the body."""
    parts = tuple(location)
    return LocatedFault(".".join(map(str, parts)), message, parts, kind)


def to_located_faults(error: ValidationError) -> tuple[LocatedFault, ...]:
    """Convert pydantic's errors to faults with their places, in the order of the fields. Tags of unions are left out."""
    faults: dict[str, LocatedFault] = {}
    for item in error.errors(include_url=False, include_input=False):
        parts = [part for part in item["loc"] if not (isinstance(part, str) and part.startswith(TAG))]
        fault = locate(parts, _to_message(item, "" if parts else "the body"), item["type"])
        faults.setdefault(fault.path, fault)
    return tuple(faults.values())


def to_faults(error: ValidationError, *, whole: str = "the body") -> tuple[Fault, ...]:
    """Convert pydantic's errors to faults, in the order of the fields. A path names what the caller sent.

    Args:
        error: The errors.
        whole: What was validated, for the message if it is no object.
    """
    faults: dict[str, Fault] = {}
    for item in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in item["loc"] if part not in _UNION_BRANCHES)
        fits_no_branch = any(part in _UNION_BRANCHES for part in item["loc"]) and item["type"] != "string_unicode"
        message = "must be a string or a finite number" if fits_no_branch else _to_message(item, "" if path else whole)
        faults.setdefault(path, Fault(path, message))
    return tuple(faults.values())


def _to_message(item: Mapping[str, Any], whole: str) -> str:
    if whole and item["type"] == "model_type":
        return f"{whole} must be a JSON object"
    template = _MESSAGES.get(item["type"])
    if template:
        return template.format(**item.get("ctx", {}))
    message = str(item["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def invalid_request(faults: tuple[Fault, ...]) -> InvalidRequest:
    """Create one error for all faults, of which there is at least one. The message names the first, the details list all."""
    first = faults[0]
    head = f"{first.path}: {first.message}" if first.path else first.message
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return InvalidRequest(head + more, faults)


BLANK = "must not be blank: write at least one visible character"

# Unicode's categories of blanks, control characters and marks without a shape, such as the zero-width space.
_INVISIBLE = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
MAX_STRIPPED = 1_000  # blanks at each end of an address. With more, it is no address.
# Letters and marks that look like a blank: braille and Hangul fillers, and variation selectors.
_FILLERS = frozenset("\u2800\u3164\u115f\u1160\uffa0") | {chr(code) for code in range(0xFE00, 0xFE10)}


def is_blank(text: str) -> bool:
    """Return whether a text has no visible character."""
    return all(unicodedata.category(letter) in _INVISIBLE or letter in _FILLERS for letter in text)


def strip_address(address: str) -> str:
    """Drop what shows nothing around an address, as browsers do with blanks and control characters (WHATWG URL, 4.4).

    The end of an `s3://` address stays, because an object key may end in a blank.
    """
    start, stop = 0, len(address)
    while start < stop and start < MAX_STRIPPED and is_blank(address[start]):
        start += 1
    if address[start : start + 5].lower() != "s3://":
        while stop > start and len(address) - stop < MAX_STRIPPED and is_blank(address[stop - 1]):
            stop -= 1
    return address[start:stop]


def check_visible(text: str) -> str:
    """Return `text` if it has a visible character.

    Raises:
        ValueError: The text is empty or blank.
    """
    if is_blank(text):
        raise ValueError(BLANK)
    return text


def check_length(text: str, max_chars: int, subject: str) -> str:
    """Return `text` if it isn't too long.

    Raises:
        ValueError: The text is too long. The message begins with `subject`.
    """
    if len(text) > max_chars:
        raise ValueError(f"{subject} must have at most {max_chars} characters, got {len(text)}")
    return text


def check_count(items: Any, least: int, most: int, noun: str) -> Any:
    """Return `items` if they are no list, which other validation reports, or a list of `least` to `most` items.

    Raises:
        ValueError: The list has too few or too many items. The message calls them by `noun`.
    """
    if isinstance(items, list) and not least <= len(items) <= most:
        allowed = f"{least} to {most}" if least else f"at most {most}"
        raise ValueError(f"must have {allowed} {noun}, got {len(items)}")
    return items
