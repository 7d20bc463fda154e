"""Combine the parts of each label into its log-odds.

A label has up to three parts: its words, its example images, and the things that it negates. log_odds.py has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pigeonhole.inference.labels.label_class import LabelClass, Meaning, is_same_thing
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.inference.scoring.log_odds import mean_log_odds, negated_log_odds, none_log_odds

TextGroup = tuple[str, ...]  # texts that mean one thing, and are embedded as one


@dataclass(frozen=True)
class LabelMatch:
    """How well all samples match one label, or one part of it.

    Attributes:
        log_odds: (n,) float32.
        cosines: (n,) float32.
    """

    log_odds: Floats
    cosines: Floats


def group_texts(meanings: Sequence[Meaning]) -> list[TextGroup]:
    """Group the texts of all labels, without repeats. The texts of one thing are a group, each negated text is its own."""
    things = [meaning.things for meaning in meanings if meaning.things]
    return list(dict.fromkeys([*things, *((text,) for meaning in meanings for text in meaning.negated)]))


def combine_matches(
    labels: Sequence[LabelClass],
    meanings: Sequence[Meaning],
    text_matches: Mapping[TextGroup, LabelMatch],
    image_matches: Mapping[str, LabelMatch],
    count: int,
    *,
    multiple: bool,
) -> tuple[Floats, Floats]:
    """Combine the parts of each label: the mean of their log-odds, and of their cosines.

    Args:
        labels: The labels of the request.
        meanings: What the texts of each label mean.
        text_matches: The match of each group of `group_texts`.
        image_matches: The match of the example images of each label that has them, by its name.
        count: The number of samples.
        multiple: Whether several labels may be right.

    Returns:
        Log-odds and cosines, (count, labels) float32 each.
    """
    things: list[LabelMatch | None] = []
    for label, meaning in zip(labels, meanings, strict=True):
        parts = [text_matches[meaning.things]] if meaning.things else []
        if label.images:
            parts.append(image_matches[label.name])
        things.append(_mean(parts) if parts else None)

    def find_positive(text: str) -> LabelMatch | None:
        """Return the label, with its example images, of the thing that another label negates; None if it is no label."""
        for label, meaning, thing in zip(labels, meanings, things, strict=True):
            if thing and any(is_same_thing(text, name) for name in (label.name, *meaning.things)):
                return thing
        return None

    columns: list[LabelMatch | None] = []
    negated: list[Floats] = []
    for thing, meaning in zip(things, meanings, strict=True):
        parts = [thing] if thing else []
        if meaning.negated:
            negations = []
            for text in meaning.negated:
                positive = find_positive(text)
                match = positive or text_matches[text,]
                negated.append(match.log_odds)
                odds = negated_log_odds(match.log_odds, among_labels=positive is not None, multiple=multiple)
                negations.append(LabelMatch(odds, -match.cosines))
            parts.append(_least(negations))
        columns.append(_mean(parts) if parts else None)
    odds_of_none = none_log_odds([column.log_odds for column in columns if column], negated, count, multiple=multiple)
    none = LabelMatch(odds_of_none, np.zeros(count, dtype=np.float32))
    matches = [column or none for column in columns]
    return np.stack([match.log_odds for match in matches], axis=1), np.stack([match.cosines for match in matches], axis=1)


def _mean(parts: Sequence[LabelMatch]) -> LabelMatch:
    return LabelMatch(mean_log_odds([part.log_odds for part in parts]), mean_log_odds([part.cosines for part in parts]))


def _least(negations: Sequence[LabelMatch]) -> LabelMatch:
    """Return the match of the least likely negation: a label that negates several things means that none of them holds."""
    return LabelMatch(
        np.min([negation.log_odds for negation in negations], axis=0),
        np.min([negation.cosines for negation in negations], axis=0),
    )
