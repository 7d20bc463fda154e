"""Write emoji as words, because a text model has hardly a token for them. The names are Unicode's (CLDR).

A text that isn't ASCII imports the library: its table of all emoji would take 20 ms of every start.
"""

from __future__ import annotations

import re

_SKIN_TONE = re.compile(r"_(?:(?:medium-)?light|medium|(?:medium-)?dark)_skin_tone\b")


def spell_emoji(text: str) -> str:
    """Replace each emoji by its English name: "I love 🐶" becomes "I love dog face", and "⭐⭐⭐" becomes "3 star".

    A flag becomes the name of its country. Skin tones are left out. A text without emoji is unchanged.
    """
    if text.isascii():
        return text
    import emoji

    if not emoji.emoji_count(text):
        return text
    spelled: list[str] = []
    last, count = "", 0
    end = 0
    for match in emoji.emoji_list(text):
        start, name = match["match_start"], _clean(emoji.demojize(match["emoji"], delimiters=("", "")))
        between = text[end:start]
        if between.strip() or name != last:
            spelled += [_counted(last, count), between]
            count = 0
        last, count, end = name, count + 1, match["match_end"]
    return " ".join("".join([*spelled, _counted(last, count), text[end:]]).split())


def _counted(name: str, count: int) -> str:
    return f" {count} {name} " if count > 1 else f" {name} "


def drop_emoji(text: str) -> str:
    """Return a text without its emoji, which may be ornaments: "not spam" for "\u274c not spam"."""
    if text.isascii():
        return text
    import emoji

    return " ".join(emoji.replace_emoji(text, " ").split())


def _clean(name: str) -> str:
    return _SKIN_TONE.sub("", name).removeprefix("keycap_").replace("_", " ")
