"""The script of a text, and how finely the English tokenizer splits its words, say whether it is English."""

import pytest

from pigeonhole.inference.languages import is_english


@pytest.mark.parametrize(
    ("text", "tokens", "expected"),
    [
        ("", 0, True),
        ("42", 1, True),
        ("my parcel has not arrived yet", 6, True),
        ("Where's the invoice?", 6, True),
        ("wo bleibt mein Paket denn nur", 11, False),  # wo b ##lei ##bt mein pa ##ket den ##n nur ...
        ("где моя посылка", 12, False),
        ("我的包裹在哪里", 7, False),
        ("พัสดุของฉันอยู่ที่ไหน", 1, False),  # an unknown token
        ("Πού είναι το δέμα μου", 20, False),
        ("I love my café in München", 7, True),
        ("the word кошка means cat in Russian, as everyone knows", 13, True),
    ],
)
def test_a_text_is_english_if_its_words_are_known(text: str, tokens: int, expected: bool) -> None:
    assert is_english(text, tokens) is expected
