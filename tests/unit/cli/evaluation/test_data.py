"""Labelled samples come in from every form, and what is wrong with one is said with its place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from pigeonhole.errors import UnreadableImage
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.data import Columns, DataError, Item, read
from pigeonhole_cli.evaluation.tasks import limited, plain


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (9, 9), colour).save(file, "PNG")
    return file.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def table(path: Path, columns: Mapping[str, list[object]], metadata: dict[str, str] | None = None) -> Path:
    made = pyarrow.table(dict(columns))
    parquet.write_table(made.replace_schema_metadata(metadata) if metadata else made, path)
    return path


def message(path: Path, columns: Columns | None = None) -> str:
    with pytest.raises(DataError) as raised:
        read(path, columns)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def brief(items: list[Item]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.type, item.value, item.truth) for item in items]


def test_a_folder_per_class_gives_its_pictures_by_name(tmp_path: Path) -> None:
    write(tmp_path / "dog/1.PNG", png("blue"))
    write(tmp_path / "cat/deep/2.jpg", png("red"))
    write(tmp_path / "cat/.DS_Store", "x")
    write(tmp_path / "README.md", "of what this is")

    items = read(tmp_path)

    assert brief(items) == [("image", "cat/deep/2.jpg", ("cat",)), ("image", "dog/1.PNG", ("dog",))]
    assert [item.read() for item in items] == [png("red"), png("blue")]


def test_text_files_in_the_folders_are_texts(tmp_path: Path) -> None:
    write(tmp_path / "praise/1.txt", "lovely")

    assert brief(read(tmp_path)) == [("text", "lovely", ("praise",))]


def test_a_table_of_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufefftext,id,label\n"one, two",1,numbers\n\nred,2,colours\n')

    assert brief(read(path)) == [("text", "one, two", ("numbers",)), ("text", "red", ("colours",))]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,body,topic\nx,hello,greetings\n")

    assert brief(read(path, Columns(text="body", label="topic"))) == [("text", "hello", ("greetings",))]


def test_images_of_a_table_are_paths_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "a/pictures/1.png", png())
    (item,) = read(write(tmp_path / "a/a.csv", "image,label\npictures/1.png,cat\n"))

    assert (item.type, item.value, item.read()) == ("image", "pictures/1.png", png())


def test_parquet_holds_pictures_as_bytes_or_as_hugging_face_does(tmp_path: Path) -> None:
    plain_bytes = table(tmp_path / "a.parquet", {"image": [png()], "label": ["cat"]})
    stored = table(tmp_path / "b.parquet", {"image": [{"bytes": png(), "path": None}], "label": ["cat"]})

    for path in (plain_bytes, stored):
        (item,) = read(path)
        assert (item.type, item.value, item.truth, item.read()) == ("image", "row 1", ("cat",), png())


def test_class_numbers_get_the_names_that_the_file_has_for_them(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    columns = {"text": ["a", "b"], "label": [1, 0]}

    named = table(tmp_path / "a.parquet", columns, {"huggingface": json.dumps(features)})
    bare = table(tmp_path / "b.parquet", columns)

    assert [item.truth for item in read(named)] == [("dog",), ("cat",)]
    assert [item.truth for item in read(bare)] == [("1",), ("0",)]


def test_a_list_of_labels_is_several(tmp_path: Path) -> None:
    path = table(tmp_path / "a.parquet", {"text": ["a", "b"], "label": [["x", "y", "x"], []]})

    assert [item.truth for item in read(path)] == [("x", "y"), ()]


def test_a_manifest_may_give_a_sample_labels_and_a_task_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "1.png", png())
    lines = [
        {"type": "image", "value": "1.png", "label": "cat"},
        {"type": "text", "value": "hi\u2028there", "label": ["a"], "labels": ["a", "b"], "task": "letters"},
    ]
    path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines))

    picture, text = read(path)

    assert (picture.read(), picture.labels, picture.task) == (png(), None, None)
    assert (text.value, text.truth, text.task) == ("hi\u2028there", ("a",), "letters")
    assert text.labels == (LabelClass("a", ("a",), ()), LabelClass("b", ("b",), ()))
    assert text.where == f"{path}, line 3"


def test_a_picture_that_is_not_there_is_its_own_fault_not_the_datas(tmp_path: Path) -> None:
    (item,) = read(write(tmp_path / "a.csv", "image,label\ngone.png,cat\n"))

    with pytest.raises(UnreadableImage, match=r"gone\.png can't be read: No such file"):
        item.read()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "words,label\nx,y\n", "has no column 'text' or 'image'; it has 'words', 'label'. Name it: --text-column"),
        ("a.csv", "text,topic\nx,y\n", "has no column 'label'; it has 'text', 'topic'. Name it: --label-column"),
        ("a.csv", "text,image,label\nx,y,z\n", "has texts and images: say which"),
        ("a.csv", "", "it has no header"),
        ("a.csv", "text,label\n", "has no samples"),
        ("a.csv", "text,label\na,b\nx, y,z\n", "a.csv, line 3: it has 3 cells, the header 2: quote cells that hold commas"),
        ("a.csv", "text,label\nx,\n", "a.csv, line 2: the label is missing"),
        ("a.csv", "text,label\n ,y\n", "a.csv, line 2: the text is missing or empty"),
        ("a.csv", 'text,label\n"x,y\n', "a.csv, line 2: unexpected end of data"),
        ("a.csv", b"text,label\n\xff,y\n", "isn't UTF-8 text"),
        ("a.csv", "image,label\n,y\n", "a.csv, line 2: the image must be a path"),
        ("a.jsonl", '{"type": "text"', "a.jsonl, line 1: invalid JSON: "),
        ("a.jsonl", "\n[1]", "a.jsonl, line 2: must be an object such as"),
        ("a.jsonl", '{"type": "video", "value": "a", "label": "b"}', '`type` must be "text" or "image"'),
        ("a.jsonl", '{"type": "text", "label": "b"}', "line 1: the text is missing or empty"),
        ("a.jsonl", '{"type": "image", "value": 3, "label": "b"}', "line 1: the image must be a path"),
        ("a.jsonl", '{"type": "text", "value": "a"}', "line 1: the label is missing"),
        ("a.jsonl", '{"type": "text", "value": "a", "label": {}}', "line 1: the label must be a text or a list of texts"),
        ("a.jsonl", '{"type": "text", "value": "a", "label": "b", "labels": []}', "`labels` must be a list of texts"),
        ("a.jsonl", '{"type": "text", "value": "a", "label": "b", "task": 1}', "`task` must be a text"),
        ("a.jsonl", b"\xff", "isn't UTF-8 text"),
        ("a.parquet", "no parquet", "isn't a sound Parquet file"),
        ("a.xlsx", "x", "a.xlsx is no .csv, .parquet, .jsonl and no folder"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, said: str
) -> None:
    path = write(tmp_path / name, content)

    assert said in message(path)
    assert str(path) in message(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "has no sub-folders"),
        ({"cat/.hidden": ""}, "cat is empty"),
        ({"cat/1.png": "", "2.png": ""}, "2.png lies beside the classes"),
        ({"cat/notes.doc": ""}, "notes.doc is no picture"),
        ({"cat/1.txt": b"\xff"}, "1.txt isn't UTF-8 text"),
        ({"cat/1.txt": ""}, "1.txt: the text is missing or empty"),
    ],
)
def test_what_is_wrong_with_a_folder_is_one_line(tmp_path: Path, files: dict[str, str | bytes], said: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)

    assert said in message(tmp_path)


def test_what_does_not_exist_is_said() -> None:
    assert message(Path("nowhere")) == "nowhere: there is no such file or folder"


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path / "a.parquet", {"text": ["a"], "label": ["b"]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    assert "needs pyarrow: pip install -e '.[eval]'" in message(path)


def text(value: str, *truth: str, **more: object) -> Item:
    return Item("text", value, truth, where=f"line of {value}", **more)  # type: ignore[arg-type]


def names(labels: tuple[LabelClass, ...]) -> list[str]:
    return [label.name for label in labels]


def test_the_plain_task_asks_about_all_labels_of_the_data() -> None:
    (task,) = plain([text("1", "b"), text("2", "a"), text("3", "b")], "letters")

    assert (task.name, names(task.labels), len(task.items)) == ("letters", ["a", "b"], 3)


def test_labels_that_are_given_keep_their_order() -> None:
    (task,) = plain([text("1", "b")], "letters", labels=["c", "b", "a", "c"])

    assert names(task.labels) == ["c", "b", "a"]


def test_samples_of_no_given_label_belong_to_none_of_these() -> None:
    (task,) = plain([text("1", "a"), text("2", "z")], "letters", labels=["a", "b", "none of these"])

    assert [item.truth for item in task.items] == [("a",), ("none of these",)]


def test_labels_and_tasks_of_items_make_tasks_of_their_own() -> None:
    own = (LabelClass("x", ("x",), ()), LabelClass("y", ("y",), ()))
    items = [text("1", "a"), text("2", "b"), text("3", "x", labels=own, task="t"), text("4", "x", labels=own[::-1], task="t")]

    tasks = plain(items, "letters")

    assert [(task.name, names(task.labels)) for task in tasks] == [
        ("letters", ["a", "b"]),
        ("t", ["x", "y"]),
        ("t (2)", ["y", "x"]),
    ]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: plain([text("1", "a"), text("2", "z")], "n", labels=["a", "b"]), "line of 2: 'z' is not among the labels"),
        (lambda: plain([text("1", "a"), text("2", "a")], "n"), "all samples have the same label, 'a'"),
        (lambda: plain([text("1", "a", "b")], "n"), "line of 1: it has 2 labels; say --multiple-labels"),
        (
            lambda: plain([text("1", "a"), Item("image", "p", ("b",), "line of p")], "n"),
            "line of p: texts and images are mixed",
        ),
    ],
)
def test_a_task_that_cannot_be_asked_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(DataError, match=said):
        make()


def test_a_limit_draws_the_same_samples_for_a_seed_and_keeps_all_labels() -> None:
    (task,) = plain([text(str(k), "ab"[k % 2]) for k in range(100)], "n", labels=["a", "b", "c"])

    drawn = [[item.value for item in limited(task, 10, seed).items] for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(drawn[0], key=int)
    assert len(set(drawn[0])) == 10
    assert names(limited(task, 10, 1).labels) == ["a", "b", "c"]
    assert limited(task, None, 1) is task
