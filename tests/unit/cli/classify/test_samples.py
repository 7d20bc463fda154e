"""Each argument of `pigeonhole classify` is a text, a file, a folder, an address or standard input."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole_cli.classify.samples import CommandSample, read_samples
from pigeonhole_cli.request_input import InputError


def test_what_is_neither_a_file_nor_an_address_is_a_text(folder: Path) -> None:
    texts = ["I was charged twice", "mail", "either/or", "", "/me waves", "what about .png?", "data: the new gold", "data:;"]

    assert read_samples(texts, None) == [CommandSample(text, "text", text) for text in texts]


@pytest.mark.parametrize(
    "address", ["https://a.example/cat", "S3://bucket/key", "DATA:image/png;base64,AA==", "data:;base64,AA=="]
)
def test_an_address_is_an_image(folder: Path, address: str) -> None:
    assert read_samples([address], None) == [CommandSample(address, "image", address)]


def test_an_image_file_is_an_image(folder: Path) -> None:
    assert read_samples(["one.png"], None) == [CommandSample("one.png", "image", Path("one.png"))]


def test_another_file_is_one_text(folder: Path) -> None:
    assert read_samples(["mail.txt"], None) == [CommandSample("mail.txt", "text", "red\nwine")]


def test_a_folder_is_its_image_files_by_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [sample.name for sample in read_samples(["photos"], None)] == ["photos/a.jpg", "photos/b.PNG"]
    assert "Skipped 2 of 4 in photos: .hidden.jpg, notes.txt." in capsys.readouterr().err


def test_a_missing_image_is_no_text(folder: Path) -> None:
    assert read_samples(["gone.jpg"], None) == [CommandSample("gone.jpg", "image", Path("gone.jpg"))]


@pytest.mark.parametrize("path", ["./gone", "../gone", "/gone/folder", "~/gone", "gone/"])
def test_a_wrong_path_is_no_text(folder: Path, path: str) -> None:
    (sample,) = read_samples([path], None)

    assert sample.problem is not None
    assert "No such file or directory" in sample.problem


def test_a_file_that_is_no_text_has_a_problem_of_its_own(folder: Path) -> None:
    (folder / "program").write_bytes(b"\x7fELF\xff")

    bad, good = read_samples(["program", "hello"], None)

    assert bad.problem is not None
    assert "is not UTF-8 text" in bad.problem
    assert good.problem is None


def test_a_file_of_texts_has_one_in_each_line(folder: Path) -> None:
    (folder / "texts.txt").write_bytes(b"one\r\n\n \ntwo")

    assert [sample.value for sample in read_samples(["zero"], "texts.txt")] == ["zero", "one", "two"]


def test_a_file_of_texts_that_is_missing_ends_the_command(folder: Path) -> None:
    with pytest.raises(InputError, match=r"gone.txt can't be read: No such file or directory\."):
        read_samples([], "gone.txt")


def test_a_folder_without_images_ends_the_command(folder: Path) -> None:
    (folder / "empty").mkdir()

    with pytest.raises(InputError, match="empty has no image files"):
        read_samples(["empty"], None)
