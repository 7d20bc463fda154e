"""Read what the text of a label says: a thing, the negation of a thing, or none of the other labels."""

from __future__ import annotations

import re
from collections.abc import Collection

from pigeonhole.inference.labels.denial_words import may_deny
from pigeonhole.inference.labels.emoji_names import drop_emoji, spell_emoji
from pigeonhole.inference.labels.wording import Reading, strip_frame, tidy, words

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


def _read(label: str, beside: Collection[str]) -> Reading:
    thing = _find_thing(label)
    if may_deny(label):
        from pigeonhole.inference.labels.catch_all import is_catch_all
        from pigeonhole.inference.labels.denial import read_denial

        if denial := read_denial(label, beside):
            return denial
        if thing and is_catch_all(thing):
            return Reading("none", "")
    return Reading("plain", thing or label)


def _find_thing(label: str) -> str | None:
    """Return what a label names that is a prompt, "cat" for "a photo of a cat"; None if it is no prompt."""
    text = tidy(label)
    match = next((match for pattern in _PROMPTS if (match := pattern.fullmatch(text))), None)
    return strip_frame(match["thing"]) if match else None
