"""Class names and general words as targets in the sentence encoder's space, and which of them are no negatives of a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from general_words import WORDS, common_name, covers, may_show

Embed = Callable[[list[str]], npt.NDArray[np.float32]]

TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")
SYNONYMS = 3  # of a class, at most
# Two sources' names for one class are at least so similar (cosine): "elephant" and "African elephant", "umbrella" twice.
SAME_CLASS = 0.7
MEANS = 0.5  # part of the batches that are compared with each name's mean, as the classifier does, and not with one reading


class Texts:
    """Unit embeddings of some names, float32 (names, readings, dim): each in every template, and its synonyms bare."""

    def __init__(self, embed: Embed, names: list[str]) -> None:
        # The common name's templates stand twice, and fill up where there are fewer synonyms, so they are drawn most often.
        self.width = 2 * len(TEMPLATES) + SYNONYMS
        texts = []
        for name in names:
            first, *synonyms = [part.strip() for part in name.split(",")]
            rendered = [template.format(first) for template in TEMPLATES]
            texts += [*rendered, *synonyms[:SYNONYMS], *rendered * self.width][: self.width]
        self.embeddings = torch.from_numpy(embed(texts)).reshape(len(names), self.width, -1)

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Pick one reading per name, or the mean for all of them: float32 (names, dim)."""
        if rng.random() < MEANS:
            return self.mean()
        count = len(self.embeddings)
        return self.embeddings[torch.arange(count), torch.from_numpy(rng.integers(0, self.width, count))]

    def mean(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """The mean over each common name's templates, as the classifier takes it: unit rows, float32 (stop - start, dim)."""
        return torch.nn.functional.normalize(self.embeddings[start:stop, : len(TEMPLATES)].mean(dim=1), dim=-1)


def same_in(embed: Embed, names: Sequence[str], others: Sequence[str]) -> set[str]:
    """Those of `others` that mean the same as one of `names`, by their common names."""
    a, b = (embed([common_name(name) for name in group]) for group in (names, others))
    return {other for other, alike in zip(others, (a @ b.T > SAME_CLASS).any(axis=0), strict=True) if alike}


class TextTargets:
    """The classes of several sources, one after the other (`offsets`: where each starts), and the general words.

    `no_negative`: bool (classes, classes); `no_negative[i, j]` takes j out of the softmax for a photo of class i.
    `covered`, `no_negative_word`: bool (classes, words); the words that are right for a class, and those that aren't wrong.
    """

    def __init__(self, embed: Embed, names_by_source: list[tuple[str, ...]]) -> None:
        names = [name for source in names_by_source for name in source]
        self.offsets = np.cumsum([0, *(len(source) for source in names_by_source)])[:-1]
        covered = covers(names)
        words = [word for word, covers_any in zip(WORDS, covered.any(axis=0), strict=True) if covers_any]
        self.classes, self.words = Texts(embed, names), Texts(embed, words)
        first = self.classes.embeddings[:, 0]
        source = torch.tensor([k for k, group in enumerate(names_by_source) for _ in group])
        shows = torch.from_numpy(may_show(names, [common_name(name) for name in names]))
        same = (source[:, None] != source[None, :]) & (first @ first.T > SAME_CLASS)
        self.covered = torch.from_numpy(covered[:, covered.any(axis=0)])
        self.no_negative = (shows | shows.T | same).fill_diagonal_(False)
        self.no_negative_word = self.covered | torch.from_numpy(may_show(names, words))

    def loss(self, vectors: torch.Tensor, classes: torch.Tensor, scale: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Cross-entropies of unit `vectors` (n, dim) with the texts of their `classes` (n,): names count two thirds, words one.

        Of the words that are right, one is asked for at a time; a photo that no word covers counts for its class alone.
        """
        device = vectors.device
        logits = scale * vectors @ self.classes.draw(rng).to(device).T
        logits = logits.masked_fill(self.no_negative[classes].to(device), float("-inf"))
        by_name = torch.nn.functional.cross_entropy(logits, classes.to(device))

        named = self.covered[classes].any(dim=1)
        asked = torch.multinomial(self.covered[classes[named]].float(), 1)
        others = self.no_negative_word[classes[named]].scatter(1, asked, False)
        logits = scale * vectors[named.to(device)] @ self.words.draw(rng).to(device).T
        by_word = torch.nn.functional.cross_entropy(
            logits.masked_fill(others.to(device), float("-inf")), asked[:, 0].to(device), reduction="sum"
        )
        return (2 * by_name + by_word / len(classes)) / 3
