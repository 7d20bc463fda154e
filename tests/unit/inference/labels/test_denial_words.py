"""Every label that denies something has a word of denial. The labels are made from the patterns that read them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pigeonhole.inference.labels.catch_all import PATTERNS, is_catch_all
from pigeonhole.inference.labels.denial import NO_FINDING
from pigeonhole.inference.labels.denial_words import may_deny
from pigeonhole.inference.labels.languages import AFFIRMATIONS
from pigeonhole.inference.labels.negation import FORMS, find_negation

READERS = [*PATTERNS, *(pattern.pattern for pattern in (*(form.pattern for form in FORMS), NO_FINDING, *dict(AFFIRMATIONS)))]
LATIN = [pattern for pattern in READERS if not re.search("[\u3000-\u9fff]", pattern)]
ASCII = st.characters(codec="ascii")  # with any other letter, a label may always deny


@pytest.mark.parametrize("pattern", LATIN)
def test_a_label_that_denies_something_has_a_word_of_denial(pattern: str) -> None:
    # Some patterns are long, so their labels are large and slow to make. That is no fault of the test.
    @settings(max_examples=100, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern, fullmatch=True, alphabet=ASCII), st.sampled_from(" -_"), st.booleans())
    def check(text: str, space: str, in_capitals: bool) -> None:
        label = (text.upper() if in_capitals else text).replace(" ", space)
        assert may_deny(label) or not denies(label)

    check()


def denies(label: str) -> bool:
    """Tell whether the patterns find a denial, or what another label may make one."""
    is_read = is_catch_all(label) or find_negation(label) or NO_FINDING.fullmatch(label)
    return bool(is_read or any(pattern.search(label) for pattern, _ in AFFIRMATIONS))


@pytest.mark.parametrize("label", ["cat", "A photo of a hot dog", "Inner city", "university", "T-shirt", "São Paulo", "café!"])
def test_a_label_without_a_word_of_denial_denies_nothing(label: str) -> None:
    assert not may_deny(label)


@pytest.mark.parametrize(
    "label", ["Other", "N/A", "hot-dog/other", "Isn\u2019t it?", "(no) cat", "猫", "кот", "kein Hund", "n\u00e3o"]
)
def test_a_label_with_a_word_of_denial_or_of_another_alphabet_may_deny(label: str) -> None:
    assert may_deny(label)
