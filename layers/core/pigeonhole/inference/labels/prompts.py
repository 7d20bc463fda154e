"""Prompts: the texts that stand for a label in an encoder's space. Templates are data; `{}` is where the label goes.

A label is rendered in every template and the embeddings are averaged (prompt ensembling, Radford et al. 2021, section 3.1.4).
Which of the model's templates fit depends on the label's form: "a photo of a people" is no English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Form = Literal["noun", "phrase", "name", "sentence"]

# A text sample against a text label, in the sentence encoder. The bare label keeps labels that are sentences themselves intact.
TEXT_TEMPLATES = ("{}", "This text is about {}.", "The topic is {}.")

_LONG = 8  # words from which a label is read as a sentence
_STARTS_PHRASE = re.compile(
    r"(?:an?|the|this|that|these|those|my|our|your|his|her|its|their|some|any|many|several|two|three|four|five|one|no|people"
    r"|someone|somebody)(?!\S)",
    re.IGNORECASE,
)
_VERB = re.compile(r"(?<!\S)(?:is|are|was|were|am|be|has|have|had|does|do|did|isn't|aren't)(?!\S)", re.IGNORECASE)
_PLURAL = re.compile(
    r"(?<!\S)(?:people|men|women|children|mice|geese|feet|teeth|sheep|police|\w{2,}(?<!s)(?<!u)(?<!i)s)$", re.IGNORECASE
)
_ARTICLE = re.compile(r"\b(?:a|an|the) (?=\{\})", re.IGNORECASE)


def form(label: str) -> Form:
    """What a label is, by its looks: one kind of thing, a phrase or plural that takes no article, a proper name, a sentence."""
    words = label.split()
    if label.rstrip().endswith((".", "!", "?")) or len(words) >= _LONG or (len(words) > 2 and _VERB.search(label)):
        return "sentence"
    if any(word[1:] != word[1:].lower() for word in words) or any(word[:1].isupper() for word in words[1:]):
        return "name"
    stripped = label.strip()
    gerund = len(words) > 1 and words[0].endswith("ing")
    return "phrase" if gerund or _PLURAL.search(stripped) or _STARTS_PHRASE.match(stripped) else "noun"


def fitting(templates: Sequence[str], label: str) -> tuple[str, ...]:
    """Of a model's own templates those that fit a label's form: without articles; a sentence stands for itself."""
    kind = form(label)
    if kind == "noun":
        return tuple(templates)
    if kind == "sentence":
        return ("{}",)
    return tuple(dict.fromkeys(_ARTICLE.sub("", template) for template in templates))


def prompts_for(
    label: str,
    defaults: Sequence[str],
    *,
    own: Sequence[str] | None = None,
    instruction: str | None = None,
    meanings: Sequence[str] = (),
) -> tuple[str, ...]:
    """Render a label: in the caller's own templates, or in the defaults that fit and beside its `meanings` in other words.

    An instruction adds a variant of each template with it.
    """
    templates = tuple(own) if own else fitting(defaults, label)
    rendered = [render(template, label) for template in templates]
    with_context = [f"{prompt} ({instruction})" for prompt in rendered] if instruction else []
    return tuple(dict.fromkeys([*rendered, *with_context, *(() if own else meanings)]))


def render(template: str, label: str) -> str:
    """Put `label` where the template's first `{}` is; every other character of both stays as it is."""
    before, after = template.split("{}", 1)
    return f"{before}{label}{after}"
