"""Templates are data: a label goes where `{}` is, and an instruction adds its context."""

from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.prompts import render, templates_for


def test_the_models_templates_are_used_unless_the_caller_has_own_ones() -> None:
    assert templates_for(("a photo of a {}",), None, None) == ("a photo of a {}",)
    assert templates_for(("a photo of a {}",), ("{} seen from above",), None) == ("{} seen from above",)


def test_an_instruction_joins_the_plain_templates() -> None:
    assert templates_for(("{}",), None, "tickets of a bank") == ("{}", "{} (tickets of a bank)")


def test_braces_in_a_label_or_an_instruction_stay_text() -> None:
    assert render("a photo of {}", "{} and {0}") == "a photo of {} and {0}"
    plain, with_context = templates_for(("{}!",), None, "say {} or {x}")
    assert render(with_context, "cat") == "cat! (say {} or {x})"
    assert render(plain, "cat") == "cat!"


@given(st.text(), st.text().filter(lambda text: "{}" not in text), st.text())
def test_rendering_keeps_every_character(label: str, before: str, after: str) -> None:
    # A brace at the end of `before` would move where the first `{}` is.
    before = before.rstrip("{")
    assert render(f"{before}{{}}{after}", label) == f"{before}{label}{after}"
