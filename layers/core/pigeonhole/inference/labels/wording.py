"""What all readings of a label share: their result, words of a frame ("a photo of"), how a label is tidied."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

# The texts whose reading is cached, the most recently used ones: those of a request with the most questions. A text that is
# asked about again and again would be matched with dozens of patterns each time.
MAX_CACHED_TEXTS = 4_096

ReadingKind = Literal["plain", "negated", "none"]


@dataclass(frozen=True)
class Reading:
    """What a label says.

    Attributes:
        kind: Whether the label is plain, negates a thing, or means none of the other labels.
        text: The text to embed. For a plain label it is the label, with emoji as words, without the frame of a prompt ("a photo
            of") and without negations that cancel out. For a negated label it is what the label negates ("hotdog" for "Not a
            hotdog!"). For none it is empty.
    """

    kind: ReadingKind
    text: str


def words(*phrases: str) -> str:
    """Return an alternation of words. Words are separated by spaces; "_" stands for a space inside a longer phrase."""
    return "(?:" + "|".join(word.replace("_", " ") for phrase in phrases for word in phrase.split()) + ")"


def starts_with(*phrases: str) -> re.Pattern[str]:
    """Return a pattern that matches at one of the phrases, if no further letter follows it."""
    return re.compile(words(*phrases) + r"(?![\w'])", re.IGNORECASE)


# Every pattern gets a label after `tidy`: single spaces, straight apostrophes, "-" for every dash. No pattern nests one
# unbounded repetition in another, so each pattern takes linear time.
SAMPLE = words("photo photograph picture pic image snapshot shot frame scene text sentence passage")
THE_SAMPLE = rf"in (?:it|(?:an?|the|this) {SAMPLE})"

# Removed from the name of a thing in this order, each once.
_STRIPPED: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:containing|showing|including|featuring|depicting|mentioning|involving|about|of|(?:related|relevant) to) (?=.)",
        rf"^(?:(?:an?|the|any) )?{SAMPLE}s? of (?=.)",
        r"^(?:(?:an?|the|any|some) )?(?:kind|sort|type)s? of (?=.)",
        r"^(?:a single|an?|the|any|some) (?=.)",
        r" (?:(?:is|are) )?(?:present|visible|shown|depicted|detected|found|at all|whatsoever|anywhere|in sight)$",
        rf" (?:(?:is|are) )?{THE_SAMPLE}$",
    )
)
_PLAINER = str.maketrans(
    {"_": " "}
    | dict.fromkeys("\u2018\u2019\u02bc\u0060\u00b4\uff07", "'")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)
_WRAPPED = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'", "\u201c": "\u201d", "<": ">", "\u300c": "\u300d"}
_CLOSING = " .,;:!?\u2026\u3002\uff01\uff1f\u3001"


def tidy(text: str) -> str:
    """Remove what doesn't change how a label is read: extra spaces, closing punctuation, enclosing brackets or quotes."""
    return unwrap(" ".join(text.translate(_PLAINER).split()))


def unwrap(text: str) -> str:
    """Remove closing punctuation, and brackets or quotes around the whole text."""
    text = text.rstrip(_CLOSING)
    if len(text) > 1 and _WRAPPED.get(text[0]) == text[-1]:
        text = text[1:-1].strip().rstrip(_CLOSING)
    return text


def to_plain_letters(text: str) -> str:
    """Return a text in lower case and without accents. The marks of Japanese letters stay."""
    decomposed = unicodedata.normalize("NFKD", text.casefold()).replace("\u0142", "l")
    return unicodedata.normalize("NFC", "".join(letter for letter in decomposed if not "\u0300" <= letter <= "\u036f"))


def strip_frame(thing: str) -> str | None:
    """Remove articles and frames such as "photo of" from the name of a thing. Returns None if nothing is left."""
    thing = unwrap(thing)
    for pattern in _STRIPPED:
        thing = pattern.sub("", thing)
    return thing if any(character.isalnum() for character in thing) else None
