"""General words for photos: what WordNet's hypernyms say of ImageNet's classes.

The classes of ImageNet are special: "tabby cat", "espresso". People also ask for "animal" and "food". WordNet gives each class
a chain of hypernyms, such as cat, feline, carnivore, mammal and animal. This module reads them for two uses: the table of a
word's hyponyms, which the classifier reads, and sets of photos with general words as labels, which train_tower.py trains on.
"""

from __future__ import annotations

import difflib
import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from photo_features import Example
from pretrained_parts import ImageNetClass

# Words for nearly everything. As labels they would say nothing.
TOO_GENERAL = frozenset(
    [
        "entity",
        "physical entity",
        "abstraction",
        "psychological feature",
        "object",
        "whole",
        "thing",
        "matter",
        "substance",
        "solid",
        "artifact",
        "creation",
        "commodity",
        "consumer goods",
        "instrumentality",
        "device",
        "implement",
        "equipment",
        "structure",
        "covering",
        "container",
        "conveyance",
        "organism",
        "living thing",
        "causal agent",
        "chordate",
        "vertebrate",
        "craniate",
        "placental",
    ]
)
# Two sets of labels. The first has these words. The second has the nearest hypernym of each class with so many classes.
COARSE = ("person", "animal", "food", "vehicle", "building", "plant", "clothing", "furniture", "tool", "musical instrument")
MIDDLE_CLASSES = 8
COARSE_SET, MIDDLE_SET = "general-words-coarse", "general-words-middle"
MAX_PHOTOS = 1_500  # of a label, evenly of all sets that have it

# What the labels mean that are no classes of ImageNet: the coarse word, and the middle one where there is one. "*" stands for
# all labels of a set. Photos of what people wear or play with show people, and nearly no class of ImageNet does otherwise.
MEANINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "emotions": {"*": ("person",)},
    "smiles": {"*": ("person",)},
    "food-dishes": {"*": ("food",)},
    "groceries": {"*": ("food",)},
    "house-plants": {"*": ("plant",)},
    "potato-leaves": {"*": ("plant",)},
    "clothing": {"*": ("clothing",)},
    "train-tiny-imagenet": {
        "academic gown": ("person",),
        "basketball": ("person",),
        "bikini": ("person",),
        "kimono": ("person",),
        "military uniform": ("person",),
        "miniskirt": ("person",),
        "poncho": ("person",),
        "punching bag": ("person",),
        "rugby ball": ("person",),
        "snorkel": ("person",),
        "swimming trunks": ("person",),
        "volleyball": ("person",),
    },
    "train-cifar": {
        "airplane": ("vehicle", "aircraft"),
        "bird": ("animal", "bird"),
        "car": ("vehicle", "car"),
        "cat": ("animal", "cat"),
        "deer": ("animal",),
        "dog": ("animal", "dog"),
        "frog": ("animal",),
        "horse": ("animal",),
        "ship": ("vehicle", "boat"),
        "truck": ("vehicle",),
    },
    "train-photos": {
        "airplane": ("vehicle", "aircraft"),
        "bonsai": ("plant",),
        "butterfly": ("animal", "insect"),
        "car": ("vehicle", "car"),
        "cat": ("animal", "cat"),
        "crocodile": ("animal", "reptile"),
        "dog": ("animal", "dog"),
        "dolphin": ("animal",),
        "elephant": ("animal",),
        "ferry": ("vehicle", "boat"),
        "flower": ("plant", "flower"),
        "fruit": ("food", "fruit"),
        "helicopter": ("vehicle", "aircraft"),
        "hotdog": ("food",),
        "kangaroo": ("animal",),
        "ketch": ("vehicle", "boat"),
        "leopards": ("animal", "cat"),
        "lotus": ("plant", "flower"),
        "motorbike": ("vehicle",),
        "octopus": ("animal",),
        "pagoda": ("building",),
        "person": ("person",),
        "pigeon": ("animal", "bird"),
        "rhino": ("animal",),
        "schooner": ("vehicle", "boat"),
        "sunflower": ("plant", "flower"),
    },
}


@dataclass(frozen=True)
class Noun:
    """A noun synset of WordNet.

    Attributes:
        lemmas: Its names.
        hypernyms: The keys of its direct hypernyms.
        definition: Its definition.
    """

    lemmas: tuple[str, ...]
    hypernyms: tuple[str, ...]
    definition: str


def read_nouns(path: Path) -> dict[str, Noun]:
    """Read WordNet's data.noun (its manual page wndb has the format), by the key of each synset."""
    nouns = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" "):  # the licence
            continue
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        ends = 4 + 2 * int(fields[3], 16)
        lemmas = tuple(lemma.replace("_", " ") for lemma in fields[4:ends:2])
        pointers = fields[ends + 1 :]
        count = int(fields[ends])
        hypernyms = tuple(pointers[4 * k + 1] for k in range(count) if pointers[4 * k] in ("@", "@i"))
        nouns[fields[0]] = Noun(lemmas, hypernyms, gloss.split(";")[0].strip())
    return nouns


def find_chains(classes: Sequence[ImageNetClass], nouns: Mapping[str, Noun]) -> list[list[Noun]]:
    """Find the hypernyms of each class, from the nearest to the most general one.

    ImageNet's numbers are of an older WordNet. So a class is found by its names, and among those by its definition. A class
    that isn't found has no hypernyms.
    """
    by_name = defaultdict(list)
    for key, noun in nouns.items():
        for lemma in noun.lemmas:
            by_name[lemma.lower()].append(key)
    chains = []
    for cls in classes:
        shared = Counter(key for lemma in cls.lemmas for key in by_name[lemma.lower()])
        chain: list[Noun] = []
        key = max(shared, key=lambda key: shared[key] + 2 * _likeness(nouns[key].definition, cls.definition), default=None)
        while key is not None and nouns[key].hypernyms:
            key = nouns[key].hypernyms[0]
            chain.append(nouns[key])
        chains.append(chain)
    return chains


def _likeness(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first[:80].lower(), second[:80].lower()).ratio()


def find_hyponyms(classes: Sequence[ImageNetClass], chains: Sequence[Sequence[Noun]]) -> dict[str, list[int]]:
    """Find the classes that each word names, in lower case. Words for one class only or for nearly everything are left out."""
    words = defaultdict(set)
    for index, (cls, chain) in enumerate(zip(classes, chains, strict=True)):
        for lemma in (*cls.lemmas, *(lemma for noun in chain if not _is_too_general(noun) for lemma in noun.lemmas)):
            words[lemma.lower()].add(index)
    return {word: sorted(indices) for word, indices in sorted(words.items()) if len(indices) > 1}


def _is_too_general(noun: Noun) -> bool:
    return noun.lemmas[0] in TOO_GENERAL


class GeneralWords:
    """The general words of labels."""

    def __init__(self, classes: Sequence[ImageNetClass], chains: Sequence[Sequence[Noun]]) -> None:
        """Create the table from the hypernyms of each class."""
        self._classes = {lemma.lower(): index for index, cls in reversed([*enumerate(classes)]) for lemma in cls.lemmas}
        self._chains = chains
        self._hyponyms = find_hyponyms(classes, chains)

    def find(self, example: Example) -> dict[str, str]:
        """Return the general word of a photo for each of the two sets, as far as it is known."""
        meanings, name = MEANINGS.get(example.set, {}), example.label.split(",")[0].strip()
        if meaning := meanings.get(name, meanings.get("*")):
            return dict(zip((COARSE_SET, MIDDLE_SET), meaning, strict=False))
        index = self._classes.get(name.lower())
        if index is None or not example.set.startswith("train-"):
            return {}
        chain = self._chains[index]
        names = {lemma for noun in chain for lemma in noun.lemmas}
        coarse = next((word for word in COARSE if word in names), None)
        specific = [noun.lemmas[0] for noun in chain if not _is_too_general(noun)]
        middle = next((word for word in specific if len(self._hyponyms.get(word.lower(), ())) >= MIDDLE_CLASSES), None)
        return {name: word for name, word in ((COARSE_SET, coarse), (MIDDLE_SET, middle)) if word}

    def draw(self, examples: Sequence[Example], seed: int = 0) -> dict[str, dict[str, list[int]]]:
        """Draw photos for both sets: per set and word, the rows of the photos."""
        rng = random.Random(seed)
        by_source: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row, example in enumerate(examples):
            for name, word in self.find(example).items():
                by_source[name, word][example.set].append(row)
        drawn: dict[str, dict[str, list[int]]] = {COARSE_SET: {}, MIDDLE_SET: {}}
        for (name, word), sources in by_source.items():
            share = MAX_PHOTOS // len(sources)
            drawn[name][word] = [row for rows in sources.values() for row in rng.sample(rows, min(share, len(rows)))]
        return drawn
