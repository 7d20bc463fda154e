"""Labelled samples, from the forms in which people keep them.

    photos/cat/1.jpg, photos/dog/2.png   a folder per class, of pictures or of .txt files
    data.csv, data.parquet               columns `text` or `image`, and `label`: a row per sample
    data.jsonl                           a line per sample: {"type": "image", "value": "1.jpg", "label": "cat"}; `label` may be
                                         a list; `labels`, a list, and `task` give the sample a label set of its own

An image is a path beside the file; in Parquet it may be the picture's own bytes, plain or as Hugging Face's datasets store it.
What is wrong with a file is said at once, with its place; a picture is opened only when it is its turn.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pigeonhole.errors import UnreadableImage
from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import Modality

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})
TEXTS = frozenset({".txt"})
ROWS_AT_ONCE = 256  # of a Parquet file
MAX_CELL = 10_000_000  # characters; the csv module's own limit of 131,072 is below a long article


class DataError(Exception):
    """The data can't be used as it is. One line: where, what, and how to mend it."""


@dataclass(frozen=True)
class Item:
    """One labelled sample.

    `value`: the text, or a picture's name for messages; `truth`: its labels' names; `where`: its place in the data; `data`: of
    a picture, its file or the file's bytes. `labels`, `task`: a label set of its own and the name of what is asked.
    """

    type: Modality
    value: str
    truth: tuple[str, ...]
    where: str
    data: bytes | Path | None = field(default=None, repr=False)
    labels: tuple[LabelClass, ...] | None = None
    task: str | None = None

    def read(self) -> bytes:
        """The picture's file, still encoded.

        Raises UnreadableImage, naming the file, for one that isn't there or can't be read.
        """
        if isinstance(self.data, Path):
            try:
                return self.data.read_bytes()
            except OSError as error:
                raise UnreadableImage(f"{self.data} can't be read: {error.strerror or error}") from None
        return self.data or b""


@dataclass(frozen=True)
class Columns:
    """The columns of a table. `text`, `image`: None for the one of these names that the table has."""

    text: str | None = None
    image: str | None = None
    label: str = "label"


def by_words(name: str) -> LabelClass:
    """The label that its name alone describes."""
    return LabelClass(name, (name,), ())


def read(path: Path, columns: Columns | None = None) -> list[Item]:
    """Read all samples; of pictures in a Parquet file the encoded bytes, of others nothing yet.

    Raises DataError.
    """
    try:
        if path.is_dir():
            items = list(_folder(path))
        elif not path.exists():
            raise DataError(f"{path}: there is no such file or folder")
        elif path.suffix.lower() not in READERS:
            raise DataError(f"{path} is no {', '.join(READERS)} and no folder with a sub-folder per class: convert it to one")
        else:
            items = list(READERS[path.suffix.lower()](path, columns or Columns()))
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be read: {error.strerror or error}") from None
    if not items:
        raise DataError(f"{path} has no samples")
    return items


def _folder(folder: Path) -> Iterator[Item]:
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in entries:
        if path.is_file() and path.suffix.lower() in PICTURES:
            raise DataError(f"{path} lies beside the classes: move it into the sub-folder of its class")
    classes = [path for path in entries if path.is_dir()]
    if not classes:
        raise DataError(f"{folder} has no sub-folders: put the samples of each class into one, named for the class")
    for each in classes:
        files = [path for path in sorted(each.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        if not files:
            raise DataError(f"{each} is empty: put samples of that class into it, or remove it")
        for path in files:
            yield _of_file(path, str(path.relative_to(folder)), each.name)


def _of_file(path: Path, name: str, label: str) -> Item:
    suffix = path.suffix.lower()
    if suffix in PICTURES:
        return Item("image", name, (label,), where=str(path), data=path)
    if suffix not in TEXTS:
        raise DataError(f"{path} is no picture ({', '.join(sorted(PICTURES))}) and no .txt file: remove or convert it")
    return Item("text", _words(str(path), _utf8(path)), (label,), where=str(path))


def _csv(path: Path, columns: Columns) -> Iterator[Item]:
    csv.field_size_limit(MAX_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            header = next(lines, [])
            kind, column = _value_column(path, header, columns)
            for row in lines:
                where = f"{path}, line {lines.line_num}"
                if not row:
                    continue
                if len(row) != len(header):
                    raise DataError(f"{where}: it has {len(row)} cells, the header {len(header)}: quote cells that hold commas")
                cells = dict(zip(header, row, strict=True))
                yield _of_value(path, where, kind, cells[column], _truth(where, cells[columns.label]))
        except csv.Error as error:
            raise DataError(f"{path}, line {lines.line_num}: {error}") from None
        except UnicodeDecodeError:
            raise DataError(f"{path} isn't UTF-8 text: save it as UTF-8") from None


def _parquet(path: Path, columns: Columns) -> Iterator[Item]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install -e '.[eval]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            kind, column = _value_column(path, file.schema_arrow.names, columns)
            names = _class_names(file.schema_arrow.metadata, columns.label)
            number = 0
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[column, columns.label]):
                for row in batch.to_pylist():
                    number += 1
                    where = f"{path}, row {number}"
                    label = row[columns.label]
                    if names and isinstance(label, int):
                        label = names[label] if 0 <= label < len(names) else None
                    yield _of_value(path, where, kind, row[column], _truth(where, label))
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} isn't a sound Parquet file: {str(error).splitlines()[0]}") from None


def _class_names(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str] | None:
    """The names behind a column of class numbers, where Hugging Face's datasets left them in the file."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names]


def _value_column(path: Path, header: list[str], columns: Columns) -> tuple[Modality, str]:
    """Which column holds the samples, and of which type they are."""
    asked: list[tuple[Modality, str | None]] = [("text", columns.text), ("image", columns.image)]
    named = [(kind, name) for kind, name in asked if name is not None]
    usual: list[tuple[Modality, str]] = [("text", "text"), ("image", "image")]
    found = [(kind, name) for kind, name in named or usual if name in header]
    has = f"it has {', '.join(map(repr, header)) or 'no header'}"
    if len(found) > 1:
        raise DataError(f"{path} has texts and images: say which with --text-column or --image-column, one of them alone")
    if not found:
        wanted = " or ".join(repr(name) for _, name in named or usual)
        raise DataError(f"{path} has no column {wanted}; {has}. Name it: --text-column or --image-column")
    if columns.label not in header:
        raise DataError(f"{path} has no column {columns.label!r}; {has}. Name it: --label-column")
    return found[0]


def _jsonl(path: Path, _: Columns) -> Iterator[Item]:
    for number, line in enumerate(_utf8(path).split("\n"), start=1):
        if line.strip():
            yield _of_line(path, f"{path}, line {number}", line)


def _of_line(path: Path, where: str, line: str) -> Item:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: invalid JSON: {error}") from None
    if not isinstance(entry, dict):
        raise DataError(f'{where}: must be an object such as {{"type": "text", "value": "...", "label": "..."}}')
    if entry.get("type") not in ("text", "image"):
        raise DataError(f'{where}: `type` must be "text" or "image"')
    labels, task = entry.get("labels"), entry.get("task")
    if labels is not None and not (isinstance(labels, list) and labels and all(_is_word(name) for name in labels)):
        raise DataError(f"{where}: `labels` must be a list of texts, none of them empty")
    if task is not None and not _is_word(task):
        raise DataError(f"{where}: `task` must be a text")
    own = tuple(map(by_words, dict.fromkeys(labels))) if labels else None
    return _of_value(path, where, entry["type"], entry.get("value"), _truth(where, entry.get("label")), own, task)


def _of_value(
    path: Path,
    where: str,
    kind: Modality,
    value: Any,
    truth: tuple[str, ...],
    labels: tuple[LabelClass, ...] | None = None,
    task: str | None = None,
) -> Item:
    if isinstance(value, dict):  # how Hugging Face's datasets store a picture
        value = value.get("bytes") or value.get("path")
    if kind == "text":
        return Item(kind, _words(where, value), truth, where, labels=labels, task=task)
    if isinstance(value, bytes) and value:
        return Item(kind, where.removeprefix(f"{path}, "), truth, where, value, labels, task)
    if not _is_word(value):
        raise DataError(f"{where}: the image must be a path, or in Parquet the file's bytes")
    return Item(kind, value, truth, where, path.parent / value, labels, task)


def _truth(where: str, label: Any) -> tuple[str, ...]:
    """A sample's labels: one, or those of a list, which may be empty where several labels may be true."""
    labels = label if isinstance(label, list) else [label]
    if any(each is None or each == "" or (isinstance(each, float) and math.isnan(each)) for each in labels):
        raise DataError(f"{where}: the label is missing")
    if not all(isinstance(each, str | int | float) for each in labels):
        raise DataError(f"{where}: the label must be a text or a list of texts")
    return tuple(dict.fromkeys(map(str, labels)))


def _words(where: str, value: Any) -> str:
    if not _is_word(value):
        raise DataError(f"{where}: the text is missing or empty")
    return str(value)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _utf8(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} isn't UTF-8 text: save it as UTF-8") from None


READERS: dict[str, Callable[[Path, Columns], Iterator[Item]]] = {".csv": _csv, ".parquet": _parquet, ".jsonl": _jsonl}
