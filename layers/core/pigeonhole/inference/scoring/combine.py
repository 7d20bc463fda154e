"""Combine the parts of each label into its log-odds.

A label has up to three parts: its words, its example images, and the things that it negates. log_odds.py has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pigeonhole.inference.labels.label_class import LabelClass, Meaning
from pigeonhole.inference.labels.same_thing import is_same_thing
from pigeonhole.inference.scoring.calibration import Floats
from pigeonhole.inference.scoring.log_odds import mean_log_odds, negated_log_odds, none_log_odds, topic_shift

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


def group_texts(meanings: Sequence[Meaning], *, with_denials: bool) -> list[TextGroup]:
    """Group the texts of all labels, without repeats. The texts of one thing are a group, each other text is its own.

    Args:
        meanings: What the texts of each label mean.
        with_denials: Whether the texts of negations are compared, too, and not only what they negate.
    """
    things = [meaning.things for meaning in meanings if meaning.things]
    negated = [text for meaning in meanings for text in (*meaning.negated, *(meaning.denials if with_denials else ()))]
    return list(dict.fromkeys([*things, *((text,) for text in negated)]))


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
    negations = [
        [
            _to_negation(text, text_matches.get((denial,)), labels, meanings, things, text_matches)
            for text, denial in zip(meaning.negated, meaning.denials, strict=True)
        ]
        for meaning in meanings
    ]
    zeros = np.zeros(count, dtype=np.float32)
    shifts = {} if multiple else _topic_shifts([negation for row in negations for negation in row])
    columns: list[LabelMatch | None] = []
    for index, (thing, row) in enumerate(zip(things, negations, strict=True)):
        parts = [_shifted(thing, shifts.get(index, zeros))] if thing else []
        if row:
            parts.append(_least([negation.match(shifts, multiple=multiple) for negation in row]))
        columns.append(_mean(parts) if parts else None)
    odds_of_none = none_log_odds(
        [column.log_odds for column in columns if column],
        [
            (negation.match(shifts, multiple=multiple).log_odds, negation.thing.log_odds)
            for row in negations
            for negation in row
        ],
        count,
        multiple=multiple,
    )
    none = LabelMatch(odds_of_none, zeros)
    matches = [column or none for column in columns]
    return np.stack([match.log_odds for match in matches], axis=1), np.stack([match.cosines for match in matches], axis=1)


@dataclass(frozen=True)
class _Negation:
    """One thing that a label negates.

    Attributes:
        thing: The match of the thing: that of the labels that name it, if there are any.
        positives: The indices of the labels that name the thing.
        denial: The match of the label's own text, None if it isn't compared.
    """

    thing: LabelMatch
    positives: tuple[int, ...]
    denial: LabelMatch | None

    def match(self, shifts: Mapping[int, Floats], *, multiple: bool) -> LabelMatch:
        """Return the match of the negation. It moves with the label of the thing that it negates."""
        odds = negated_log_odds(self.thing.log_odds, among_labels=bool(self.positives), multiple=multiple)
        moved = [shifts[index] for index in self.positives if index in shifts]
        return LabelMatch(odds + np.max(moved, axis=0) if moved else odds, -self.thing.cosines)


def _to_negation(
    text: str,
    denial: LabelMatch | None,
    labels: Sequence[LabelClass],
    meanings: Sequence[Meaning],
    things: Sequence[LabelMatch | None],
    text_matches: Mapping[TextGroup, LabelMatch],
) -> _Negation:
    positives = {
        index: thing
        for index, (label, meaning, thing) in enumerate(zip(labels, meanings, things, strict=True))
        if thing and any(is_same_thing(text, name) for name in (label.name, *meaning.things))
    }
    match = _greatest([*positives.values()]) if positives else text_matches[text,]
    return _Negation(match, tuple(positives), denial)


def _topic_shifts(negations: Sequence[_Negation]) -> dict[int, Floats]:
    """Return by how much the log-odds of a label change that another label denies, by the index of the label."""
    shifts: dict[int, Floats] = {}
    for negation in negations:
        if negation.denial:
            shift = topic_shift(negation.thing.log_odds, negation.denial.log_odds)
            for index in negation.positives:
                shifts[index] = np.maximum(shifts.get(index, shift), shift)
    return shifts


def _shifted(match: LabelMatch, shift: Floats) -> LabelMatch:
    return LabelMatch(match.log_odds + shift, match.cosines)


def _mean(parts: Sequence[LabelMatch]) -> LabelMatch:
    return LabelMatch(mean_log_odds([part.log_odds for part in parts]), mean_log_odds([part.cosines for part in parts]))


def _greatest(matches: Sequence[LabelMatch]) -> LabelMatch:
    """Return the match of the likeliest label: "not a cat" is wrong if "cat" or "Cat" is right."""
    return LabelMatch(
        np.max([match.log_odds for match in matches], axis=0), np.max([match.cosines for match in matches], axis=0)
    )


def _least(negations: Sequence[LabelMatch]) -> LabelMatch:
    """Return the match of the least likely negation: a label that negates several things means that none of them holds."""
    return LabelMatch(
        np.min([negation.log_odds for negation in negations], axis=0),
        np.min([negation.cosines for negation in negations], axis=0),
    )
