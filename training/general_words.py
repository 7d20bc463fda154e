"""General words and the classes that they cover: callers use "cat" or "food" where data sets name kinds ("tabby")."""

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
# Kinds whose photos show them mostly with a person that wears or plays them.
_PEOPLE = (
    "person, academic gown, barbershop, basketball, bikini, cardigan, gasmask, kimono, military uniform, miniskirt, "
    "neck brace, oboe, poncho, rugby ball, sombrero, swimming trunks, vestment"
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
    "bear": "brown bear, panda, koala",
    "snake": "boa constrictor",
    "snail": "snail, slug, sea slug, nautilus",
    "lobster": "lobster, American lobster, spiny lobster, crayfish",
    "animal": f"{_CATS}, {_DOGS}, {_BIRDS}, {_FISH}, {_INSECTS}, {_WILD}",
    "person": _PEOPLE,
    "people": _PEOPLE,
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
    "house": "barn, birdhouse, thatch",
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

_PERSON = (
    "academic gown, apron, backpack, bannister, barbershop, basketball, bikini, bow tie, broom, cardigan, "
    "drumstick, dumbbell, fur coat, gasmask, go-kart, hotdog, ice lolly, jinrikisha, kimono, maypole, military "
    "uniform, miniskirt, neck brace, oboe, pay-phone, plunger, poncho, punching bag, reel, rugby ball, sandal, "
    "scoreboard, sewing machine, snorkel, sock, sombrero, stopwatch, sunglasses, swimming trunks, syringe, "
    "torch, turnstile, umbrella, vestment, volleyball, wheelchair"
)
# General words and classes, and the classes whose photos may well show one without being labelled so. Neither is the other's
# negative.
MAY_SHOW = {
    "person": _PERSON,
    "people": _PERSON,
    "face of a person": _PERSON,
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


def covers(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Build the table of which word covers which class: bool (classes, words).

    Args:
        names: Class names, synonyms after a comma.
    """
    return _table(names, [GENERAL_WORDS[word] for word in WORDS])


def may_show(names: Sequence[str], words: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Build the table of which class's photos may show which of `words`: bool (classes, words)."""
    return _table(names, [MAY_SHOW.get(word, "") for word in words])


def common_name(name: str) -> str:
    """Return the first synonym of a class name."""
    return name.split(",")[0].strip()


def _table(names: Sequence[str], kinds: Sequence[str]) -> npt.NDArray[np.bool_]:
    sets = [set(listed.split(", ")) for listed in kinds]
    return np.array([[common_name(name) in listed for listed in sets] for name in names])
