"""A negation says what it negates, and whether it may as well be a name."""

import pytest

from pigeonhole.inference.labels.negation import Negation, find_negation


@pytest.mark.parametrize(
    ("label", "negation"),
    [
        ("not a hotdog", Negation("hotdog", is_clear=True)),
        ("not a hot dog stand", Negation("hot dog stand", is_clear=True)),
        ("a photo without people", Negation("people", is_clear=True)),
        ("no people", Negation("people", is_clear=True)),
        ("no people or cars", Negation("people or cars", is_clear=True)),
        ("no other animals", Negation("other animals", is_clear=True)),
        ("no face detected", Negation("face", is_clear=True)),
        ("no face mask", Negation("face mask", is_clear=False)),
        ("no-mask", Negation("mask", is_clear=False)),
        ("no-hard-hat", Negation("hard hat", is_clear=False)),
        ("non-toxic", Negation("toxic", is_clear=False)),
        ("nontoxic", Negation("toxic", is_clear=False)),
        ("hotdog", None),
        ("no signal", None),
        ("not a dog but a cat", None),
    ],
)
def test_a_label_negates_clearly_or_perhaps_or_not_at_all(label: str, negation: Negation | None) -> None:
    assert find_negation(label) == negation
