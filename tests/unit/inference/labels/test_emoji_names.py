"""Emoji are written as words, and other texts stay as they are."""

import pytest

from pigeonhole.inference.labels.emoji_names import spell_emoji


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("\U0001f436", "dog face"),
        ("I love \U0001f436!", "I love dog face !"),
        ("\U0001f44d\U0001f3fd", "thumbs up"),
        ("❤\ufe0f", "red heart"),
        ("❤", "red heart"),
        ("\U0001f1eb\U0001f1f7", "France"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "family man woman girl"),
        ("1\ufe0f\u20e3", "1"),
        ("so funny\U0001f602\U0001f602\U0001f602", "so funny 3 face with tears of joy"),
        ("\u2b50", "star"),
        ("\u2b50\u2b50\u2b50", "3 star"),
        ("\u2b50 \u2b50 great", "2 star great"),
        ("\U0001f602 \U0001f436 \U0001f602", "face with tears of joy dog face face with tears of joy"),
    ],
)
def test_emoji_become_words(text: str, spelled: str) -> None:
    assert spell_emoji(text) == spelled


@pytest.mark.parametrize("text", ["", "plain  text", "café → 猫", "#1 * 2"])
def test_a_text_without_emoji_is_unchanged(text: str) -> None:
    assert spell_emoji(text) == text
