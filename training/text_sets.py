"""Read the labelled texts of many sets, and draw batches from them in which the families of sets are balanced.

`texts.parquet` has the columns `set`, `language`, `text`, `label` and `split`. `text-labels.json` has, per set, its family and
the wordings of each label, of which the first is the label itself. `text-pairs.parquet` has pairs `a`, `b` with their
`relation`. Sets of one family share texts, labels or makers.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from pigeonhole.inference.labels.descriptions import find_descriptions
from pigeonhole.inference.labels.prompts import TEXT_TEMPLATES, render, select_templates

# Not trained on. The first two are part of public benchmarks of zero-shot classification, the next three have copyleft
# licences and are small. The labels of the last three are no things that a text could be about.
LEFT_OUT = frozenset(
    (
        *("hwu64", "davidson_hate"),
        *("promise_requirements", "hint3_curekart", "hint3_sofmattress"),
        *("language_id", "arsarcasm_dialect", "tweeteval_emoji"),
    )
)
OTHER_LANGUAGE = 0.25  # the weight of a family without English sets
# Families with many small or noisy sets weigh less. Those that name things of all kinds weigh more.
FAMILY_WEIGHTS = {
    "xed": 0.4,
    "code_language": 0.3,
    "home_assistant": 0.7,
    "sib200": 0.8,
    "sttm": 1.2,
    "word_categories": 1.2,
    "clinc150": 1.3,
    "wordnet": 1.4,
}
MAX_LABELS = 20  # of a set, in one batch
LOWER_CASE = 0.1  # the part of the texts that is read in lower case
OWN_NAME, DESCRIBED = 0.5, 0.4  # how often a label appears as named by its set, and by a description if there is one


@dataclass(frozen=True)
class TextSet:
    """A classification set.

    Attributes:
        name: The name of the set.
        family: The name of its family.
        language: The language of the texts, as an ISO 639 code.
        split: "train" or "dev".
        wordings: Per label its wordings, the label itself first.
        texts: Per label its texts.
    """

    name: str
    family: str
    language: str
    split: str
    wordings: Mapping[str, Sequence[str]]
    texts: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Question:
    """Texts of one set and its labels.

    Attributes:
        texts: The texts.
        labels: One prompt for each label.
        truth: The index of the right label of each text.
    """

    texts: list[str]
    labels: list[str]
    truth: list[int]


def read_sets(folder: Path) -> list[TextSet]:
    """Read all sets of a folder."""
    facts = json.loads((folder / "text-labels.json").read_bytes())["sets"]
    texts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    splits = {}
    columns = pq.read_table(folder / "texts.parquet", columns=["set", "label", "text", "split"]).to_pydict()
    for name, label, text, split in zip(*columns.values(), strict=True):
        texts[name][label].append(text)
        splits[name] = split
    return [
        TextSet(name, facts[name]["family"], facts[name]["language"], splits[name], facts[name]["labels"], labels)
        for name, labels in texts.items()
    ]


def read_pairs(folder: Path) -> list[tuple[str, str]]:
    """Read the English pairs of texts of which the first entails the second."""
    rows = pq.read_table(folder / "text-pairs.parquet").to_pylist()
    return [(row["a"], row["b"]) for row in rows if row["language"] == "en" and row["relation"] in ("entailment", "paraphrase")]


class QuestionSampler:
    """Draws questions: first a family, then a set, then its labels and texts."""

    def __init__(self, sets: Sequence[TextSet], rng: random.Random, *, other_language: float = OTHER_LANGUAGE) -> None:
        """Create a sampler.

        Args:
            sets: The sets. Those of the `dev` split and of LEFT_OUT are never drawn.
            rng: The source of random numbers.
            other_language: The weight of a family without English sets, where one with English sets has 1.
        """
        self.rng = rng
        families: dict[str, list[TextSet]] = defaultdict(list)
        for text_set in sets:
            if text_set.split == "train" and text_set.name not in LEFT_OUT:
                families[text_set.family].append(text_set)
        self.families = list(families.values())
        self.weights = [_family_weight(family, other_language) for family in self.families]

    def draw(self, count: int) -> Question:
        """Draw a question with `count` texts."""
        (family,) = self.rng.choices(self.families, self.weights)
        english = [4.0 if text_set.language == "en" else 6 / max(6, len(family)) for text_set in family]
        (text_set,) = self.rng.choices(family, english)
        labels = list(text_set.texts)
        if len(labels) > MAX_LABELS:
            labels = self.rng.sample(labels, MAX_LABELS)
        truth = [self.rng.randrange(len(labels)) for _ in range(count)]
        texts = [self.rng.choice(text_set.texts[labels[index]]) for index in truth]
        texts = [text.lower() if self.rng.random() < LOWER_CASE else text for text in texts]
        return Question(texts, [self._prompt(text_set.wordings[label]) for label in labels], truth)

    def _prompt(self, wordings: Sequence[str]) -> str:
        """Put a wording of a label into one of the templates that the classifier uses, or take one of its descriptions."""
        wording = wordings[0] if self.rng.random() < OWN_NAME else self.rng.choice(wordings)
        descriptions = find_descriptions(wording)
        if descriptions and self.rng.random() < DESCRIBED:
            return self.rng.choice(descriptions)
        # The bare label counts twice.
        return render(self.rng.choice(select_templates((TEXT_TEMPLATES[0], *TEXT_TEMPLATES), wording)), wording)


def _family_weight(family: Sequence[TextSet], other_language: float) -> float:
    is_english = any(text_set.language == "en" for text_set in family)
    labels = max(len(text_set.wordings) for text_set in family)
    by_labels = min(2.0, 0.7 + 0.15 * math.log2(labels))
    return (1.0 if is_english else other_language) * by_labels * FAMILY_WEIGHTS.get(family[0].family, 1.0)
