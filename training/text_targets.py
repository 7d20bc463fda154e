"""Class names as targets in the sentence encoder's space, and which classes may not serve as each other's negatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

Embed = Callable[[list[str]], npt.NDArray[np.float32]]

TEMPLATES = ("{}", "a photo of a {}", "a picture of the {}")

# General classes, and the classes whose photos may well show one without being labelled so. Neither is the other's negative.
MAY_SHOW = {
    "person": "academic gown, apron, backpack, bannister, barbershop, basketball, bikini, bow tie, broom, cardigan, "
    "drumstick, dumbbell, fur coat, gasmask, go-kart, hotdog, ice lolly, jinrikisha, kimono, maypole, military "
    "uniform, miniskirt, neck brace, oboe, pay-phone, plunger, poncho, punching bag, reel, rugby ball, sandal, "
    "scoreboard, sewing machine, snorkel, sock, sombrero, stopwatch, sunglasses, swimming trunks, syringe, "
    "torch, turnstile, umbrella, vestment, volleyball, wheelchair",
    "fruit": "banana, bell pepper, lemon, orange, pomegranate, strawberry",
    "flower": "bee, butterfly, ladybug, lotus, monarch, sulphur butterfly, sunflower, water lilly",
    "bird": "albatross, birdhouse, black stork, crane, emu, flamingo, flamingo head, goose, ibis, king penguin, "
    "pigeon, rooster",
    "car": "beach wagon, convertible, go-kart, limousine, moving van, parking meter, police van, sports car, truck",
    "cat": "Egyptian cat, Persian cat, cougar, cougar body, cougar face, garfield, leopards, lion, tabby, wild cat",
    "dog": "Chihuahua, German shepherd, Labrador retriever, Yorkshire terrier, dalmatian, golden retriever, snoopy, "
    "standard poodle",
    "deer": "bighorn, gazelle, gerenuk",
    "frog": "bullfrog, tailed frog",
    "horse": "ox",
    "ship": "ferry, gondola, ketch, lifeboat, schooner",
    "truck": "freight car, moving van, police van, tractor",
    "butterfly": "monarch, sulphur butterfly",
    "chair": "desk, dining table, rocking chair, wheelchair, windsor chair",
    "crayfish": "American lobster, spiny lobster",
    "cup": "espresso, plate, teapot",
    "lamp": "candle, chandelier, lampshade",
    "lobster": "spiny lobster",
    "panda": "lesser panda",
}
# Two sources' names for one class are at least so similar (cosine): "elephant" and "African elephant", "umbrella" twice.
SAME_CLASS = 0.7


def readings(name: str) -> list[str]:
    """Texts that describe a class: its common name in every template, then each synonym bare."""
    first, *synonyms = [part.strip() for part in name.split(",")]
    return [template.format(first) for template in TEMPLATES] + synonyms[:3]


class TextTargets:
    """Unit text embeddings of the classes of several sources, drawn anew from each class's readings at every step.

    `embeddings`: float32 (classes, readings, dim), padded by repeating the common name, so that it is drawn most often.
    `ignored`: bool (classes, classes); `ignored[i, j]` takes class j out of the softmax for a photo of class i.
    """

    def __init__(self, embed: Embed, names_by_source: list[tuple[str, ...]]) -> None:
        names = [name for source in names_by_source for name in source]
        self.offsets = np.cumsum([0, *(len(source) for source in names_by_source)])[:-1]
        width = 2 * len(TEMPLATES) + 3
        texts = [[*readings(name), *readings(name)[: len(TEMPLATES)] * width][:width] for name in names]
        vectors = embed([text for row in texts for text in row])
        self.embeddings = torch.from_numpy(vectors).reshape(len(names), width, -1)
        first = self.embeddings[:, 0]
        similarity = first @ first.T
        source = torch.tensor([k for k, group in enumerate(names_by_source) for _ in group])
        common = [name.split(",")[0].strip() for name in names]
        shows = torch.tensor([[other in MAY_SHOW.get(one, "").split(", ") for other in common] for one in common])
        clash = shows | shows.T | ((source[:, None] != source[None, :]) & (similarity > SAME_CLASS))
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
