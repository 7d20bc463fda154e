"""Class names and general words as targets in the sentence encoder's space, and which of them can't be negatives of a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch

from general_words import WORDS, common_name, covers, may_show

Embed = Callable[[list[str]], npt.NDArray[np.float32]]

TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")
MAX_SYNONYMS = 3  # of a class
# Names of two sources with at least this cosine mean one class: "elephant" and "African elephant", or "umbrella" in both.
SAME_CLASS = 0.7
MEANS = 0.5  # part of the batches that use each name's mean embedding, as the classifier does; the others use a single text


class Texts:
    """Unit embeddings of names, float32 (names, texts, dim): the common name in every template, and the bare synonyms."""

    def __init__(self, embed: Embed, names: list[str]) -> None:
        """Embed the names. Synonyms follow after commas."""
        # The templates of the common name occur twice, and also replace missing synonyms. So they are drawn most often.
        self.width = 2 * len(TEMPLATES) + MAX_SYNONYMS
        texts = []
        for name in names:
            first, *synonyms = [part.strip() for part in name.split(",")]
            rendered = [template.format(first) for template in TEMPLATES]
            texts += [*rendered, *synonyms[:MAX_SYNONYMS], *rendered * self.width][: self.width]
        self.embeddings = torch.from_numpy(embed(texts)).reshape(len(names), self.width, -1)

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Draw one text per name, or take the mean of every name: float32 (names, dim)."""
        if rng.random() < MEANS:
            return self.mean()
        count = len(self.embeddings)
        return self.embeddings[torch.arange(count), torch.from_numpy(rng.integers(0, self.width, count))]

    def mean(self, start: int = 0, stop: int | None = None) -> torch.Tensor:
        """Average over the templates of each common name, as the classifier does: unit rows, float32 (stop - start, dim)."""
        return torch.nn.functional.normalize(self.embeddings[start:stop, : len(TEMPLATES)].mean(dim=1), dim=-1)


def find_same_classes(embed: Embed, names: Sequence[str], others: Sequence[str]) -> set[str]:
    """Find the `others` that mean the same as one of `names`, by their common names."""
    vectors, other_vectors = (embed([common_name(name) for name in group]) for group in (names, others))
    is_same = (vectors @ other_vectors.T > SAME_CLASS).any(axis=0)
    return {other for other, same in zip(others, is_same, strict=True) if same}


class TextTargets:
    """The classes of several sources, one source after the other, and the general words.

    Attributes:
        offsets: The index of each source's first class.
        classes: The texts of the classes.
        words: The texts of the general words that cover a class.
        no_negative: bool (classes, classes). `no_negative[i, j]` removes j from the softmax for a photo of class i.
        covered: bool (classes, words). The words that are right for a class.
        no_negative_word: bool (classes, words). The words that aren't wrong for a class.
    """

    def __init__(self, embed: Embed, names_by_source: list[tuple[str, ...]]) -> None:
        """Embed the class names of each source, and decide which are no negatives of each other."""
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
        """Compute the loss: two thirds the cross-entropy over class names, one third that over general words.

        One of the right words is the target at a time. A photo without a right word counts only for its class.

        Args:
            vectors: Unit embeddings of the photos, float32 (n, dim).
            classes: Their classes, int64 (n,).
            scale: The factor of the cosines.
            rng: The source of random numbers.
        """
        device = vectors.device
        logits = scale * vectors @ self.classes.draw(rng).to(device).T
        logits = logits.masked_fill(self.no_negative[classes].to(device), float("-inf"))
        by_name = torch.nn.functional.cross_entropy(logits, classes.to(device))

        named = self.covered[classes].any(dim=1)
        target = torch.multinomial(self.covered[classes[named]].float(), 1)
        masked = self.no_negative_word[classes[named]].scatter(1, target, False)
        logits = scale * vectors[named.to(device)] @ self.words.draw(rng).to(device).T
        by_word = torch.nn.functional.cross_entropy(
            logits.masked_fill(masked.to(device), float("-inf")), target[:, 0].to(device), reduction="sum"
        )
        return (2 * by_name + by_word / len(classes)) / 3
