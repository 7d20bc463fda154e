"""A catch-all is recognised by its words; test_reading.py and test_languages.py have most of them."""

import pytest

from pigeonhole.inference.labels.catch_all import is_catch_all


@pytest.mark.parametrize(
    "label", ["other", "\uff2f\uff54\uff48\uff45\uff52", "OTHER (SEE NOTES)", "misc/other/n.a.", "Other: ____"]
)
def test_case_width_and_what_stands_beside_it_change_nothing(label: str) -> None:
    assert is_catch_all(label)


@pytest.mark.parametrize(
    "label", ["please specify", "see notes", "/", "", "other food", "specify: food", "review", "free text"]
)
def test_words_that_only_stand_beside_a_catch_all_are_none_by_themselves(label: str) -> None:
    assert not is_catch_all(label)
