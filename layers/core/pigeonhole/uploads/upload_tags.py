"""The tags that a classified file gets in S3: its labels, best first, and the best label's score."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from pigeonhole.uploads.upload_result import UploadResult

LABEL_TAG, SCORE_TAG = "pigeonhole:label", "pigeonhole:score"
MAX_TAG_UNITS = 256  # UTF-16 code units of a tag's value
_ALLOWED_SIGNS = frozenset("+-._:@ ")  # S3 also takes `=`, which begins an escape here, and `/`, which separates labels


def to_tags(result: UploadResult) -> dict[str, str]:
    """Return the tags of a result. A result without a label has none."""
    if not result.labels:
        return {}
    tags, score = {LABEL_TAG: to_tag_value(result.labels)}, result.best_probability
    return tags if score is None else tags | {SCORE_TAG: f"{score:.4f}"}


def to_tag_value(labels: Sequence[str]) -> str:
    """Join labels by slashes, as many characters as a tag's value can hold.

    A character that S3 doesn't take in a tag is written as its UTF-8 bytes, `=XX` each.
    """
    value = ""
    for number, label in enumerate(labels):
        for piece in (["/"] if number else []) + [_escape(character) for character in label]:
            if _utf16_units(value + piece) > MAX_TAG_UNITS:
                return value
            value += piece
    return value


def _escape(character: str) -> str:
    if unicodedata.category(character)[0] in "LN" or character in _ALLOWED_SIGNS:
        return character
    return "".join(f"={byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
