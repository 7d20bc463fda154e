"""Suites: what callers really ask, made of plain labelled samples. A TOML file says which and of what size.

    ask = "negation"          one of ASKS below
    tasks = 50                how many label sets, or how many classes; drawn by `seed`
    seed = 7

Each maker draws its own label sets and samples from the data, so that a suite can be put to any photos or texts.
"""

from __future__ import annotations

import io
import random
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from PIL import Image

from pigeonhole.inference.images.decode import ImageLimits, open_image
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.data import DataError, Item, by_words
from pigeonhole_cli.evaluation.tasks import Task

T = TypeVar("T")
NONE = "none of these"
COLLAGE_SIDE = 224  # pixels of each photo in a collage
LEAST = {"labels": 2, "items": 2, "examples": 0, "seed": 0}  # other numbers: 1


@dataclass(frozen=True)
class Suite:
    """A suite's definition.

    `ask`: which maker; `tasks`: label sets, or classes for "negation", at most; `labels`: of each set; `items`: of each task,
    at most; `examples`: example images of each label that is described by them, 0 for words alone; `only`: the classes for
    "negation"; `folds`: into how many parts their samples are split, each a task of its own.
    """

    ask: str
    tasks: int = 50
    labels: int = 5
    items: int = 200
    examples: int = 0
    only: tuple[str, ...] = ()
    folds: int = 1
    seed: int = 7


def read_suite(path: Path) -> Suite:
    """Read a definition.

    Raises DataError.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is no suite: {error}") from None
    known = [field.name for field in fields(Suite)]
    for name, value in content.items():
        if name not in known:
            raise DataError(f"{path}: there is no setting {name!r}; there are {', '.join(known)}")
        if fault := _fault(name, value):
            raise DataError(f"{path}: {name} must be {fault}")
    if content.get("ask") not in ASKS:
        raise DataError(f"{path}: `ask` must be one of {', '.join(ASKS)}")
    return Suite(**{**content, "only": tuple(content.get("only", ()))})


def _fault(name: str, value: object) -> str | None:
    """What a setting must be, where it isn't that."""
    if name == "ask":
        return None if isinstance(value, str) else "a text"
    if name == "only":
        good = isinstance(value, list) and all(isinstance(each, str) for each in value)
        return None if good else "a list of texts"
    least = LEAST.get(name, 1)
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return None if good else f"a whole number, {least} or more"


def make(suite: Suite, items: Sequence[Item]) -> list[Task]:
    """Make a suite's tasks of labelled samples, each with one label.

    Raises DataError where the samples don't suffice.
    """
    by_class: dict[str, list[Item]] = {}
    for item in items:
        if len(item.truth) != 1:
            raise DataError(f"{item.where}: a suite needs samples of one label each")
        by_class.setdefault(item.truth[0], []).append(item)
    if len(by_class) < 2:
        raise DataError("a suite needs samples of at least 2 classes")
    if suite.ask == "none-of-these" and len(by_class) <= suite.labels:
        raise DataError(f"{suite.labels} labels and none of these need {suite.labels + 1} classes, there are {len(by_class)}")
    if (suite.ask == "collages" or suite.examples) and any(item.type == "text" for item in items):
        raise DataError("collages and example images are made of photos, and there are texts")
    return ASKS[suite.ask](suite, by_class, random.Random(suite.seed))  # noqa: S311 - not a secret


def _negation(suite: Suite, by_class: Mapping[str, list[Item]], rng: random.Random) -> list[Task]:
    """ "X" or "not X", half of the samples from other classes."""
    names = suite.only or _some(sorted(by_class), suite.tasks, rng)
    if unknown := [name for name in names if name not in by_class]:
        raise DataError(f"no sample has the label {unknown[0]!r}")
    tasks = []
    for name in names:
        own = _some(by_class[name], len(by_class[name]), rng)
        for fold in range(suite.folds):
            part = own[fold :: suite.folds][: max(1, suite.items // 2)]
            others = _even({other: by_class[other] for other in by_class if other != name}, len(part), rng)
            negation = f"not {_with_article(name)}"
            answers = [replace(item, truth=(negation,)) for item in others]
            title = name if suite.folds == 1 else f"{name}, fold {fold + 1}"
            tasks.append(Task(title, (*part, *answers), (by_words(name), by_words(negation))))
    return tasks


def _none_of_these(suite: Suite, by_class: Mapping[str, list[Item]], rng: random.Random) -> list[Task]:
    """Some classes and "none of these", half of the samples from elsewhere."""
    tasks = []
    for number in range(suite.tasks):
        names = _some(sorted(by_class), suite.labels, rng)
        own = _even({name: by_class[name] for name in names}, suite.items // 2, rng)
        others = _even({name: by_class[name] for name in by_class if name not in names}, len(own), rng)
        answers = [replace(item, truth=(NONE,)) for item in others]
        tasks.append(Task(f"set {number + 1}", (*own, *answers), tuple(map(by_words, (*names, NONE)))))
    return tasks


def _mixed(suite: Suite, by_class: Mapping[str, list[Item]], rng: random.Random) -> list[Task]:
    """Classes of which every other is described by example images and not by words; with 0 examples by words alone.

    The examples are taken out of the samples either way, so that both ask about the same ones.
    """
    reserved = max(1, suite.examples or 2)
    usable = {name: own for name, own in by_class.items() if len(own) > reserved}
    if len(usable) < 2:
        raise DataError(
            f"with {reserved} example images each, 2 classes need more samples than that, and {len(usable)} have them"
        )
    tasks = []
    for number in range(suite.tasks):
        names = _some(sorted(usable), suite.labels, rng)
        labels: list[LabelClass] = []
        rest: dict[str, list[Item]] = {}
        pictures: dict[str, bytes] = {}
        for position, name in enumerate(names):
            shuffled = _some(usable[name], len(usable[name]), rng)
            examples, rest[name] = shuffled[:reserved], shuffled[reserved:]
            if suite.examples and position % 2:
                pictures |= {item.where: item.read() for item in examples}
                labels.append(LabelClass(name, (), tuple(item.where for item in examples)))
            else:
                labels.append(by_words(name))
        tasks.append(Task(f"set {number + 1}", tuple(_even(rest, suite.items, rng)), tuple(labels), pictures=pictures))
    return tasks


def _collages(suite: Suite, by_class: Mapping[str, list[Item]], rng: random.Random) -> list[Task]:
    """Two photos of two classes side by side, among some labels of which both are right."""
    tasks = []
    for number in range(suite.tasks):
        names = _some(sorted(by_class), suite.labels, rng)
        made = []
        for _ in range(suite.items):
            left, right = (rng.choice(by_class[name]) for name in rng.sample(names, 2))
            where = f"{left.where} beside {right.where}"
            made.append(Item("image", where, (*left.truth, *right.truth), where, data=_beside(left, right)))
        tasks.append(Task(f"set {number + 1}", tuple(made), tuple(map(by_words, names)), multiple=True))
    return tasks


def _episodes(suite: Suite, by_class: Mapping[str, list[Item]], rng: random.Random) -> list[Task]:
    """Random sets of 2 to `labels` classes."""
    tasks = []
    for number in range(suite.tasks):
        names = _some(sorted(by_class), rng.randint(2, suite.labels), rng)
        items = _even({name: by_class[name] for name in names}, suite.items, rng)
        tasks.append(Task(f"set {number + 1}", tuple(items), tuple(map(by_words, names))))
    return tasks


Maker = Callable[[Suite, Mapping[str, list[Item]], random.Random], list[Task]]
ASKS: dict[str, Maker] = {
    "negation": _negation,
    "none-of-these": _none_of_these,
    "mixed": _mixed,
    "collages": _collages,
    "episodes": _episodes,
}


def _some(of: Sequence[T], count: int, rng: random.Random) -> list[T]:
    """At most `count` of them, in random order."""
    return rng.sample(list(of), min(count, len(of)))


def _even(by_class: Mapping[str, Sequence[Item]], count: int, rng: random.Random) -> list[Item]:
    """At most `count` samples, of each class alike as far as it goes: a class in turn, each sample once."""
    queues = [_some(by_class[name], len(by_class[name]), rng) for name in _some(sorted(by_class), len(by_class), rng)]
    found: list[Item] = []
    while queues and len(found) < count:
        queues = [queue for queue in queues if queue]
        found += [queue.pop() for queue in queues]
    return found[:count]


def _with_article(name: str) -> str:
    """ "a hotdog", "an apple"; what is a plural by its looks, or has an article, takes none."""
    last = name.split()[-1].lower()
    if name.lower().startswith(("a ", "an ", "the ")) or (last.endswith("s") and not last.endswith(("ss", "us", "is"))):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _beside(left: Item, right: Item) -> bytes:
    """Two photos, each cut to its centre square, as one PNG file."""
    canvas = Image.new("RGB", (2 * COLLAGE_SIDE, COLLAGE_SIDE))
    for position, item in enumerate((left, right)):
        photo = open_image(item.read(), ImageLimits(), side=COLLAGE_SIDE)
        edge = min(photo.size)
        x, y = (photo.width - edge) // 2, (photo.height - edge) // 2
        square = photo.resize((COLLAGE_SIDE, COLLAGE_SIDE), Image.Resampling.BICUBIC, box=(x, y, x + edge, y + edge))
        canvas.paste(square, (position * COLLAGE_SIDE, 0))
    stream = io.BytesIO()
    canvas.save(stream, "PNG")
    return stream.getvalue()
