"""Suites: tasks like those of real callers, made of plain labelled samples. A TOML file defines a suite.

    ask = "negation"          one of TASK_MAKERS below
    tasks = 50                the number of label sets, or of classes
    seed = 7                  of all random choices

Each maker draws its label sets and samples from the data, so a suite can be made of any photos or texts. If the data has
several sets, a label set has classes of all of them, and classes that may mean the same are never in one label set.
"""

from __future__ import annotations

import io
import random
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from PIL import Image

from pigeonhole.inference.images.decode import open_image
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.classes import Classes
from pigeonhole_cli.evaluation.item import DataError, Item, word_label
from pigeonhole_cli.evaluation.tasks import Task, draw_evenly, sample
from pigeonhole_cli.request_input import InputError, read_text

NONE_OF_THESE = "none of these"
COLLAGE_SIDE = 224  # pixels of each photo in a collage
MINIMUMS = {"labels": 2, "items": 2, "examples": 0, "seed": 0}  # of the other numbers: 1


@dataclass(frozen=True)
class Suite:
    """The definition of a suite.

    Attributes:
        ask: The kind of tasks, one of TASK_MAKERS.
        tasks: The number of label sets, or for "negation" the largest number of classes.
        labels: The number of labels of each set.
        items: The largest number of items of each task.
        examples: The number of example images of each label that is described by images. 0 describes all labels by words.
        only: The classes for "negation", in place of random ones.
        folds: The number of parts into which the samples of a class are split, each a task of its own.
        seed: The seed of all random choices.
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
    """Read the definition of a suite.

    Raises:
        DataError: The file can't be read or is no definition.
    """
    try:
        content = tomllib.loads(read_text(path))
    except (InputError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path} is no suite: {error}") from None
    known = [field.name for field in fields(Suite)]
    for name, value in content.items():
        if name not in known:
            raise DataError(f"{path}: there is no setting {name!r}; use {', '.join(known)}")
        if fault := _fault(name, value):
            raise DataError(f"{path}: {name} must be {fault}")
    if content.get("ask") not in TASK_MAKERS:
        raise DataError(f"{path}: `ask` must be one of {', '.join(TASK_MAKERS)}")
    return Suite(**{**content, "only": tuple(content.get("only", ()))})


def _fault(name: str, value: object) -> str | None:
    """Return what an invalid setting must be, or None for a valid one."""
    if name == "ask":
        return None if isinstance(value, str) else "a text"
    if name == "only":
        is_valid = isinstance(value, list) and all(isinstance(name, str) for name in value)
        return None if is_valid else "a list of texts"
    minimum = MINIMUMS.get(name, 1)
    is_valid = isinstance(value, int) and not isinstance(value, bool) and value >= minimum
    return None if is_valid else f"a whole number, {minimum} or more"


def make_tasks(suite: Suite, items: Sequence[Item]) -> list[Task]:
    """Make a suite's tasks of samples that have one label each.

    Raises:
        DataError: The samples don't suffice.
    """
    classes = Classes.of(items)
    if suite.ask == "none-of-these" and len(classes.samples) <= suite.labels:
        raise DataError(
            f"{suite.labels} labels and 'none of these' need {suite.labels + 1} classes, there are {len(classes.samples)}"
        )
    if (suite.ask == "collages" or suite.examples) and any(item.type == "text" for item in items):
        raise DataError("collages and example images need photos, and the data has texts")
    return TASK_MAKERS[suite.ask](suite, classes, random.Random(suite.seed))  # noqa: S311 - not a secret


def _negation(suite: Suite, classes: Classes, rng: random.Random) -> list[Task]:
    """Make tasks with the labels "X" and "not X". Half of the samples are from other classes."""
    names = suite.only or sample(sorted(classes.samples), suite.tasks, rng)
    if unknown := [name for name in names if name not in classes.samples]:
        raise DataError(f"no sample has the label {unknown[0]!r}")
    tasks = []
    for name in names:
        samples = sample(classes.samples[name], len(classes.samples[name]), rng)
        for fold in range(suite.folds):
            part = samples[fold :: suite.folds][: max(1, suite.items // 2)]
            others = draw_evenly(classes.others([name]), len(part), rng)
            negation = f"not {_with_article(name)}"
            negated = [replace(item, truth=(negation,)) for item in others]
            title = name if suite.folds == 1 else f"{name}, fold {fold + 1}"
            tasks.append(Task(title, (*part, *negated), (word_label(name), word_label(negation))))
    return tasks


def _none_of_these(suite: Suite, classes: Classes, rng: random.Random) -> list[Task]:
    """Make tasks with some classes and "none of these". Half of the samples are from other classes."""
    tasks = []
    for number in range(suite.tasks):
        names = classes.draw(suite.labels, rng)
        named = draw_evenly({name: classes.samples[name] for name in names}, suite.items // 2, rng)
        others = draw_evenly(classes.others(names), len(named), rng)
        unnamed = [replace(item, truth=(NONE_OF_THESE,)) for item in others]
        tasks.append(Task(f"set {number + 1}", (*named, *unnamed), tuple(map(word_label, (*names, NONE_OF_THESE)))))
    return tasks


def _mixed(suite: Suite, classes: Classes, rng: random.Random) -> list[Task]:
    """Make tasks in which every second class is described by example images. With 0 examples all are described by words.

    The example images are removed from the samples in both cases, so that both have the same samples.
    """
    reserved = max(1, suite.examples or 2)
    usable = Classes({name: samples for name, samples in classes.samples.items() if len(samples) > reserved})
    if len(usable.samples) < 2:
        raise DataError(
            f"2 classes must have more than {reserved} samples, as {reserved} are example images; {len(usable.samples)} have"
        )
    tasks = []
    for number in range(suite.tasks):
        names = usable.draw(suite.labels, rng)
        labels: list[LabelClass] = []
        rest: dict[str, list[Item]] = {}
        images: dict[str, bytes] = {}
        for position, name in enumerate(names):
            shuffled = sample(usable.samples[name], len(usable.samples[name]), rng)
            examples, rest[name] = shuffled[:reserved], shuffled[reserved:]
            if suite.examples and position % 2:
                images |= {item.where: item.read() for item in examples}
                labels.append(LabelClass(name, (), tuple(item.where for item in examples)))
            else:
                labels.append(word_label(name))
        tasks.append(Task(f"set {number + 1}", tuple(draw_evenly(rest, suite.items, rng)), tuple(labels), images=images))
    return tasks


def _collages(suite: Suite, classes: Classes, rng: random.Random) -> list[Task]:
    """Make tasks whose items are two photos of two classes side by side. Both classes are right."""
    tasks = []
    for number in range(suite.tasks):
        names = classes.draw(suite.labels, rng)
        collages = []
        for _ in range(suite.items):
            left, right = (rng.choice(classes.samples[name]) for name in rng.sample(names, 2))
            where = f"{left.where} beside {right.where}"
            collages.append(Item("image", where, (*left.truth, *right.truth), where, data=_collage(left, right)))
        tasks.append(Task(f"set {number + 1}", tuple(collages), tuple(map(word_label, names)), multiple=True))
    return tasks


def _episodes(suite: Suite, classes: Classes, rng: random.Random) -> list[Task]:
    """Make tasks with random sets of 2 to `suite.labels` classes."""
    tasks = []
    for number in range(suite.tasks):
        names = classes.draw(rng.randint(2, suite.labels), rng)
        items = draw_evenly({name: classes.samples[name] for name in names}, suite.items, rng)
        tasks.append(Task(f"set {number + 1}", tuple(items), tuple(map(word_label, names))))
    return tasks


TaskMaker = Callable[[Suite, Classes, random.Random], list[Task]]
TASK_MAKERS: dict[str, TaskMaker] = {
    "negation": _negation,
    "none-of-these": _none_of_these,
    "mixed": _mixed,
    "collages": _collages,
    "episodes": _episodes,
}


def _with_article(name: str) -> str:
    """Add an article: "a hotdog", "an apple". A name that has one or looks like a plural is returned unchanged."""
    last = name.split()[-1].lower()
    if name.lower().startswith(("a ", "an ", "the ")) or (last.endswith("s") and not last.endswith(("ss", "us", "is"))):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _collage(left: Item, right: Item) -> bytes:
    """Put two photos side by side, each cropped to its centre square, and return a PNG file."""
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
