"""Suites: the labels, the samples and the true answers of each kind of task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pigeonhole.inference.labels.label_class import parse_meanings
from pigeonhole_cli.evaluation.item import DataError, Item, word_label
from pigeonhole_cli.evaluation.suites import COLLAGE_SIDE, NONE_OF_THESE, TASK_MAKERS, Suite, make_tasks, read_suite
from pigeonhole_cli.evaluation.tasks import Task

DEFINITIONS = sorted((Path(__file__).parents[4] / "benchmarks" / "quality").glob("*.toml"))
COLOURS = {"hotdog": (220, 40, 30), "apple": (30, 200, 40), "glass": (40, 60, 230), "cats": (240, 240, 30), "owl": (20, 20, 20)}


def png(colour: tuple[int, int, int], size: tuple[int, int] = (12, 8)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def photos(counts: dict[str, int]) -> list[Item]:
    return [
        Item("image", f"{n}.png", (name,), f"{name}/{n}.png", png(COLOURS.get(name, (9, 9, 9))))
        for name, count in counts.items()
        for n in range(count)
    ]


def many(classes: int = 12, count: int = 20) -> list[Item]:
    return photos({f"class{index:02}": count for index in range(classes)})


FEW = photos(dict.fromkeys(COLOURS, 20))


def names(task: Task) -> list[str]:
    return [label.name for label in task.labels]


def locations(items: Sequence[Item]) -> list[str]:
    return [item.where for item in items]


def data_class(item: Item) -> str:
    """Return the item's class in the data. The suite may have changed its truth."""
    return item.where.split("/")[0]


def write(folder: Path, content: str) -> Path:
    (folder / "suite.toml").write_text(content)
    return folder / "suite.toml"


@pytest.mark.parametrize("ask", TASK_MAKERS)
def test_tasks_have_the_requested_size_without_repetition(ask: str) -> None:
    tasks = make_tasks(Suite(ask, tasks=6, labels=4, items=10, examples=2), many())

    assert len(tasks) == 6
    for task in tasks:
        assert 0 < len(task.items) <= 10
        if ask != "collages":
            assert len(set(locations(task.items))) == len(task.items)
        assert len(set(names(task))) == len(names(task)) <= 5


@pytest.mark.parametrize("ask", TASK_MAKERS)
def test_the_seed_determines_the_tasks(ask: str) -> None:
    def drawn(seed: int) -> list[object]:
        tasks = make_tasks(Suite(ask, tasks=2, labels=4, items=4, examples=2, seed=seed), many())
        return [(task.name, task.items, task.labels, dict(task.images), [item.data for item in task.items]) for task in tasks]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("ask", TASK_MAKERS)
def test_label_sets_and_samples_differ_between_tasks(ask: str) -> None:
    tasks = make_tasks(Suite(ask, tasks=8, labels=4, items=8, examples=2), many())

    assert len({tuple(locations(task.items)) for task in tasks}) == 8
    assert len({tuple(names(task)) for task in tasks}) > 4


def test_a_negation_is_right_for_half_of_the_samples_from_all_other_classes() -> None:
    tasks = make_tasks(Suite("negation", tasks=12, items=22), many())

    assert len({names(task)[0] for task in tasks}) == 12, "each class once"
    for task in tasks:
        name, negation = names(task)
        truths = Counter(item.truth for item in task.items)
        assert truths == {(name,): 11, (negation,): 11}
        assert all((data_class(item) == name) == (item.truth == (name,)) for item in task.items)
        assert len({data_class(item) for item in task.items}) == 12
        assert parse_meanings(task.labels)[1].negated == (name,), "the label is parsed as a negation"


@pytest.mark.parametrize(
    ("name", "negation"),
    [
        ("hotdog", "not a hotdog"),
        ("apple", "not an apple"),
        ("glass", "not a glass"),
        ("cats", "not cats"),
        ("the moon", "not the moon"),
        ("a dog", "not a dog"),
    ],
)
def test_a_negation_is_grammatical(name: str, negation: str) -> None:
    (task,) = make_tasks(Suite("negation", only=(name,)), photos({name: 4, "owl": 4}))

    assert names(task) == [name, negation]
    assert parse_meanings(task.labels)[1].negated


@pytest.mark.parametrize(("count", "folds"), [(20, 5), (23, 5), (5, 5), (7, 1)])
def test_folds_are_disjoint_and_cover_the_class(count: int, folds: int) -> None:
    items = photos({"hotdog": count, "apple": 40, "owl": 40})

    tasks = make_tasks(Suite("negation", only=("hotdog",), folds=folds), items)

    assert len({task.name for task in tasks}) == len(tasks) == folds
    parts = [[location for location in locations(task.items) if location.startswith("hotdog")] for task in tasks]
    assert sorted(location for part in parts for location in part) == sorted(locations(items[:count]))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for task, part in zip(tasks, parts, strict=True):
        assert len(task.items) == 2 * len(part), "as many samples of other classes"


def test_only_names_the_classes() -> None:
    tasks = make_tasks(Suite("negation", only=("owl", "hotdog")), FEW)

    assert [names(task)[0] for task in tasks] == ["owl", "hotdog"]


def test_half_of_the_samples_are_of_other_classes_and_none_of_these() -> None:
    tasks = make_tasks(Suite("none-of-these", tasks=10, labels=4, items=24), many())

    for task in tasks:
        *named, none = names(task)
        assert (len(named), none) == (4, NONE_OF_THESE)
        assert parse_meanings(task.labels)[-1].is_none
        unnamed = [item for item in task.items if item.truth == (NONE_OF_THESE,)]
        assert len(unnamed) == len(task.items) / 2 == 12
        assert not {data_class(item) for item in unnamed} & set(named)
        assert len({data_class(item) for item in unnamed}) == 8, "all other classes occur equally"
        counts = Counter(data_class(item) for item in task.items if item.truth != (NONE_OF_THESE,))
        assert counts == dict.fromkeys(named, 3)


@pytest.mark.parametrize("labels", [5, 9])
def test_none_of_these_needs_more_classes_than_labels(labels: int) -> None:
    """Otherwise half of the samples would be missing without an error."""
    with pytest.raises(DataError):
        make_tasks(Suite("none-of-these", labels=labels), FEW)


def test_in_mixed_tasks_every_second_label_has_example_images_that_are_no_samples() -> None:
    for task in make_tasks(Suite("mixed", tasks=8, labels=5, items=30, examples=2), many()):
        by_images = [label for label in task.labels if label.images]
        assert by_images == [task.labels[1], task.labels[3]]
        assert not any(label.texts for label in by_images)
        assert list(task.labels[::2]) == [word_label(name) for name in names(task)[::2]]
        examples = {location for label in by_images for location in label.images}
        assert len(examples) == 4
        assert {location.split("/")[0] for location in examples} == {label.name for label in by_images}
        assert set(task.images) == examples
        assert all(Image.open(BytesIO(data)).size == (12, 8) for data in task.images.values())
        assert not examples & set(locations(task.items))
        assert Counter(item.truth[0] for item in task.items) == dict.fromkeys(names(task), 6)


def test_mixed_tasks_without_examples_have_the_same_samples_and_classes() -> None:
    mixed, only_words = (make_tasks(Suite("mixed", tasks=8, labels=5, items=30, examples=k), many()) for k in (2, 0))

    for one, other in zip(mixed, only_words, strict=True):
        assert locations(one.items) == locations(other.items)
        assert list(map(word_label, names(one))) == list(other.labels)
        assert not other.images


def test_a_class_with_too_few_photos_for_examples_is_left_out() -> None:
    (task,) = make_tasks(Suite("mixed", tasks=1, examples=2), photos({"hotdog": 5, "apple": 5, "owl": 2}))

    assert sorted(names(task)) == ["apple", "hotdog"]


def test_a_collage_has_two_photos_and_both_labels_are_right() -> None:
    tasks = make_tasks(Suite("collages", tasks=4, labels=4, items=6), FEW)

    for task in tasks:
        assert task.multiple
        for item in task.items:
            assert len(set(item.truth)) == 2
            assert set(item.truth) <= set(names(task))
            collage = Image.open(BytesIO(item.read()))
            assert (collage.format, collage.size) == ("PNG", (2 * COLLAGE_SIDE, COLLAGE_SIDE))
            left, right = np.split(np.asarray(collage), 2, axis=1)
            assert (left == COLOURS[item.truth[0]]).all()
            assert (right == COLOURS[item.truth[1]]).all()
    assert len({item.truth for task in tasks for item in task.items}) > 6


@pytest.mark.parametrize("size", [(400, 100), (100, 400), (300, 500)])
def test_a_collage_crops_photos_to_their_centre(size: tuple[int, int]) -> None:
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    x, y = size[0] // 2, size[1] // 2
    half = min(size) // 2
    pixels[y - half : y + half, x - half : x + half] = 200
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    items = [Item("image", name, (name,), name, file.getvalue()) for name in ("one", "two")]

    (task,) = make_tasks(Suite("collages", tasks=1, labels=2, items=1), items)

    left, right = np.split(np.asarray(Image.open(BytesIO(task.items[0].read()))), 2, axis=1)
    inside = slice(4, -4)  # without the edge, where resampling mixes in neighbouring pixels
    assert min(left[inside, inside].min(), right[inside, inside].min()) > 195


@pytest.mark.parametrize("most", [2, 3, 9])
def test_episodes_have_from_two_labels_to_the_maximum(most: int) -> None:
    tasks = make_tasks(Suite("episodes", tasks=60, labels=most, items=10), many())

    assert {len(task.labels) for task in tasks} == set(range(2, most + 1))
    for task in tasks:
        counts = Counter(item.truth[0] for item in task.items)
        assert set(counts) <= set(names(task))
        assert max(counts.values()) - min(counts[name] for name in counts) <= 1, "the classes occur equally"


def test_suites_may_be_made_of_texts() -> None:
    texts = [Item("text", f"page {n} on {name}", (name,), f"{name}/{n}") for name in ("tax", "golf", "jazz") for n in range(9)]

    for ask in ("negation", "episodes"):
        assert all(task.type == "text" for task in make_tasks(Suite(ask, tasks=3, labels=3), texts))
    assert make_tasks(Suite("none-of-these", tasks=1, labels=2), texts)[0].type == "text"


@pytest.mark.parametrize(("ask", "examples"), [("collages", 0), ("mixed", 2)])
def test_suites_that_need_photos_refuse_texts(ask: str, examples: int) -> None:
    texts = [Item("text", f"page {n}", (name,), f"{name}/{n}") for name in ("tax", "golf") for n in range(5)]

    with pytest.raises(DataError):
        make_tasks(Suite(ask, examples=examples), texts)


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_the_definitions_of_the_repository_are_valid(path: Path) -> None:
    suite = read_suite(path)
    fewer = replace(suite, tasks=min(suite.tasks, 4), items=min(suite.items, 8))

    tasks = make_tasks(fewer, [*many(30, 6), *photos({"hotdog": 12})])

    assert tasks
    assert all(task.items for task in tasks)


def test_the_repository_has_a_definition_of_each_kind() -> None:
    assert {path.stem for path in DEFINITIONS} >= {"negation", "hotdog", "none-of-these", "mixed", "collages", "episodes"}


def test_the_two_mixed_definitions_have_the_same_samples() -> None:
    tasks = {path.stem: make_tasks(read_suite(path), many()) for path in DEFINITIONS if path.stem.startswith("mixed")}

    assert [locations(task.items) for task in tasks["mixed"]] == [locations(task.items) for task in tasks["mixed-by-words"]]


def test_settings_have_defaults(tmp_path: Path) -> None:
    assert read_suite(write(tmp_path, 'ask = "negation"')) == Suite("negation")
    assert read_suite(write(tmp_path, 'ask = "negation"\nonly = ["owl"]\nfolds = 3')) == Suite(
        "negation", only=("owl",), folds=3
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('ask = "negation"\nsize = 3', "no setting 'size'; use ask, tasks"),
        ('ask = "riddles"', "`ask` must be one of negation, none-of-these"),
        ("tasks = 3", "`ask` must be one of"),
        ("ask = 3", "ask must be a text"),
        ('ask = "negation"\ntasks = "three"', "tasks must be a whole number, 1 or more"),
        ('ask = "negation"\ntasks = true', "tasks must be a whole number, 1 or more"),
        ('ask = "negation"\ntasks = 2.5', "tasks must be a whole number, 1 or more"),
        ('ask = "negation"\nitems = -1', "items must be a whole number, 2 or more"),
        ('ask = "negation"\nonly = "owl"', "only must be a list of texts"),
        ("ask = ", "is no suite"),
    ],
)
def test_an_invalid_definition_is_refused_with_its_path(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as raised:
        read_suite(write(tmp_path, content))

    assert str(raised.value).startswith(str(tmp_path / "suite.toml"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_definition_may_be_utf_16(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_text('ask = "negation"\nonly = ["café"]', encoding="utf-16")

    assert read_suite(path).only == ("café",)


@pytest.mark.parametrize("content", [None, b"ask = '\xff'"])
def test_a_file_that_is_no_definition_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "suite.toml").write_bytes(content)

    with pytest.raises(DataError, match=r"suite\.toml is no suite"):
        read_suite(tmp_path / "suite.toml")


@pytest.mark.parametrize(
    ("ask", "setting"),
    [*((ask, "tasks = 0") for ask in TASK_MAKERS), ("negation", "folds = 0")]
    + [(ask, f"labels = {count}") for ask in ("mixed", "collages", "episodes") for count in (0, 1)],
)
def test_sizes_that_are_too_small_are_refused(tmp_path: Path, ask: str, setting: str) -> None:
    with pytest.raises(DataError):
        make_tasks(read_suite(write(tmp_path, f'ask = "{ask}"\n{setting}')), FEW)


@pytest.mark.parametrize("ask", TASK_MAKERS)
@pytest.mark.parametrize(
    ("items", "message"),
    [
        (photos({"owl": 5}), "2 classes"),
        ([*FEW, Item("image", "x.png", ("owl", "apple"), "the odd one", png((0, 0, 0)))], "the odd one"),
        ([*FEW, Item("image", "x.png", (), "the odd one", png((0, 0, 0)))], "the odd one"),
    ],
    ids=["one class", "two labels", "no label"],
)
def test_samples_that_do_not_suffice_are_refused(ask: str, items: list[Item], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_tasks(Suite(ask), items)


def test_a_class_that_does_not_exist_is_named() -> None:
    with pytest.raises(DataError, match="'unicorn'"):
        make_tasks(Suite("negation", only=("owl", "unicorn")), FEW)
