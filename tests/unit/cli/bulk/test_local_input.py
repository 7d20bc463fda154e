"""What `pigeonhole bulk local` reads: manifests of each kind, the photos of a folder, and images by their path."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.contract.bulk import ManifestSample
from pigeonhole.errors import ForbiddenUrl, SampleError, TooLarge, UnfetchableUrl
from pigeonhole.inference.images.fetch import ByteBudget
from pigeonhole_cli.bulk.local_input import FileSource, LocalImageFetcher, LocalInput
from pigeonhole_cli.request_input import InputError
from support.fake_web import FakeWeb

LINES = [{"type": "text", "value": "a", "custom_id": "1"}, {"type": "image", "value": "b.png", "custom_id": None}]
JSONL = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (folder := tmp_path / "results").mkdir()
    return folder


def read_manifest(path: Path, results: Path) -> list[dict[str, object]]:
    local_input = LocalInput(path)
    local_input.check()
    return [json.loads(line) for line in b"".join(local_input.open(results).read()).splitlines()]


def write_parquet(path: Path, columns: dict[str, list[object]]) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def photo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"a photo")
    return path


@pytest.mark.parametrize("name", ["in.jsonl", "in.ndjson", "IN.JSONL", "in.jsonl.gz", "in.parquet"])
def test_a_manifest_of_each_kind_has_the_same_lines(tmp_path: Path, results: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith(".parquet"):
        write_parquet(path, {column: [line[column] for line in LINES] for column in ("custom_id", "value", "type")})
    else:
        path.write_bytes(gzip.compress(JSONL) if name.endswith(".gz") else JSONL)

    assert read_manifest(path, results) == LINES


def test_a_jsonl_file_is_read_where_it_is(tmp_path: Path, results: Path) -> None:
    (path := tmp_path / "in.jsonl").write_bytes(JSONL)

    assert LocalInput(path).open(results) == FileSource(path)
    assert not list(results.iterdir())


def test_another_manifest_is_written_once(tmp_path: Path, results: Path) -> None:
    (path := tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(JSONL))
    first = LocalInput(path).open(results)
    path.write_bytes(gzip.compress(b""))

    assert b"".join(LocalInput(path).open(results).read()) == b"".join(first.read()) == JSONL
    assert [file.name for file in results.iterdir()] == ["_input.jsonl"]


def test_a_range_of_a_file_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "in.jsonl").write_bytes(b"0123456789" * 300_000)

    assert b"".join(FileSource(path).read(5, 2_500_007)) == (b"0123456789" * 300_000)[5:2_500_007]
    assert all(len(chunk) <= 1_000_000 for chunk in FileSource(path).read())


def test_a_truncated_archive_is_an_error_and_leaves_no_manifest(tmp_path: Path, results: Path) -> None:
    (path := tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(os.urandom(100_000))[:-20])

    with pytest.raises(InputError, match="can't be read"):
        LocalInput(path).open(results)

    assert not (results / "_input.jsonl").exists()


def test_a_broken_archive_or_table_is_an_error(tmp_path: Path, results: Path) -> None:
    for name in ("in.jsonl.gz", "in.parquet"):
        (path := tmp_path / name).write_bytes(b"nonsense" * 100)
        with pytest.raises(InputError, match=name):
            LocalInput(path).open(results)


def test_a_table_needs_type_and_value(tmp_path: Path, results: Path) -> None:
    path = write_parquet(tmp_path / "in.parquet", {"type": ["text"], "text": ["a"]})

    with pytest.raises(InputError, match="has no column value"):
        LocalInput(path).open(results)


def test_a_cell_that_is_no_text_is_a_line_with_an_error_of_its_own(tmp_path: Path, results: Path) -> None:
    path = write_parquet(tmp_path / "in.parquet", {"type": ["image", "text"], "value": [b"\x89PNG", None]})

    assert [line["type"] for line in read_manifest(path, results)] == ["image", "text"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("in.csv", b"a,b", "is no manifest"),
        ("in.jsonl", "{}".encode("utf-16"), "iconv -f utf-16 -t utf-8"),
        ("in.jsonl", None, "No such file"),
    ],
)
def test_what_is_no_manifest_is_told(tmp_path: Path, name: str, data: bytes | None, message: str) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)

    with pytest.raises(InputError, match=message):
        LocalInput(tmp_path / name).check()


def test_the_photos_of_a_folder_and_its_sub_folders_are_listed_in_order(tmp_path: Path, results: Path) -> None:
    folder = tmp_path / "photos"
    for name in ("b.jpg", "a/2.PNG", "a/1.heic", "a/note.txt", ".hidden.jpg", ".git/x.png", "ä é.webp"):
        photo(folder / name)

    lines = read_manifest(folder, results)

    assert [line["custom_id"] for line in lines] == ["b.jpg", "ä é.webp", "a/1.heic", "a/2.PNG"]
    assert all(line == {"custom_id": line["custom_id"], "type": "image", "value": line["custom_id"]} for line in lines)


def test_results_inside_the_folder_are_no_photos(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg")
    photo(tmp_path / "results" / "old.jpg")

    assert [line["custom_id"] for line in read_manifest(tmp_path, tmp_path / "results")] == ["a.jpg"]


def test_a_folder_without_photos_is_an_error(tmp_path: Path, results: Path) -> None:
    with pytest.raises(InputError, match="has no photos"):
        LocalInput(results).open(results)


def test_a_photo_whose_name_is_no_utf_8_can_be_read(tmp_path: Path, results: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    try:
        (folder / os.fsdecode(b"bad\xff.png")).write_bytes(b"a photo")
    except OSError:
        pytest.skip("this file system has only names in UTF-8")

    (line,) = read_manifest(folder, results)

    assert line["custom_id"] == "bad\\xff.png"
    assert fetch(str(line["value"]), folder) == b"a photo"


@pytest.mark.parametrize("name", [" a.jpg", "\u200ba.jpg", "file:x.jpg", "data:x.jpg", "https:x.jpg", "a\n.jpg", "a%20b.jpg"])
def test_a_photo_is_never_taken_for_another_one(tmp_path: Path, results: Path, name: str) -> None:
    (folder := tmp_path / "photos").mkdir()
    for other in ("a.jpg", "x.jpg", "a b.jpg"):
        photo(folder / other)
    (folder / name).write_bytes(b"the one")

    lines = read_manifest(folder, results)

    (value,) = [ManifestSample.model_validate(line).value for line in lines if line["custom_id"] == name]
    assert fetch(value, folder) == b"the one"


def test_a_folder_that_cant_be_read_is_told(tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "photos" / "a.jpg")
    (tmp_path / "photos" / "closed").mkdir()
    scandir = os.scandir

    def refuse(path: str) -> Any:  # as the system does for a user who isn't root
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    with pytest.raises(InputError, match="closed can't be read"):
        LocalInput(tmp_path / "photos").open(results)


def fetch(value: str, base: Path, *, per_item: int = 100) -> bytes:
    web = FakeWeb({"https://a/b.png": b"from the web"})
    return LocalImageFetcher(web, base).fetch(value, grants=(), budget=ByteBudget(total=1_000, per_item=per_item))  # type: ignore[arg-type]


def test_images_are_read_by_path_by_file_url_and_from_the_web(tmp_path: Path) -> None:
    path = photo(tmp_path / "a" / "b c.png")

    assert fetch("a/b c.png", tmp_path) == b"a photo"
    assert fetch(str(path), Path("/elsewhere")) == b"a photo"
    assert fetch(path.as_uri(), Path("/elsewhere")) == b"a photo"
    assert fetch("https://a/b.png", tmp_path) == b"from the web"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("missing.png", UnfetchableUrl),
        ("a", UnfetchableUrl),
        ("nul\0.png", UnfetchableUrl),
        ("s3://bucket/key", ForbiddenUrl),
        ("https://a/missing.png", UnfetchableUrl),
        ("large.png", TooLarge),
    ],
)
def test_an_image_that_cant_be_read_is_the_error_of_its_sample(tmp_path: Path, value: str, error: type[SampleError]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "large.png").write_bytes(b"x" * 101)

    with pytest.raises(error):
        fetch(value, tmp_path)
