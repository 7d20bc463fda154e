"""Reading labelled samples: every format, and the location of each fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pyarrow
import pytest
from PIL import Image
from pyarrow import parquet

from pigeonhole.errors import UnreadableImage
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole_cli.evaluation.data import Columns, Selection, read, read_files
from pigeonhole_cli.evaluation.item import DataError, Item


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (9, 9), colour).save(file, "PNG")
    return file.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_parquet(path: Path, columns: Mapping[str, list[object]], metadata: dict[str, str] | None = None) -> Path:
    table = pyarrow.table(dict(columns))
    parquet.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


def error_message(path: Path, columns: Columns | None = None) -> str:
    with pytest.raises(DataError) as raised:
        read(path, columns)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def summaries(items: list[Item]) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.type, item.value, item.truth) for item in items]


def test_a_folder_per_class_holds_images(tmp_path: Path) -> None:
    write(tmp_path / "dog/1.PNG", png("blue"))
    write(tmp_path / "cat/deep/2.jpg", png("red"))
    write(tmp_path / "cat/.DS_Store", "x")
    write(tmp_path / "README.md", "a description")

    items = read(tmp_path)

    assert summaries(items) == [("image", "cat/deep/2.jpg", ("cat",)), ("image", "dog/1.PNG", ("dog",))]
    assert [item.read() for item in items] == [png("red"), png("blue")]


def test_a_folder_per_class_may_hold_text_files(tmp_path: Path) -> None:
    write(tmp_path / "praise/1.txt", "lovely")

    assert summaries(read(tmp_path)) == [("text", "lovely", ("praise",))]


def test_a_csv_file_holds_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", '\ufefftext,id,label\n"one, two",1,numbers\n\nred,2,colours\n')

    assert summaries(read(path)) == [("text", "one, two", ("numbers",)), ("text", "red", ("colours",))]


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,body,topic\nx,hello,greetings\n")

    assert summaries(read(path, Columns(text="body", label="topic"))) == [("text", "hello", ("greetings",))]


def test_images_of_a_csv_file_are_relative_paths(tmp_path: Path) -> None:
    write(tmp_path / "a/pictures/1.png", png())
    (item,) = read(write(tmp_path / "a/a.csv", "image,label\npictures/1.png,cat\n"))

    assert (item.type, item.value, item.read()) == ("image", "pictures/1.png", png())


def test_parquet_holds_image_bytes_plain_or_as_hugging_face_does(tmp_path: Path) -> None:
    plain = write_parquet(tmp_path / "a.parquet", {"image": [png()], "label": ["cat"]})
    hugging_face = write_parquet(tmp_path / "b.parquet", {"image": [{"bytes": png(), "path": None}], "label": ["cat"]})

    for path in (plain, hugging_face):
        (item,) = read(path)
        assert (item.type, item.value, item.truth, item.read()) == ("image", "row 1", ("cat",), png())


def test_class_numbers_are_replaced_by_the_names_in_the_file(tmp_path: Path) -> None:
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}
    columns = {"text": ["a", "b"], "label": [1, 0]}

    named = write_parquet(tmp_path / "a.parquet", columns, {"huggingface": json.dumps(features)})
    bare = write_parquet(tmp_path / "b.parquet", columns)

    assert [item.truth for item in read(named)] == [("dog",), ("cat",)]
    assert [item.truth for item in read(bare)] == [("1",), ("0",)]


def test_a_sample_may_have_a_list_of_labels(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a", "b"], "label": [["x", "y", "x"], []]})

    assert [item.truth for item in read(path)] == [("x", "y"), ()]


def test_a_jsonl_file_may_give_a_sample_a_label_set_and_a_task(tmp_path: Path) -> None:
    write(tmp_path / "1.png", png())
    lines = [
        {"type": "image", "value": "1.png", "label": "cat"},
        {"type": "text", "value": "hi\u2028there", "label": ["a"], "labels": ["a", "b"], "task": "letters"},
    ]
    path = write(tmp_path / "a.jsonl", "\n\n".join(json.dumps(line, ensure_ascii=False) for line in lines))

    image, text = read(path)

    assert (image.read(), image.labels, image.task) == (png(), None, None)
    assert (text.value, text.truth, text.task) == ("hi\u2028there", ("a",), "letters")
    assert text.labels == (LabelClass("a", ("a",), ()), LabelClass("b", ("b",), ()))
    assert text.where == f"{path}, line 3"


SETS = {
    "text": ["1", "2", "3", "4"],
    "label": ["a", "b", "a", "c"],
    "set": ["sun-1", "sun-2", "moon", "moon"],
    "split": ["train", "dev", "dev", "hard"],
    "language": ["en", "de", None, ""],
}


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_may_say_the_set_split_and_language_of_a_sample(tmp_path: Path, suffix: str) -> None:
    rows = [",".join(cell or "" for cell in row) for row in zip(*SETS.values(), strict=True)]
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        write(path, "\n".join([",".join(SETS), *rows]))
    else:
        write_parquet(path, SETS)  # type: ignore[arg-type]

    items = read(path)

    assert [(item.task, item.split, item.language) for item in items] == [
        ("sun-1", "train", "en"),
        ("sun-2", "dev", "de"),
        ("moon", "dev", None),
        ("moon", "hard", None),
    ]


@pytest.mark.parametrize(
    ("selection", "values"),
    [
        (Selection(), ["1", "2", "3", "4"]),
        (Selection(sets=("sun-*",)), ["1", "2"]),
        (Selection(sets=("sun-1", "moon"), splits=("train", "hard")), ["1", "4"]),
    ],
)
def test_sets_and_splits_select_samples(tmp_path: Path, selection: Selection, values: list[str]) -> None:
    path = write_parquet(tmp_path / "a.parquet", SETS)  # type: ignore[arg-type]

    assert [item.value for item in read(path, selection=selection)] == values


def test_several_files_are_one_data_set(tmp_path: Path) -> None:
    one, two = (write(tmp_path / f"{name}.csv", f"text,label,set\n{name},a,s\n") for name in ("one", "two"))

    assert summaries(read_files([one, two], Columns(), Selection())) == [("text", "one", ("a",)), ("text", "two", ("a",))]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(sets=("s",)), "has no column 'set'"),
        (Selection(splits=("dev",)), "has no column 'split'"),
    ],
)
def test_a_selection_needs_its_column(tmp_path: Path, selection: Selection, message: str) -> None:
    path = write(tmp_path / "a.csv", "text,label\nx,a\n")

    with pytest.raises(DataError, match=message):
        read_files([path], Columns(), selection)


def test_a_selection_without_samples_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", SETS)  # type: ignore[arg-type]

    with pytest.raises(DataError, match=r"has no samples of sun-\*, hard"):
        read(path, selection=Selection(sets=("sun-*",), splits=("hard",)))


def test_a_missing_image_is_reported_when_it_is_read(tmp_path: Path) -> None:
    (item,) = read(write(tmp_path / "a.csv", "image,label\ngone.png,cat\n"))

    with pytest.raises(UnreadableImage, match=r"gone\.png can't be read: No such file"):
        item.read()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text,label\r\n"a\r\nné","y"\r\n'),
        ("a.jsonl", '{"type": "text", "value": "a\\r\\nné", "label": "y"}\r\n'),
        ("y/1.txt", "a\r\nné"),
    ],
)
def test_a_file_with_a_byte_order_mark_is_read_in_its_encoding(tmp_path: Path, name: str, content: str, encoding: str) -> None:
    """Editors and spreadsheets on Windows write UTF-16."""
    path = write(tmp_path / name, content.encode(encoding))

    assert [(item.value, item.truth) for item in read(tmp_path if name == "y/1.txt" else path)] == [("a\r\nné", ("y",))]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "words,label\nx,y\n", "has no column 'text' or 'image'; it has 'words', 'label'. Name it: --text-column"),
        ("a.csv", "text,topic\nx,y\n", "has no column 'label'; it has 'text', 'topic'. Name it: --label-column"),
        ("a.csv", "text,image,label\nx,y,z\n", "has texts and images: choose one"),
        ("a.csv", "", "it has no header"),
        ("a.csv", "text,label\n", "has no samples"),
        ("a.csv", "text,label\na,b\nx, y,z\n", "a.csv, line 3: it has 3 cells, the header 2: quote cells that hold commas"),
        ("a.csv", "text,label\nx,\n", "a.csv, line 2: the label is missing"),
        ("a.csv", "text,label\n ,y\n", "a.csv, line 2: the text is missing or empty"),
        ("a.csv", 'text,label\n"x,y\n', "a.csv, line 2: unexpected end of data"),
        ("a.csv", b"text,label\n\xff,y\n", "is not UTF-8 text"),
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
        ("a.jsonl", b"\xff", "is not UTF-8 text"),
        ("a.parquet", "no parquet", "isn't a valid Parquet file"),
        ("a.xlsx", "x", "a.xlsx is no .csv, .parquet, .jsonl and no folder"),
    ],
)
def test_a_fault_of_a_file_is_one_line_with_its_location(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    path = write(tmp_path / name, content)

    assert message in error_message(path)
    assert str(path) in error_message(path)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "has no sub-folders"),
        ({"cat/.hidden": ""}, "cat is empty"),
        ({"cat/1.png": "", "2.png": ""}, "2.png is beside the class folders"),
        ({"cat/notes.doc": ""}, "notes.doc is no image"),
        ({"cat/1.txt": b"\xff"}, "1.txt is not UTF-8 text"),
        ({"cat/1.txt": ""}, "1.txt: the text is missing or empty"),
    ],
)
def test_a_fault_of_a_folder_is_one_line(tmp_path: Path, files: dict[str, str | bytes], message: str) -> None:
    for name, content in files.items():
        write(tmp_path / name, content)

    assert message in error_message(tmp_path)


def test_a_path_that_does_not_exist_is_reported() -> None:
    assert error_message(Path("nowhere")) == "nowhere: there is no such file or folder"


def test_parquet_without_pyarrow_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "a.parquet", {"text": ["a"], "label": ["b"]})
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    assert "needs pyarrow: pip install -e '.[eval]'" in error_message(path)
