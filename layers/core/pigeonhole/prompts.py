"""Prompts: the texts that stand for a label in an encoder's space. Templates are data; `{}` is where the label goes.

A label is rendered in every template and the embeddings are averaged (prompt ensembling, Radford et al. 2021, section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Sequence

# A text sample against a text label, in the sentence encoder. The bare label keeps labels that are sentences themselves intact.
TEXT_TEMPLATES = ("{}", "This text is about {}.")


def templates_for(defaults: Sequence[str], own: Sequence[str] | None, instruction: str | None) -> tuple[str, ...]:
    """Choose the templates of a request: the caller's own, else the defaults; an instruction adds a variant of each with it.

    The label goes where the first `{}` is, and an instruction comes after it, so braces in an instruction stay text.
    """
    base = tuple(own) if own else tuple(defaults)
    if not instruction:
        return base
    return (*base, *(f"{template} ({instruction})" for template in base))


def render(template: str, label: str) -> str:
    """Put `label` where the template's first `{}` is; every other character of both stays as it is."""
    before, after = template.split("{}", 1)
    return f"{before}{label}{after}"
