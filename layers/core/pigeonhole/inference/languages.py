"""Distinguish English from other languages, as far as it decides which sentence encoder reads a text.

The sentence encoder all-MiniLM-L6-v2 was trained on English. Its tokenizer splits words of other languages into many pieces. So
the share of pieces that continue a word says how foreign a text is to the encoder. This also finds English words that the
encoder has hardly seen. Letters of other scripts are pieces of their own, or unknown.
"""

from __future__ import annotations

import re

# As BERT's tokenizer splits a text before it looks for pieces: runs of letters and digits, and single other characters.
_UNIT = re.compile(r"[^\W_]+|[^\w\s]|_")
_LAST_LATIN = "\u024f"  # the last letter of Unicode's block Latin Extended-B
MAX_OTHER_SCRIPT = 0.3  # of a text's letters
MAX_CONTINUED = 0.2  # of a text's pieces


def is_english(text: str, tokens: int) -> bool:
    """Return whether an English sentence encoder reads a text well.

    docs/scoring.md states how often this is right in which language.

    Args:
        text: The text.
        tokens: The number of its tokens in the sentence encoder, without special tokens.
    """
    letters = [character for character in text if character.isalpha()]
    if sum(letter > _LAST_LATIN for letter in letters) > MAX_OTHER_SCRIPT * len(letters):
        return False
    return tokens - len(_UNIT.findall(text)) <= MAX_CONTINUED * tokens
