"""benchmarks/quality/fetch_texts.py: no text is in both halves, and a set that can't be built doesn't stop the others."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from quality import fetch_texts
from quality.fetch_texts import HALVES, Package, TextSet, main, read_package, split, write

WHEEL = Package("wheel", "texts", "1.0", r"\.txt$")
ROWS = [(f"text {number}", "odd" if number % 2 else "even") for number in range(40)]


def put_into_cache(cache: Path, package: Package, files: dict[str, bytes]) -> None:
    """Put a package into the cache, as if it had been downloaded."""
    folder = cache / f"{package.name}-{package.version}"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "texts-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)


def test_no_text_is_in_both_halves_and_each_class_is_halved() -> None:
    rows = split([*ROWS, *((text.upper(), label) for text, label in ROWS)], HALVES)

    calibrate, report = (dict(rows[half]) for half in HALVES)
    assert not {text.casefold() for text in calibrate} & {text.casefold() for text in report}
    assert {**calibrate, **report} == dict(ROWS), "copies that differ in case count once"
    assert [list(part.values()).count("odd") for part in (calibrate, report)] == [10, 10]


def test_halves_do_not_depend_on_the_order_of_texts() -> None:
    assert {half: sorted(rows) for half, rows in split(ROWS, HALVES).items()} == {
        half: sorted(rows) for half, rows in split(ROWS[::-1], HALVES).items()
    }


def test_a_text_with_two_labels_is_dropped() -> None:
    rows = split([*ROWS, ("Text 1", "even"), ("  ", "odd")], ("report",))

    assert sorted(rows["report"]) == sorted(row for row in ROWS if row[0] != "text 1")


def test_small_classes_keep_all_texts_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_texts, "MAX_TEXTS", 10)

    labels = [label for _, label in split([*ROWS, ("rare", "other")], ("report",))["report"]]

    assert len(labels) == 10
    assert "other" in labels


def test_only_matching_files_are_read_also_from_an_inner_archive(tmp_path: Path) -> None:
    package = Package("sdist", "nested", "1.0", r"wanted\.txt$")
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for name in ("wanted.txt", "other.txt"):
            add(archive, name, "café".encode("latin-1"))
    folder = tmp_path / "nested-1.0"
    folder.mkdir()
    with tarfile.open(folder / "nested-1.0.tar.gz", "w:gz") as archive:
        add(archive, "nested/texts.tar.gz", inner.getvalue())

    assert read_package(package, tmp_path) == {"wanted.txt": "café"}


def test_a_set_that_cannot_be_built_is_reported_and_does_not_stop_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_into_cache(tmp_path / "cache", WHEEL, {"texts.txt": b"one two"})

    def words(files: fetch_texts.Files) -> fetch_texts.Samples:
        yield from ((f"{word} {number}", word) for word in files["texts.txt"].split() for number in range(4))

    sets = (TextSet("wrong", (WHEEL,), 3, words), TextSet("right", (WHEEL,), 2, words))
    monkeypatch.setattr(fetch_texts, "SETS", sets)
    monkeypatch.setattr(sys, "argv", ["fetch_texts.py", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])

    assert main() == 1

    error = capsys.readouterr().err
    assert "wrong (texts 1.0)" in error
    assert "3 classes, not 2: one, two" in error
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.csv")) == ["right.csv", "right.csv"]


def test_a_set_that_is_only_for_reports_has_no_calibration_half(tmp_path: Path) -> None:
    put_into_cache(tmp_path / "cache", WHEEL, {"texts.txt": b""})
    text_set = TextSet("all", (WHEEL,), 2, lambda _: iter(ROWS), calibrates=False)

    write(text_set, tmp_path / "cache", tmp_path / "out")

    (path,) = (tmp_path / "out").rglob("*.csv")
    assert path.parent.name == "report"
    assert len(path.read_text().splitlines()) == 1 + len(ROWS)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
