"""General words and the classes that they cover: what people ask for ("cat", "food") where data sets name kinds ("tabby")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_CATS = "cat, Egyptian cat, Persian cat, tabby, garfield"
_DOGS = "dog, Chihuahua, German shepherd, Labrador retriever, Yorkshire terrier, golden retriever, standard poodle, dalmatian"
_BIRDS = "bird, albatross, black stork, goose, king penguin, emu, flamingo, flamingo head, ibis, pigeon, rooster"
_FISH = "goldfish, bass"
_INSECTS = (
    "bee, cockroach, dragonfly, fly, grasshopper, ladybug, mantis, monarch, sulphur butterfly, walking "
    "stick, ant, butterfly, mayfly"
)
_WILD = (
    "lion, cougar, leopards, cougar body, cougar face, wild cat, brown bear, African elephant, elephant, baboon, chimpanzee, "
    "orangutan, koala, kangaroo, lesser panda, panda, bison, gazelle, gerenuk, deer, bighorn, Arabian camel, rhino, hedgehog, "
    "beaver, platypus, okapi, llama, guinea pig, hog, ox, horse, frog, bullfrog, tailed frog, American alligator, crocodile, "
    "crocodile head, boa constrictor, European fire salamander, hawksbill, dugong, dolphin, jellyfish, "
    "starfish, octopus, crab, "
    "snail, slug, scorpion, tarantula, black widow, centipede"
)
_FRUIT = "fruit, banana, lemon, orange, pomegranate, strawberry"
_FOOD = (
    "pizza, ice cream, ice lolly, guacamole, mashed potato, meat loaf, potpie, pretzel, hotdog, "
    "cauliflower, bell pepper, mushroom"
)
_CARS = "car, beach wagon, convertible, limousine, sports car, police van"
_BOATS = "ship, ferry, gondola, ketch, lifeboat, schooner"

GENERAL_WORDS = {
    "cat": _CATS,
    "dog": _DOGS,
    "bird": _BIRDS,
    "insect": _INSECTS,
    "spider": "tarantula, black widow",
    "fish": _FISH,
    "monkey": "baboon, chimpanzee, orangutan",
    "frog": "frog, bullfrog, tailed frog",
    "butterfly": "butterfly, monarch, sulphur butterfly",
    "elephant": "elephant, African elephant",
    "horse": "horse",
    "animal": f"{_CATS}, {_DOGS}, {_BIRDS}, {_FISH}, {_INSECTS}, {_WILD}",
    "person": "person",
    "face of a person": "person",
    "flower": "flower, lotus, sunflower, water lilly",
    "fruit": _FRUIT,
    "vegetable": "bell pepper, cauliflower",
    "food": f"{_FRUIT}, {_FOOD}",
    "cup of coffee": "espresso",
    "drink": "espresso, beer bottle, pop bottle, water jug",
    "bottle": "beer bottle, pop bottle, pill bottle",
    "cup": "cup, espresso",
    "car": _CARS,
    "bus": "school bus, trolleybus",
    "truck": "truck, moving van",
    "train": "bullet train, freight car",
    "motorcycle": "motorbike",
    "airplane": "airplane",
    "helicopter": "helicopter",
    "rocket": "projectile",
    "boat": _BOATS,
    "vehicle": f"{_CARS}, {_BOATS}, school bus, trolleybus, truck, moving van, bullet train, freight car, motorbike, airplane, "
    "tractor, go-kart, helicopter, jinrikisha",
    "temple": "pagoda",
    "tower": "beacon, minaret, obelisk, water tower",
    "building": "barn, beacon, cliff dwelling, minaret, pagoda, thatch, triumphal arch",
    "bridge": "steel arch bridge, suspension bridge, viaduct",
    "landscape": "alp, cliff, coral reef, lakeside, seashore",
    "beach": "seashore",
    "mountain": "alp, cliff",
    "ball": "basketball, rugby ball, volleyball, soccer ball",
    "chair": "chair, rocking chair, windsor chair",
    "furniture": "chair, rocking chair, windsor chair, desk, dining table, chest",
    "lamp": "lamp, lampshade, chandelier",
    "musical instrument": "accordion, electric guitar, euphonium, grand piano, mandolin, oboe, organ, saxophone, drumstick",
    "guitar": "electric guitar, mandolin",
    "clothes": "academic gown, apron, bikini, cardigan, fur coat, kimono, military uniform, miniskirt, poncho, "
    "swimming trunks, vestment",
    "shoe": "sandal",
    "computer": "laptop, computer keyboard",
    "telephone": "cellphone, pay-phone",
    "clock": "watch, stopwatch",
    "weapon": "revolver, cannon",
    "tool": "wrench, scissors, plunger, broom, nail",
}
WORDS = tuple(GENERAL_WORDS)


def covers(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which word covers which class: bool (classes, words). `names`: class names, synonyms after a comma."""
    sets = [set(kinds.split(", ")) for kinds in GENERAL_WORDS.values()]
    return np.array([[name.split(",")[0].strip() in kinds for kinds in sets] for name in names])
