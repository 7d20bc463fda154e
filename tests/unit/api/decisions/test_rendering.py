"""JSON becomes lines of text, and placeholders are found in it."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.api.decisions.rendering import Placeholders, render


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Please help.", "Please help."),
        ({"message": "Please help.", "subject": "Duplicate charge"}, "message: Please help.\nsubject: Duplicate charge"),
        ({"customer": {"plan": "pro", "seats": 3}}, "customer plan: pro\ncustomer seats: 3"),
        ({"tags": ["billing", "urgent"], "due": None, "open": True}, "tags: billing\ntags: urgent\nopen: true"),
        (["one", ["two", {"a": 1.5}]], "one\ntwo\na: 1.5"),
        ({}, ""),
        (None, ""),
    ],
)
def test_each_value_is_a_line_after_the_names_that_lead_to_it(value: Any, text: str) -> None:
    assert render(value) == text


@pytest.mark.parametrize(
    ("text", "without", "found"),
    [
        ("<a>", "", ("<a>",)),
        ("before <a> after <a>", "before  after", ("<a>",)),
        ("<ab> and <a>", "and", ("<ab>", "<a>")),
        ("nothing", "nothing", ()),
    ],
)
def test_placeholders_are_taken_out_in_the_order_in_which_they_occur(text: str, without: str, found: tuple[str, ...]) -> None:
    assert Placeholders(["<a>", "<ab>"]).split(text) == (without, found)


def test_of_two_placeholders_the_longer_one_is_found() -> None:
    assert Placeholders(["img1", "img10"]).split("img10") == ("", ("img10",))


def test_without_placeholders_a_text_stays_as_it_is() -> None:
    assert Placeholders([]).split(" text ") == (" text ", ())
