"""The weight of the multilingual encoder is the one that reads sets that were left out best, by groups of languages."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pigeonhole.inference.classifier import Classifier
from pigeonhole.inference.encoders.base import BackgroundEmbeddings
from pigeonhole.inference.scoring.calibration import DEFAULT_WEIGHTS, prior_calibration
from pigeonhole_cli.evaluation.calibration.language_weights import WEIGHTS, choose_weights
from pigeonhole_cli.evaluation.item import Item
from support.cli.simulated_encoder import SimulatedEncoder, Vectors


class EnglishEncoder(SimulatedEncoder):
    """Embeds the meaning of English texts only."""

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return super().encode_text([text if text.isascii() else text.replace("thing", "") for text in texts])


class ForeignEncoder(SimulatedEncoder):
    """Embeds the meaning of labels and of texts that aren't English."""

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return super().encode_text([text.replace("thing", "") if "page" in text else text for text in texts])


def classifier() -> Classifier:
    english, foreign = EnglishEncoder(), ForeignEncoder()
    generic = [f"concept {number}" for number in range(20)]
    return Classifier(
        encoder=english,
        sentence=english,
        calibration=prior_calibration(english.info),
        background=BackgroundEmbeddings(
            english.encode_text(generic), english.encode_text(generic), multilingual_texts=foreign.encode_text(generic)
        ),
        multilingual=foreign,
    )


def sets(language: str, words: str, families: Sequence[str]) -> list[Item]:
    return [
        Item("text", f"{words} {n} thing {index}", (f"thing {index}",), "line", task=f"{family}_{language}", language=language)
        for position, family in enumerate(families)
        for index in range(6 * position, 6 * position + 6)
        for n in range(5)
    ]


def test_each_group_of_languages_gets_the_weight_that_reads_it_best() -> None:
    items = [
        *sets("en", "page", ["a", "b", "c"]),
        *sets("ru", "\u0441\u0442\u0440\u0430\u043d\u0438\u0446\u0430", ["a", "b", "c"]),
    ]

    weights = choose_weights(classifier(), items)

    assert weights.english == 0
    assert weights.other == WEIGHTS[-1]


def test_a_single_family_keeps_the_weight() -> None:
    assert choose_weights(classifier(), sets("en", "page", ["a"])) == DEFAULT_WEIGHTS


def test_the_choice_is_repeatable() -> None:
    items = sets("en", "page", ["a", "b"])

    assert choose_weights(classifier(), items) == choose_weights(classifier(), items)
    assert np.isfinite(choose_weights(classifier(), items).english)
