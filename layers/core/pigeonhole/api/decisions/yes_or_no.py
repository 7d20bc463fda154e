"""Read a question that is answered by yes or no, or a statement, as two options."""

from __future__ import annotations

from collections.abc import Sequence

from pigeonhole.api.decisions.questions import Option
from pigeonhole.contract.validation import is_blank
from pigeonhole.inference.labels.choices import NONE_OF_THESE
from pigeonhole.inference.labels.hypotheses import to_hypothesis


def to_yes_and_no(question: str, yes: Option, no: Option) -> tuple[Option, Option]:
    """Return the options that the question holds, and that it doesn't.

    Args:
        question: The question or statement. It may be blank if `yes` or `no` is described.
        yes: What counts as yes, beside the question.
        no: What counts as no, beside the question.
    """
    yes_texts, no_texts = yes.texts, no.texts
    if not is_blank(question):
        hypothesis = to_hypothesis(question)
        yes_texts = (hypothesis.positive, *yes_texts)
        no_texts = no_texts if hypothesis.negative is None else (hypothesis.negative, *no_texts)
    return (
        Option(yes.name, yes_texts or _opposite(no_texts, yes.images), yes.images),
        Option(no.name, no_texts or _opposite(yes_texts, no.images), no.images),
    )


def _opposite(texts: Sequence[str], images: Sequence[str]) -> tuple[str, ...]:
    """Return the text of an option that only the other one describes. An option with images needs none."""
    if images:
        return ()
    negative = to_hypothesis(texts[0]).negative if texts else None
    return (negative or NONE_OF_THESE,)
