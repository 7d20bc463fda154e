"""Every suite keeps its promises, whatever data it is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pigeonhole.inference.labels.label_class import parse_meaning
from pigeonhole_cli.evaluation.data import DataError, Item, by_words
from pigeonhole_cli.evaluation.suites import ASKS, COLLAGE_SIDE, NONE, Suite, make, read_suite
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


def many(classes: int = 12, each: int = 20) -> list[Item]:
    return photos({f"class{index:02}": each for index in range(classes)})


FEW = photos(dict.fromkeys(COLOURS, 20))


def names(task: Task) -> list[str]:
    return [label.name for label in task.labels]


def places(items: Sequence[Item]) -> list[str]:
    return [item.where for item in items]


def own_class(item: Item) -> str:
    """What it is in the data, whatever the suite made of its truth."""
    return item.where.split("/")[0]


def write(folder: Path, content: str) -> Path:
    (folder / "suite.toml").write_text(content)
    return folder / "suite.toml"


@pytest.mark.parametrize("ask", ASKS)
def test_no_task_has_a_sample_twice_or_more_than_asked_for(ask: str) -> None:
    tasks = make(Suite(ask, tasks=6, labels=4, items=10, examples=2), many())

    assert len(tasks) == 6
    for task in tasks:
        assert 0 < len(task.items) <= 10
        if ask != "collages":
            assert len(set(places(task.items))) == len(task.items)
        assert len(set(names(task))) == len(names(task)) <= 5


@pytest.mark.parametrize("ask", ASKS)
def test_the_seed_decides_on_everything(ask: str) -> None:
    def drawn(seed: int) -> list[object]:
        made = make(Suite(ask, tasks=2, labels=4, items=4, examples=2, seed=seed), many())
        return [(task.name, task.items, task.labels, dict(task.pictures), [item.data for item in task.items]) for task in made]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("ask", ASKS)
def test_sets_and_samples_differ_from_task_to_task(ask: str) -> None:
    made = make(Suite(ask, tasks=8, labels=4, items=8, examples=2), many())

    assert len({tuple(places(task.items)) for task in made}) == 8
    assert len({tuple(names(task)) for task in made}) > 4


def test_a_negation_is_right_for_half_of_the_samples_and_they_come_from_all_other_classes() -> None:
    tasks = make(Suite("negation", tasks=12, items=22), many())

    assert len({names(task)[0] for task in tasks}) == 12, "each class once"
    for task in tasks:
        name, negation = names(task)
        answers = Counter(item.truth for item in task.items)
        assert answers == {(name,): 11, (negation,): 11}
        assert all((own_class(item) == name) == (item.truth == (name,)) for item in task.items)
        assert len({own_class(item) for item in task.items}) == 12
        assert parse_meaning(task.labels[1]).negated == (name,), "it is read as what it is not"


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
def test_a_negation_is_put_as_people_would(name: str, negation: str) -> None:
    (task,) = make(Suite("negation", only=(name,)), photos({name: 4, "owl": 4}))

    assert names(task) == [name, negation]
    assert parse_meaning(task.labels[1]).negated


@pytest.mark.parametrize(("own", "folds"), [(20, 5), (23, 5), (5, 5), (7, 1)])
def test_folds_are_disjoint_and_cover_the_class(own: int, folds: int) -> None:
    items = photos({"hotdog": own, "apple": 40, "owl": 40})

    tasks = make(Suite("negation", only=("hotdog",), folds=folds), items)

    assert len({task.name for task in tasks}) == len(tasks) == folds
    parts = [[place for place in places(task.items) if place.startswith("hotdog")] for task in tasks]
    assert sorted(place for part in parts for place in part) == sorted(places(items[:own]))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    for task, part in zip(tasks, parts, strict=True):
        assert len(task.items) == 2 * len(part), "as many others"


def test_only_the_named_classes_are_asked_for() -> None:
    tasks = make(Suite("negation", only=("owl", "hotdog")), FEW)

    assert [names(task)[0] for task in tasks] == ["owl", "hotdog"]


def test_half_of_the_samples_are_none_of_these_and_of_no_class_that_is_named() -> None:
    tasks = make(Suite("none-of-these", tasks=10, labels=4, items=24), many())

    for task in tasks:
        *named, none = names(task)
        assert (len(named), none) == (4, NONE)
        assert parse_meaning(task.labels[-1]).is_none
        elsewhere = [item for item in task.items if item.truth == (NONE,)]
        assert len(elsewhere) == len(task.items) / 2 == 12
        assert not {own_class(item) for item in elsewhere} & set(named)
        assert len({own_class(item) for item in elsewhere}) == 8, "of all others alike"
        own = Counter(own_class(item) for item in task.items if item.truth != (NONE,))
        assert own == dict.fromkeys(named, 3)


@pytest.mark.parametrize("labels", [5, 9])
def test_none_of_these_needs_classes_that_are_not_named(labels: int) -> None:
    """Else half of the samples would silently be missing."""
    with pytest.raises(DataError):
        make(Suite("none-of-these", labels=labels), FEW)


def test_of_mixed_labels_every_other_one_is_described_by_photos_that_are_no_samples() -> None:
    for task in make(Suite("mixed", tasks=8, labels=5, items=30, examples=2), many()):
        by_pictures = [label for label in task.labels if label.images]
        assert by_pictures == [task.labels[1], task.labels[3]]
        assert not any(label.texts for label in by_pictures)
        assert list(task.labels[::2]) == [by_words(name) for name in names(task)[::2]]
        shown = {place for label in by_pictures for place in label.images}
        assert len(shown) == 4
        assert {place.split("/")[0] for place in shown} == {label.name for label in by_pictures}
        assert set(task.pictures) == shown
        assert all(Image.open(BytesIO(data)).size == (12, 8) for data in task.pictures.values())
        assert not shown & set(places(task.items))
        assert Counter(item.truth[0] for item in task.items) == dict.fromkeys(names(task), 6)


def test_by_words_alone_the_same_samples_and_classes_are_asked_for() -> None:
    mixed, by_words_alone = (make(Suite("mixed", tasks=8, labels=5, items=30, examples=k), many()) for k in (2, 0))

    for one, other in zip(mixed, by_words_alone, strict=True):
        assert places(one.items) == places(other.items)
        assert list(map(by_words, names(one))) == list(other.labels)
        assert not other.pictures


def test_a_class_whose_photos_would_all_be_examples_is_left_out() -> None:
    (task,) = make(Suite("mixed", tasks=1, examples=2), photos({"hotdog": 5, "apple": 5, "owl": 2}))

    assert sorted(names(task)) == ["apple", "hotdog"]


def test_a_collage_shows_two_photos_side_by_side_and_both_labels_are_right() -> None:
    tasks = make(Suite("collages", tasks=4, labels=4, items=6), FEW)

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
def test_a_collage_holds_the_middle_of_a_photo_of_any_shape(size: tuple[int, int]) -> None:
    pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
    x, y = size[0] // 2, size[1] // 2
    reach = min(size) // 2
    pixels[y - reach : y + reach, x - reach : x + reach] = 200
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    items = [Item("image", name, (name,), name, file.getvalue()) for name in ("one", "two")]

    (task,) = make(Suite("collages", tasks=1, labels=2, items=1), items)

    left, right = np.split(np.asarray(Image.open(BytesIO(task.items[0].read()))), 2, axis=1)
    inside = slice(4, -4)  # of the edge, at which resampling mixes in what lies beyond
    assert min(left[inside, inside].min(), right[inside, inside].min()) > 195


@pytest.mark.parametrize("most", [2, 3, 9])
def test_episodes_have_from_two_labels_to_the_most_allowed(most: int) -> None:
    tasks = make(Suite("episodes", tasks=60, labels=most, items=10), many())

    assert {len(task.labels) for task in tasks} == set(range(2, most + 1))
    for task in tasks:
        counts = Counter(item.truth[0] for item in task.items)
        assert set(counts) <= set(names(task))
        assert max(counts.values()) - min(counts[name] for name in counts) <= 1, "of each class alike"


def test_texts_are_asked_about_as_photos_are() -> None:
    texts = [Item("text", f"page {n} on {name}", (name,), f"{name}/{n}") for name in ("tax", "golf", "jazz") for n in range(9)]

    for ask in ("negation", "episodes"):
        assert all(task.type == "text" for task in make(Suite(ask, tasks=3, labels=3), texts))
    assert make(Suite("none-of-these", tasks=1, labels=2), texts)[0].type == "text"


@pytest.mark.parametrize(("ask", "examples"), [("collages", 0), ("mixed", 2)])
def test_what_needs_photos_says_so_where_there_are_texts(ask: str, examples: int) -> None:
    texts = [Item("text", f"page {n}", (name,), f"{name}/{n}") for name in ("tax", "golf") for n in range(5)]

    with pytest.raises(DataError):
        make(Suite(ask, examples=examples), texts)


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_every_definition_of_the_repository_is_read_and_made(path: Path) -> None:
    suite = read_suite(path)
    fewer = replace(suite, tasks=min(suite.tasks, 4), items=min(suite.items, 8))

    tasks = make(fewer, [*many(30, 6), *photos({"hotdog": 12})])

    assert tasks
    assert all(task.items for task in tasks)


def test_the_definitions_are_there() -> None:
    assert {path.stem for path in DEFINITIONS} >= {"negation", "hotdog", "none-of-these", "mixed", "collages", "episodes"}


def test_the_pair_of_mixed_definitions_asks_about_the_same_samples() -> None:
    of = {path.stem: make(read_suite(path), many()) for path in DEFINITIONS if path.stem.startswith("mixed")}

    assert [places(task.items) for task in of["mixed"]] == [places(task.items) for task in of["mixed-by-words"]]


def test_what_a_definition_leaves_out_has_a_default(tmp_path: Path) -> None:
    assert read_suite(write(tmp_path, 'ask = "negation"')) == Suite("negation")
    assert read_suite(write(tmp_path, 'ask = "negation"\nonly = ["owl"]\nfolds = 3')) == Suite(
        "negation", only=("owl",), folds=3
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('ask = "negation"\nsize = 3', "no setting 'size'; there are ask, tasks"),
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
def test_a_definition_that_says_something_else_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        read_suite(write(tmp_path, content))

    assert str(refused.value).startswith(str(tmp_path / "suite.toml"))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"ask = '\xff'"])
def test_a_file_that_is_no_definition_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "suite.toml").write_bytes(content)

    with pytest.raises(DataError, match=r"suite\.toml is no suite"):
        read_suite(tmp_path / "suite.toml")


@pytest.mark.parametrize(
    ("ask", "setting"),
    [*((ask, "tasks = 0") for ask in ASKS), ("negation", "folds = 0")]
    + [(ask, f"labels = {count}") for ask in ("mixed", "collages", "episodes") for count in (0, 1)],
)
def test_sizes_of_which_nothing_can_be_asked_are_refused(tmp_path: Path, ask: str, setting: str) -> None:
    with pytest.raises(DataError):
        make(read_suite(write(tmp_path, f'ask = "{ask}"\n{setting}')), FEW)


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    ("items", "said"),
    [
        (photos({"owl": 5}), "2 classes"),
        ([*FEW, Item("image", "x.png", ("owl", "apple"), "the odd one", png((0, 0, 0)))], "the odd one"),
        ([*FEW, Item("image", "x.png", (), "the odd one", png((0, 0, 0)))], "the odd one"),
    ],
    ids=["one class", "two labels", "no label"],
)
def test_samples_that_do_not_suffice_are_refused(ask: str, items: list[Item], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make(Suite(ask), items)


def test_a_class_to_ask_for_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="'unicorn'"):
        make(Suite("negation", only=("owl", "unicorn")), FEW)
