"""Build the prompts of a label: the texts that are embedded for it. In a template, `{}` is the place of the label.

A label is rendered in every template and the embeddings are averaged (prompt ensembling, Radford et al. 2021, section 3.1.4).
The form of the label decides which of the model's templates fit: "a photo of a people" is no English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from pigeonhole.inference.labels.wording import MAX_CACHED_TEXTS

LabelForm = Literal["noun", "phrase", "name", "sentence"]

# Templates for a text label that is compared with text samples, in the sentence encoder.
TEXT_TEMPLATES = ("{}", "This text is about {}.", "The topic is {}.")

_MIN_SENTENCE_WORDS = 8  # a label of so many words counts as a sentence
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


@lru_cache(MAX_CACHED_TEXTS)
def detect_form(label: str) -> LabelForm:
    """Return the grammatical form of a label: a noun, a phrase or plural without article, a proper name, or a sentence."""
    words = label.split()
    ends_as_sentence = label.rstrip().endswith((".", "!", "?"))
    if ends_as_sentence or len(words) >= _MIN_SENTENCE_WORDS or (len(words) > 2 and _VERB.search(label)):
        return "sentence"
    if any(word[1:] != word[1:].lower() for word in words) or any(word[:1].isupper() for word in words[1:]):
        return "name"
    stripped = label.strip()
    is_gerund = len(words) > 1 and words[0].endswith("ing")
    return "phrase" if is_gerund or _PLURAL.search(stripped) or _STARTS_PHRASE.match(stripped) else "noun"


def select_templates(templates: Sequence[str], label: str) -> tuple[str, ...]:
    """Select the model's templates that fit a label's form.

    A noun gets all templates. A phrase or a name gets them without their articles. A sentence stands for itself.
    """
    form = detect_form(label)
    if form == "noun":
        return tuple(templates)
    if form == "sentence":
        return ("{}",)
    return tuple(dict.fromkeys(_ARTICLE.sub("", template) for template in templates))


def build_prompts(
    label: str,
    default_templates: Sequence[str],
    *,
    templates: Sequence[str] | None = None,
    instruction: str | None = None,
    descriptions: Sequence[str] = (),
) -> tuple[str, ...]:
    """Build the prompts of a label, without repeats.

    Args:
        label: A text of the label.
        default_templates: The model's templates, of which those that fit the label are used.
        templates: The caller's templates. They replace the defaults and the descriptions.
        instruction: Adds a variant of each rendered template, followed by the instruction in brackets.
        descriptions: Further texts that say what the label means.
    """
    used_templates = tuple(templates) if templates else select_templates(default_templates, label)
    rendered = [render(template, label) for template in used_templates]
    with_instruction = [f"{prompt} ({instruction})" for prompt in rendered] if instruction else []
    return tuple(dict.fromkeys([*rendered, *with_instruction, *(() if templates else descriptions)]))


def render(template: str, label: str) -> str:
    """Put a label in the place of the template's first `{}`. Every other character of both stays unchanged."""
    before, after = template.split("{}", 1)
    return f"{before}{label}{after}"
