"""Weighing: what all samples have in common with each side of a label -> with the label.

A label has up to three sides: its words, its example images, and what it says that it is not. scoring.py has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pigeonhole.inference.labels.label_class import LabelClass, Meaning, same_thing
from pigeonhole.inference.scoring import log_odds as scoring
from pigeonhole.inference.scoring.calibration import Floats

Group = tuple[str, ...]  # texts that mean one thing, and are embedded as one


@dataclass(frozen=True)
class Side:
    """What all samples have in common with one label, or with one side of it: (n,) log-odds and cosines."""

    log_odds: Floats
    cosines: Floats


def groups(meanings: Sequence[Meaning]) -> list[Group]:
    """All that labels name, without repetition: the texts of each thing together, each text of what they are not alone."""
    things = [each.things for each in meanings if each.things]
    return list(dict.fromkeys([*things, *((text,) for each in meanings for text in each.not_)]))


def weigh(
    labels: Sequence[LabelClass],
    meanings: Sequence[Meaning],
    by_words: Mapping[Group, Side],
    by_pictures: Mapping[str, Side],
    count: int,
    *,
    multiple: bool,
) -> tuple[Floats, Floats]:
    """Combine the sides of each label: (count, labels) log-odds and cosines, each the mean over its sides.

    `by_words`: the side of each of `groups`; `by_pictures`: of each label with example images, by its name; `count`: samples.
    """
    things: list[Side | None] = []
    for label, each in zip(labels, meanings, strict=True):
        sides = [by_words[each.things]] if each.things else []
        if label.images:
            sides.append(by_pictures[label.name])
        things.append(_pooled(sides) if sides else None)

    def thing_named(text: str) -> Side | None:
        """The label for what another one says it is not, with its example images; None where there is no such label."""
        for label, each, thing in zip(labels, meanings, things, strict=True):
            if thing and any(same_thing(text, name) for name in (label.name, *each.things)):
                return thing
        return None

    columns: list[Side | None] = []
    negated: list[Floats] = []
    for thing, each in zip(things, meanings, strict=True):
        sides = [thing] if thing else []
        if each.not_:
            without = []
            for text in each.not_:
                positive = thing_named(text)
                side = positive or by_words[text,]
                negated.append(side.log_odds)
                odds = scoring.without(side.log_odds, among_labels=positive is not None, multiple=multiple)
                without.append(Side(odds, -side.cosines))
            sides.append(_least(without))
        columns.append(_pooled(sides) if sides else None)
    standing = scoring.none_of([it.log_odds for it in columns if it], negated, count, multiple=multiple)
    none = Side(standing, np.zeros(count, dtype=np.float32))
    filled = [column or none for column in columns]
    return np.stack([it.log_odds for it in filled], axis=1), np.stack([it.cosines for it in filled], axis=1)


def _pooled(sides: Sequence[Side]) -> Side:
    """The mean of a label's sides."""
    return Side(scoring.pool([side.log_odds for side in sides]), scoring.pool([side.cosines for side in sides]))


def _least(sides: Sequence[Side]) -> Side:
    """Of what a label says that it is not all has to hold, so the least likely counts."""
    return Side(np.min([side.log_odds for side in sides], axis=0), np.min([side.cosines for side in sides], axis=0))
