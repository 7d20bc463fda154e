"""Choose how much the multilingual sentence encoder counts, for English and for other languages, by families left out."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.scoring.calibration import MultilingualWeights
from pigeonhole_cli.evaluation.calibration.episodes import (
    HUBNESS_SHARES,
    SEED,
    Episode,
    EpisodeSampler,
    compare,
    embed_sets,
    hold_hubness,
    stack_episodes,
)
from pigeonhole_cli.evaluation.calibration.left_out import measure_left_out
from pigeonhole_cli.evaluation.item import Item

WEIGHTS = (0.0, 0.15, 0.3, 0.45, 0.6)
EPISODES = 40  # of each set
MAX_ITEMS = 1_500  # of each group of languages


def choose_weights(classifier: Classifier, items: Sequence[Item]) -> MultilingualWeights:
    """Choose the weights with the highest likelihood of families of text sets that were left out.

    A group of languages of fewer than two families keeps the classifier's weight.

    Args:
        classifier: The classifier, with a multilingual sentence encoder.
        items: Texts of several sets with their languages.

    Raises:
        DataError: The samples don't suit a calibration.
    """
    weights = classifier.calibration.multilingual
    english = [item for item in items if item.language == "en"]
    other = [item for item in items if item.language not in ("en", None)]
    return MultilingualWeights(
        english=_choose(classifier, english, weights.english), other=_choose(classifier, other, weights.other)
    )


def _choose(classifier: Classifier, items: Sequence[Item], default: float) -> float:
    losses: dict[float, float] = {}
    for weight in WEIGHTS:
        weighted = copy.copy(classifier)
        weighted.calibration = replace(classifier.calibration, multilingual=MultilingualWeights(weight, weight))
        loss = _log_loss(weighted, items)
        if loss is None:
            return default
        losses[weight] = loss
    return min(losses, key=losses.__getitem__)


def _log_loss(classifier: Classifier, items: Sequence[Item]) -> float | None:
    """Return the mean negative log-likelihood of families that were left out, or None if there are fewer than two."""
    rng = np.random.default_rng(SEED)
    episodes: list[Episode] = []
    for data in embed_sets(classifier, items, MAX_ITEMS):
        labels = classifier.embed_label_texts("text", data.names)
        features = compare(classifier, ("text", "text"), data.vectors, labels)
        hold_hubness(features, HUBNESS_SHARES["text"])
        sampler = EpisodeSampler(data, ~np.eye(len(data.names), dtype=bool), features, [])
        episodes += [sampler.draw(rng) for _ in range(EPISODES)]
    if not episodes:
        return None
    families = [episode.family for episode in episodes]
    errors = measure_left_out(*stack_episodes(episodes), families)
    return errors.log_loss if errors else None
