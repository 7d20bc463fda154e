"""Compare texts by what they name: "hot dog" and "hotdogs" are the same thing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pigeonhole.inference.labels.wording import strip_frame, tidy

_NO_PLURALS = frozenset({"news", "goods", "lens", "species", "series", "physics", "politics", "economics", "mathematics"})
_LITTLE_WORDS = frozenset({"a", "an", "the", "any", "some", "of", "in", "with", "is", "are"})
# What a label may say of a thing without a change of its meaning: "with a mask", "wearing a mask", "contains people".
_CARRIED = re.compile(r"(?:with|has|having|wearing|contains?) (?=.)", re.IGNORECASE)
_HAVING = re.compile(r"^(?:含有|带有|帶有|有|是|含|带|帶)|(?:あり|です)$")
# "toxic" and "toxicity", "violent" and "violence": words of one stem share at least so many letters, ...
_MIN_STEM = 5
# ... and all letters of the shorter word but so many.
_MAX_ENDING = 1
# In what two labels say of one subject, fewer letters are enough: "rust" and "rusty", "smile" and "smiling".
_MIN_KIN = 4


def normalize(text: str) -> str:
    """Remove from a label what doesn't change its meaning: case, hyphens, a leading article, a plural's s, a full stop."""
    words = text.casefold().replace("-", " ").replace("_", " ").split()
    if len(words) > 1 and words[0] in ("a", "an", "the"):
        words = words[1:]
    phrase = " ".join(words).rstrip(".!?")
    is_plural = phrase[-1:] == "s" and len(phrase) > 3 and phrase[-2:] != "ss" and phrase not in _NO_PLURALS
    return phrase[:-1] if is_plural else phrase


def is_same_thing(first: str, second: str) -> bool:
    """Return whether two texts name the same thing, as "hot dog" and "hotdog" do, or "with a mask" and "mask"."""
    return first == second or _letters(first) == _letters(second)


def _letters(text: str) -> str:
    tidied = tidy(text)
    thing = _CARRIED.sub("", tidied.replace("-", " "))
    return normalize(strip_frame(thing) or tidied).replace(" ", "") or text


def is_named(thing: str, labels: Iterable[str]) -> bool:
    """Return whether one of the labels names a thing, or what the first word of its name says.

    "Hodgkin lymphoma" is named by "Hodgkin" and by "classical Hodgkin lymphoma". "Lymphoma" doesn't name it, because a
    non-Hodgkin lymphoma is a lymphoma as well.
    """
    words = _content_words(thing)
    return any(is_same_thing(thing, label) or _shares_head(thing, words, label) for label in labels)


def says_of(label: str, subject: str, thing: str) -> bool:
    """Return whether a label says a thing of a subject: "face with a medical mask" says "mask" of "face"."""
    words, of_subject, of_thing = _content_words(label), _content_words(subject), _content_words(thing)
    if not of_subject or not of_thing:
        return False
    about = [word for word in words if any(_is_same_word(word, one) for one in of_subject)]
    others = [word for word in words if word not in about]
    return bool(about) and all(any(_is_same_word(word, one, _MIN_KIN) for word in others) for one in of_thing)


def _shares_head(thing: str, words: list[str], label: str) -> bool:
    if _HAVING.sub("", label) == thing:  # a language without spaces: 人 in 有人. 洲 isn't named by 亚洲.
        return True
    label_words = _content_words(label)
    if not words or not any(_is_same_word(words[0], word) for word in label_words):
        return False
    return _has_all(label_words, words) or _has_all(words, label_words)


def _content_words(text: str) -> list[str]:
    words = [normalize(word) for word in text.replace("-", " ").replace("_", " ").split()]
    return [word for word in words if word and word not in _LITTLE_WORDS]


def _has_all(words: list[str], wanted: list[str]) -> bool:
    return all(any(_is_same_word(one, word) for word in words) for one in wanted)


def _is_same_word(first: str, second: str, min_stem: int = _MIN_STEM) -> bool:
    if first == second:
        return True
    pairs = zip(first, second, strict=False)
    shared = next((length for length, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))
    return shared >= max(min_stem, min(len(first), len(second)) - _MAX_ENDING)
