"""Read what the text of a label says: a thing, the negation of a thing, or none of the other labels.

Other labels of the request decide a doubtful reading: "non-toxic" negates "toxic" if that is a label, too, and is the name of a
thing otherwise, as "non-Hodgkin lymphoma" is.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from pigeonhole.inference.labels.catch_all import is_catch_all
from pigeonhole.inference.labels.emoji_names import drop_emoji, spell_emoji
from pigeonhole.inference.labels.languages import AFFIRMATIONS
from pigeonhole.inference.labels.negation import find_negation
from pigeonhole.inference.labels.same_thing import is_named, is_same_thing, says_of
from pigeonhole.inference.labels.wording import strip_frame, tidy, words

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


# "No finding" beside the findings of an X-ray or an inspection is none of them, unless "finding" or the like is itself a label.
_FAULT = words(
    "findings? issues? abnormalit(?:y|ies) anomal(?:y|ies) defects? faults? errors? damages? concerns? symptoms? diseases?",
    "patholog(?:y|ies) lesions? violations? incidents? irregularit(?:y|ies) flaws?",
)
_FOUND = words("found detected seen visible present identified reported noted observed")
_NO_FINDING = re.compile(
    rf"(?:no|without|without any|free of) (?:(?:significant|acute|visible|obvious|apparent|known|other|active|such) )?"
    rf"(?P<fault>{_FAULT})(?: (?:is |are |was |were )?{_FOUND})?"
    rf"|no problems? {_FOUND}|nothing (?:is |was )?(?:wrong|abnormal|unusual|suspicious|amiss|{_FOUND}|to report)",
    re.IGNORECASE,
)

# Labels that are prompts themselves. Each pattern matches a whole label; its group `thing` is what the prompt names.
_WRITING = words("text sentence passage paragraph document article message post email mail review comment tweet example sample")
_SHOWS = words("shows? contains? depicts? features? showing containing depicting featuring of is_of")
_ABOUT = words("about regarding concerning on_the_topic_of on_the_subject_of")
_PROMPTS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:(?:an?|the|this) )?(?:photo|photograph|picture|pic|image|snapshot)s?(?: (?:that|which))?"
        rf" {_SHOWS} (?P<thing>.+)",
        r"(?:an? |the |this )?(?:photo|photograph|picture|pic|image)s? with (?:an?|the|some) (?P<thing>.+)",
        rf"(?:(?:an?|the|this) )?{_WRITING}s?(?: (?:that|which))?(?: is| are)? {_ABOUT} (?P<thing>.+)",
        rf"(?:it|this|that) is {_ABOUT} (?P<thing>.+)",
        # "This is a cat." names a cat, and "this is spam" names spam. "This is how we do it" is a sentence.
        r"(?:(?:it|this|that) is|it's|that's|there is|there's) an? (?P<thing>(?:\S+ ){0,5}\S+)",
        r"(?:(?:it|this|that) is|it's|that's) (?!(?:not|how|why|what|where|when|who|about) )(?P<thing>(?:\S+ )?\S+)",
        rf"(?:this|the) (?:{_WRITING}|photo|picture|image) is (?P<thing>(?:\S+ )?\S+)",
        r"(?:the|this) (?:topic|subject|theme|category|class|label|sentiment|intent|emotion)"
        rf"(?: (?:of|in) (?:this|the) {_WRITING})? is (?P<thing>.+)",
    )
)


def parse_label(label: str, beside: Collection[str] = ()) -> Reading:
    """Read a label by its words, in time linear in its length.

    Letter case, extra spaces, closing punctuation, enclosing brackets or quotes, and "_" or "-" for a space make no difference.

    Args:
        label: The text of the label.
        beside: The texts of the other labels of the request.
    """
    spelled = " ".join(spell_emoji(label).split())
    reading = _read(spelled, [spell_emoji(other) for other in beside])
    unadorned = drop_emoji(label)
    if reading.kind == "plain" and unadorned != spelled:
        without_emoji = _read(unadorned, beside)
        return reading if without_emoji.kind == "plain" else without_emoji
    return reading


def _read(spelled: str, beside: Collection[str]) -> Reading:
    if is_catch_all(spelled) or _is_no_finding(spelled, beside):
        return Reading("none", "")
    thing = _negated_thing(spelled, beside)
    if thing is None:
        affirmed = _find_affirmed(spelled, beside)
        return Reading("negated", affirmed) if affirmed else _read_through_prompt(spelled)
    if is_catch_all(thing):
        return Reading("plain", spelled)
    inner = _negated_thing(thing, beside)
    if inner is None:
        return Reading("negated", thing)
    # Two negations cancel out: "not a non-food item" is plain. Three or more are left unchanged.
    return Reading("plain", spelled if _negated_thing(inner, beside) or is_catch_all(inner) else inner)


def _is_no_finding(label: str, beside: Collection[str]) -> bool:
    match = _NO_FINDING.fullmatch(tidy(label).replace("-", " "))
    return match is not None and not (match["fault"] and is_named(match["fault"], beside))


def _negated_thing(label: str, beside: Collection[str]) -> str | None:
    negation = find_negation(label)
    if negation is None or not (negation.is_clear or is_named(negation.thing, beside)):
        return None
    return negation.thing


def _find_affirmed(label: str, beside: Collection[str]) -> str | None:
    """Return what another label says and this label denies.

    It is the label without its negation ("a person with a hat" for "a person without a hat"), or the only label that says of
    the same subject what this one lacks ("rusty metal" for "metal without rust").
    """
    for pattern, replacement in AFFIRMATIONS:
        match = pattern.search(label)
        if match is None:
            continue
        affirmed = pattern.sub(replacement, label, count=1)
        if any(is_same_thing(affirmed, other) for other in beside):
            return " ".join(affirmed.split())
        subject, lacking = label[: match.start()], label[match.end() :]
        having = [other for other in beside if says_of(other, subject, lacking)]
        if len(having) == 1:
            return having[0]
    return None


def _read_through_prompt(label: str) -> Reading:
    """Read a label that negates nothing. "A photo of a cat" says what "cat" says."""
    text = tidy(label)
    match = next((match for pattern in _PROMPTS if (match := pattern.fullmatch(text))), None)
    thing = strip_frame(match["thing"]) if match else None
    if thing is None:
        return Reading("plain", label)
    return Reading("none", "") if is_catch_all(thing) else Reading("plain", thing)
