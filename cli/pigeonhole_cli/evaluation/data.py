"""Read labelled samples from a folder or a table.

    photos/cat/1.jpg, photos/dog/2.png   a folder per class, with images or .txt files
    data.csv, data.parquet               columns `text` or `image`, and `label`: a row per sample. With a column `set`, the
                                         file has several data sets, each with labels of its own. Columns `split` and
                                         `language` are optional.
    data.jsonl                           a line per sample: {"type": "image", "value": "1.jpg", "label": "cat"}. `label` may be
                                         a list. `labels`, a list, and `task` give the sample a label set of its own.

An image is a path relative to the file. In Parquet it may also be the image's bytes, plain or as Hugging Face's `datasets`
stores them. A fault of the file is reported at once with its location. Images are opened only when they are needed.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from io import StringIO
from pathlib import Path
from typing import Any

from pigeonhole.inference.labels.label_class import LabelClass
from pigeonhole.inference.scoring.calibration import Modality
from pigeonhole_cli.evaluation.item import DataError, Item, word_label
from pigeonhole_cli.request_input import InputError, read_text

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif"})
TEXT_SUFFIXES = frozenset({".txt"})
PARQUET_BATCH_ROWS = 256
SET, SPLIT, LANGUAGE = "set", "split", "language"  # the names of the columns that say where a sample belongs
MAX_CELL_CHARACTERS = 10_000_000  # the csv module's own limit of 131,072 is too small for a long article


@dataclass(frozen=True)
class Columns:
    """The names of a table's columns.

    Attributes:
        text: The column of texts. None for `text`, if the table has it.
        image: The column of images. None for `image`, if the table has it.
        label: The column of labels.
    """

    text: str | None = None
    image: str | None = None
    label: str = "label"


@dataclass(frozen=True)
class Selection:
    """The rows of a table to read. A row without a set or a split is always read.

    Attributes:
        sets: The names or patterns ("sun-*") of the sets. Empty for all.
        splits: The names of the splits. Empty for all.
    """

    sets: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()

    def includes(self, row: Mapping[str, Any]) -> bool:
        """Whether to read a row."""
        set_name, split = row.get(SET), row.get(SPLIT)
        is_in_sets = not self.sets or set_name is None or any(fnmatchcase(str(set_name), pattern) for pattern in self.sets)
        return is_in_sets and (not self.splits or split is None or str(split) in self.splits)


def read_files(paths: Sequence[Path], columns: Columns, selection: Selection) -> list[Item]:
    """Read several files as one data set, such as the shards of a large one.

    Raises:
        DataError: The data can't be used, or a file can't be selected from.
    """
    items = []
    for path in paths:
        file_items = read(path, columns, selection)
        if selection.sets and all(item.task is None for item in file_items):
            raise DataError(f"{path} has no column {SET!r}: sets can't be selected from it")
        if selection.splits and all(item.split is None for item in file_items):
            raise DataError(f"{path} has no column {SPLIT!r}: splits can't be selected from it")
        items += file_items
    return items


def read(path: Path, columns: Columns | None = None, selection: Selection | None = None) -> list[Item]:
    """Read the samples of a folder or a file. Images are not opened, but Parquet holds their bytes.

    Args:
        path: The folder or file.
        columns: The names of a table's columns.
        selection: The rows of a table to read. Default: all.

    Raises:
        DataError: The data can't be used.
    """
    selection = selection or Selection()
    try:
        if path.is_dir():
            items = list(_read_folder(path))
        elif not path.exists():
            raise DataError(f"{path}: there is no such file or folder")
        elif path.suffix.lower() not in READERS:
            raise DataError(f"{path} is no {', '.join(READERS)} and no folder with a sub-folder per class: convert it to one")
        else:
            items = list(READERS[path.suffix.lower()](path, columns or Columns(), selection))
    except OSError as error:
        raise DataError(f"{error.filename or path} can't be read: {error.strerror or error}") from None
    if not items:
        chosen = ", ".join([*selection.sets, *selection.splits])
        raise DataError(f"{path} has no samples{f' of {chosen}' if chosen else ''}")
    return items


def _read_folder(folder: Path) -> Iterator[Item]:
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for path in entries:
        if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES:
            raise DataError(f"{path} is beside the class folders: move it into the sub-folder of its class")
    class_folders = [path for path in entries if path.is_dir()]
    if not class_folders:
        raise DataError(f"{folder} has no sub-folders: put the samples of each class into a sub-folder named for the class")
    for class_folder in class_folders:
        files = [path for path in sorted(class_folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
        if not files:
            raise DataError(f"{class_folder} is empty: put samples of that class into it, or remove it")
        for path in files:
            yield _from_file(path, str(path.relative_to(folder)), class_folder.name)


def _from_file(path: Path, name: str, label: str) -> Item:
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return Item("image", name, (label,), where=str(path), data=path)
    if suffix not in TEXT_SUFFIXES:
        raise DataError(f"{path} is no image ({', '.join(sorted(IMAGE_SUFFIXES))}) and no .txt file: remove or convert it")
    return Item("text", _check_text(str(path), _read_text(path)), (label,), where=str(path))


def _read_csv(path: Path, columns: Columns, selection: Selection) -> Iterator[Item]:
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    lines = csv.reader(StringIO(_read_text(path), newline=""), strict=True)
    try:
        header = next(lines, [])
        sample_type, column = _find_value_column(path, header, columns)
        for row in lines:
            where = f"{path}, line {lines.line_num}"
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(f"{where}: it has {len(row)} cells, the header {len(header)}: quote cells that hold commas")
            cells: dict[str, Any] = dict(zip(header, row, strict=True))
            if selection.includes(cells):
                yield _from_row(path, where, sample_type, cells[column], cells[columns.label], cells)
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: {error}") from None


def _read_parquet(path: Path, columns: Columns, selection: Selection) -> Iterator[Item]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install -e '.[eval]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            sample_type, column = _find_value_column(path, file.schema_arrow.names, columns)
            names = _class_names(file.schema_arrow.metadata, columns.label)
            optional = [name for name in (SET, SPLIT, LANGUAGE) if name in file.schema_arrow.names]
            wanted = list(dict.fromkeys([column, columns.label, *optional]))
            number = 0
            for batch in file.iter_batches(PARQUET_BATCH_ROWS, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    if not selection.includes(row):
                        continue
                    where = f"{path}, row {number}"
                    label = row[columns.label]
                    if names and isinstance(label, int):
                        label = names[label] if 0 <= label < len(names) else None
                    yield _from_row(path, where, sample_type, row[column], label, row)
    except pyarrow.ArrowException as error:
        raise DataError(f"{path} isn't a valid Parquet file: {str(error).splitlines()[0]}") from None


def _class_names(metadata: Mapping[bytes, bytes] | None, column: str) -> list[str] | None:
    """Return the names of a column of class numbers, if Hugging Face's `datasets` stored them in the file."""
    try:
        names = json.loads((metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError):
        return None
    return [str(name) for name in names]


def _find_value_column(path: Path, header: list[str], columns: Columns) -> tuple[Modality, str]:
    """Return the type of the samples and the name of their column."""
    options: list[tuple[Modality, str | None]] = [("text", columns.text), ("image", columns.image)]
    named = [(sample_type, name) for sample_type, name in options if name is not None]
    default: list[tuple[Modality, str]] = [("text", "text"), ("image", "image")]
    present = [(sample_type, name) for sample_type, name in named or default if name in header]
    has = f"it has {', '.join(map(repr, header)) or 'no header'}"
    if len(present) > 1:
        raise DataError(f"{path} has texts and images: choose one with --text-column or --image-column")
    if not present:
        wanted = " or ".join(repr(name) for _, name in named or default)
        raise DataError(f"{path} has no column {wanted}; {has}. Name it: --text-column or --image-column")
    if columns.label not in header:
        raise DataError(f"{path} has no column {columns.label!r}; {has}. Name it: --label-column")
    return present[0]


def _from_row(path: Path, where: str, sample_type: Modality, value: Any, label: Any, row: Mapping[str, Any]) -> Item:
    """Return a table's row as an item. An empty cell of an optional column says nothing."""
    item = _from_value(path, where, sample_type, value, _parse_truth(where, label))
    task, split, language = (str(row[name]) if row.get(name) not in (None, "") else None for name in (SET, SPLIT, LANGUAGE))
    return replace(item, task=task, split=split, language=language)


def _read_jsonl(path: Path, _: Columns, __: Selection) -> Iterator[Item]:
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            yield _from_line(path, f"{path}, line {number}", line)


def _from_line(path: Path, where: str, line: str) -> Item:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: invalid JSON: {error}") from None
    if not isinstance(entry, dict):
        raise DataError(f'{where}: must be an object such as {{"type": "text", "value": "...", "label": "..."}}')
    if entry.get("type") not in ("text", "image"):
        raise DataError(f'{where}: `type` must be "text" or "image"')
    labels, task = entry.get("labels"), entry.get("task")
    if labels is not None and not (isinstance(labels, list) and labels and all(_is_text(name) for name in labels)):
        raise DataError(f"{where}: `labels` must be a list of texts that aren't empty")
    if task is not None and not _is_text(task):
        raise DataError(f"{where}: `task` must be a text")
    label_classes = tuple(map(word_label, dict.fromkeys(labels))) if labels else None
    truth = _parse_truth(where, entry.get("label"))
    return _from_value(path, where, entry["type"], entry.get("value"), truth, label_classes, task)


def _from_value(
    path: Path,
    where: str,
    sample_type: Modality,
    value: Any,
    truth: tuple[str, ...],
    labels: tuple[LabelClass, ...] | None = None,
    task: str | None = None,
) -> Item:
    if isinstance(value, dict):  # the form in which Hugging Face's datasets stores an image
        value = value.get("bytes") or value.get("path")
    if sample_type == "text":
        return Item(sample_type, _check_text(where, value), truth, where, labels=labels, task=task)
    if isinstance(value, bytes) and value:
        return Item(sample_type, where.removeprefix(f"{path}, "), truth, where, value, labels, task)
    if not _is_text(value):
        raise DataError(f"{where}: the image must be a path, or in Parquet the file's bytes")
    return Item(sample_type, value, truth, where, path.parent / value, labels, task)


def _parse_truth(where: str, label: Any) -> tuple[str, ...]:
    """Return a sample's true labels: one, or those of a list. The list may be empty if several labels may be true."""
    labels = label if isinstance(label, list) else [label]
    if any(name is None or name == "" or (isinstance(name, float) and math.isnan(name)) for name in labels):
        raise DataError(f"{where}: the label is missing")
    if not all(isinstance(name, str | int | float) for name in labels):
        raise DataError(f"{where}: the label must be a text or a list of texts")
    return tuple(dict.fromkeys(map(str, labels)))


def _check_text(where: str, value: Any) -> str:
    if not _is_text(value):
        raise DataError(f"{where}: the text is missing or empty")
    return str(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _read_text(path: Path) -> str:
    try:
        return read_text(path)
    except InputError as error:
        raise DataError(str(error)) from None


READERS: dict[str, Callable[[Path, Columns, Selection], Iterator[Item]]] = {
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".jsonl": _read_jsonl,
}
