"""Turn the options of a question into texts of labels. Some options mean nothing without their question.

"Billing" says what it names, whatever was asked. "Yes", "low" and "against" don't. `read_choice` and `read_levels` put into
words what such options say of a sample. docs/scoring.md has the measured effect. The tables are English. Other options stay as
they are.

The module imports neither numpy nor a model, so functions/api can use it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pigeonhole.inference.labels.catch_all import is_catch_all
from pigeonhole.inference.labels.hypotheses import to_hypothesis
from pigeonhole.inference.labels.wording import tidy, words

NONE_OF_THESE = "none of these"  # the label that is right if no other label is


@dataclass(frozen=True)
class Option:
    """One of the answers that a caller names.

    Attributes:
        value: The name of the answer.
        descriptions: Texts that say what it means.
    """

    value: str
    descriptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelTexts:
    """What to compare samples with.

    Attributes:
        texts: For each option, the texts of its label.
        instruction: The instruction for the prompts, None if the labels need none.
    """

    texts: tuple[tuple[str, ...], ...]
    instruction: str | None = None


_YES = re.compile(words("yes y true correct"), re.IGNORECASE)
_NO = re.compile(words("no n false incorrect"), re.IGNORECASE)
_LOW = words("no none not never low lowest little least min minimal weak mild minor slight slightly rarely")
_HIGH = words("high highest very extremely most max maximal strong severe major strongly always")
_BETWEEN = words(
    "medium mid middle moderate moderately average normal some somewhat sometimes often quite fairly rather partly mixed",
    "neutral at all a bit lot",
)
_STANCE = words(
    "in favou?r of for against support supports oppose opposes agree disagree pro con neither stance opinion unsure"
)
_NUMBER = r"\d+(?:\.\d+)?(?:/\d+| stars?| points?)?"
_DEPENDENT = re.compile(
    rf"{_NUMBER}|(?:{_LOW}|{_HIGH}|{_BETWEEN}|{_STANCE})(?:[ /-](?:{_LOW}|{_HIGH}|{_BETWEEN}|{_STANCE})){{0,4}}"
)
_STARTS_LOW, _STARTS_HIGH = re.compile(rf"{_LOW}\b"), re.compile(rf"{_HIGH}\b")

# "How urgent is this message?", and not "How many people are there?".
_UNLIKE = words("many much often likely long old far soon well big")
_HOW = re.compile(rf"how (?!{_UNLIKE} )(?P<quality>[a-z-]+) (?:is|are|was|were|do|does|did) .+", re.IGNORECASE)
# By the number of levels, from the lowest to the highest.
_DEGREES = {
    2: ("not {}", "{}"),
    3: ("not {}", "somewhat {}", "very {}"),
    4: ("not {}", "slightly {}", "quite {}", "very {}"),
    5: ("not {}", "slightly {}", "somewhat {}", "quite {}", "very {}"),
}


def read_choice(question: str, options: Sequence[Option]) -> LabelTexts:
    """Return the texts of the labels of options, of which one is right.

    - "Yes" and "no" are what the question asserts, and the opposite.
    - An option that means nothing without the question has its descriptions only. Without any it has its value.
    - Every other option has its value and its descriptions.
    - The question is the instruction if no option means anything without it. "Other" doesn't count.
    """
    answers = _read_yes_and_no(question, options)
    if answers:
        return LabelTexts(answers)
    texts = tuple(_texts_of(option) for option in options)
    named = [option for option in options if not is_catch_all(option.value)]
    are_bare = bool(named) and all(_depends_on_question(option.value) and not option.descriptions for option in named)
    return LabelTexts(texts, tidy(question) if are_bare and tidy(question) else None)


def read_levels(question: str, levels: Sequence[Option]) -> LabelTexts:
    """Return the texts of the labels of levels, which are ordered.

    "Low", "medium" and "high" of "How urgent is this message?" are "not urgent", "somewhat urgent" and "very urgent". Other
    levels are read as `read_choice` reads options.
    """
    asked = _HOW.fullmatch(tidy(question))
    degrees = _DEGREES.get(len(levels))
    if asked is None or degrees is None or not all(_is_bare_degree(level) for level in levels):
        return read_choice(question, levels)
    texts = tuple((degree.format(asked["quality"]),) for degree in degrees)
    return LabelTexts(texts[::-1] if _is_descending(levels) else texts)


def _read_yes_and_no(question: str, options: Sequence[Option]) -> tuple[tuple[str, ...], ...] | None:
    if len(options) != 2 or any(option.descriptions for option in options):
        return None
    values = [tidy(option.value) for option in options]
    for yes, no in ((0, 1), (1, 0)):
        if _YES.fullmatch(values[yes]) and _NO.fullmatch(values[no]):
            hypothesis = to_hypothesis(question)
            texts = ((hypothesis.positive,), (hypothesis.negative or NONE_OF_THESE,))
            return texts if yes == 0 else texts[::-1]
    return None


def _texts_of(option: Option) -> tuple[str, ...]:
    if option.descriptions and _depends_on_question(option.value):
        return option.descriptions
    return (option.value, *option.descriptions)


def _depends_on_question(value: str) -> bool:
    return _is_degree(value) or any(pattern.fullmatch(tidy(value)) for pattern in (_YES, _NO))


def _is_bare_degree(level: Option) -> bool:
    return _is_degree(level.value) and not level.descriptions


def _is_degree(value: str) -> bool:
    return _DEPENDENT.fullmatch(tidy(value).lower()) is not None


def _is_descending(levels: Sequence[Option]) -> bool:
    first, last = (tidy(level.value).lower() for level in (levels[0], levels[-1]))
    if first[:1].isdigit() and last[:1].isdigit():
        return _number(first) > _number(last)
    return bool(_STARTS_HIGH.match(first) or _STARTS_LOW.match(last))


def _number(value: str) -> float:
    match = re.match(r"\d+(?:\.\d+)?", value)
    return float(match[0]) if match else 0.0
