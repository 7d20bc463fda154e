"""Class names as targets in the sentence encoder's space, and which classes may not serve as each other's negatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")

# Classes so general that a photo of another source may well show one without being labelled so: they are never its negatives.
GENERIC = frozenset(
    [
        "person",
        "fruit",
        "flower",
        "airplane",
        "bird",
        "car",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
        "motorbike",
        "cup",
        "chair",
        "lamp",
        "barrel",
    ]
)
SAME_SOURCE_CLASH = 0.70
OTHER_SOURCE_CLASH = 0.45


def readings(name: str) -> list[str]:
    """Texts that describe a class: its common name in every template, then each synonym bare."""
    first, *synonyms = [part.strip() for part in name.split(",")]
    return [template.format(first) for template in TEMPLATES] + synonyms[:3]


class TextTargets:
    """Unit text embeddings of the classes of several sources, drawn anew from each class's readings at every step.

    `embeddings`: float32 (classes, readings, dim), padded by repeating the common name, so that it is drawn most often.
    `ignored`: bool (classes, classes); `ignored[i, j]` takes class j out of the softmax for a photo of class i.
    """

    def __init__(self, embed: Callable[[list[str]], npt.NDArray[np.float32]], names_by_source: list[tuple[str, ...]]) -> None:
        names = [name for source in names_by_source for name in source]
        self.offsets = np.cumsum([0, *(len(source) for source in names_by_source)])[:-1]
        width = 2 * len(TEMPLATES) + 3
        texts = [[*readings(name), *readings(name)[: len(TEMPLATES)] * width][:width] for name in names]
        vectors = embed([text for row in texts for text in row])
        self.embeddings = torch.from_numpy(vectors).reshape(len(names), width, -1)
        first = self.embeddings[:, 0]
        similarity = first @ first.T
        source = torch.tensor([k for k, group in enumerate(names_by_source) for _ in group])
        same = source[:, None] == source[None, :]
        generic = torch.tensor([name in GENERIC for name in names])
        clash = torch.where(
            same, (similarity > SAME_SOURCE_CLASH) & generic[None, :], (similarity > OTHER_SOURCE_CLASH) | generic[None, :]
        )
        clash.fill_diagonal_(False)
        self.ignored = clash

    def draw(self, rng: np.random.Generator) -> torch.Tensor:
        """Pick one reading per class: float32 (classes, dim)."""
        classes, width, _ = self.embeddings.shape
        return self.embeddings[torch.arange(classes), torch.from_numpy(rng.integers(0, width, classes))]

    def evaluation(self, offset: int, count: int) -> torch.Tensor:
        """Mean over the templates of the common name, normalised: float32 (count, dim)."""
        mean = self.embeddings[offset : offset + count, : len(TEMPLATES)].mean(dim=1)
        return torch.nn.functional.normalize(mean, dim=-1)
