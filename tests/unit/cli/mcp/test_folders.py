"""Which files the tools read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NoReturn

import pytest

from pigeonhole_cli.mcp import folders as module
from pigeonhole_cli.mcp.folders import FileRefused, Folders, Image


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two images and a text, beside a secret."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "notes.txt", ".hidden.png", "more/deep.png"):
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret.png").write_bytes(b"secret")
    return folder


def refusal(folders: Folders, value: str) -> str:
    with pytest.raises(FileRefused) as error:
        folders.read_images([value])
    return str(error.value)


def test_a_file_is_read_by_its_absolute_and_its_relative_path(photos: Path) -> None:
    folders = Folders([photos])

    assert folders.read_images([str(photos / "a.jpg"), "more/deep.png"]) == [
        Image(str(photos / "a.jpg"), b"a.jpg"),
        Image("more/deep.png", b"more/deep.png"),
    ]


def test_a_folder_stands_for_its_image_files(photos: Path) -> None:
    assert Folders([photos]).read_images([str(photos)]) == [
        Image(str(photos / "a.jpg"), b"a.jpg"),
        Image(str(photos / "b.png"), b"b.png"),
    ]


def test_a_folder_without_images_is_an_error(photos: Path) -> None:
    (photos / "empty").mkdir()

    assert "has no image files" in refusal(Folders([photos]), "empty")


@pytest.mark.parametrize(
    "value", ["https://example.com/a.jpg", "s3://bucket/a.jpg", "data:image/png;base64,AAAA", " HTTPS://a/b "]
)
def test_addresses_need_no_folder(value: str) -> None:
    (image,) = Folders([]).read_images([value])

    assert image.source == value.strip()


def test_a_long_address_has_a_short_name() -> None:
    (image,) = Folders([]).read_images(["data:image/png;base64," + "A" * 1000])

    assert len(image.name) < 70


def test_without_folders_no_file_is_read(photos: Path) -> None:
    message = refusal(Folders([]), str(photos / "a.jpg"))

    assert "started without --folder" in message
    assert "https://" in message


@pytest.mark.parametrize(
    "value",
    ["../secret.png", "{outside}/secret.png", "{outside}/none.png", "more/../../secret.png", "/etc/passwd", "~/a.png", ".."],
)
def test_nothing_outside_of_the_folders_is_read_or_told(photos: Path, value: str) -> None:
    message = refusal(Folders([photos]), value.format(outside=photos.parent))

    assert "is outside of the folders" in message
    assert str(photos) in message


def test_a_link_out_of_the_folders_is_not_followed(photos: Path) -> None:
    (photos / "link.png").symlink_to(photos.parent / "secret.png")
    (photos / "elsewhere").symlink_to(photos.parent)

    assert "is outside of the folders" in refusal(Folders([photos]), "link.png")
    assert "is outside of the folders" in refusal(Folders([photos]), "elsewhere/secret.png")
    assert "is outside of the folders" in refusal(Folders([photos]), str(photos))


@pytest.mark.parametrize("replaced", ["more", "more/deep.png"], ids=["a folder", "the file"])
def test_a_link_that_appears_after_the_check_is_not_followed(
    photos: Path, monkeypatch: pytest.MonkeyPatch, replaced: str
) -> None:
    folders, find = Folders([photos]), Folders._find

    def find_and_replace(self: Folders, value: str) -> Path:
        found = find(self, value)
        (photos / replaced).rename(photos.parent / "moved")
        (photos / replaced).symlink_to(photos.parent / "moved")
        return found

    monkeypatch.setattr(Folders, "_find", find_and_replace)

    assert "can't be read" in refusal(folders, "more/deep.png")


def test_a_link_within_the_folders_is_followed(photos: Path) -> None:
    (photos / "link.png").symlink_to("more/deep.png")

    assert Folders([photos]).read_images(["link.png"]) == [Image("link.png", b"more/deep.png")]


def test_a_folder_that_is_a_link_is_allowed_as_what_it_leads_to(photos: Path) -> None:
    (photos.parent / "link").symlink_to(photos)

    assert Folders([photos.parent / "link"]).read_images([str(photos / "a.jpg")])


def test_one_of_several_folders_is_enough(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    assert Folders([tmp_path / "other", photos]).read_images(["a.jpg"]) == [Image("a.jpg", b"a.jpg")]


def test_a_missing_file_is_named(photos: Path) -> None:
    assert refusal(Folders([photos]), "none.png") == f"none.png: doesn't exist in {photos}"


def test_a_pipe_does_not_block(photos: Path) -> None:
    os.mkfifo(photos / "pipe.png")

    assert refusal(Folders([photos]), "pipe.png") == "pipe.png: is no file"


def test_a_file_that_is_too_large_is_not_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 4)

    assert "must not be larger" in refusal(Folders([photos]), "a.jpg")


def test_the_files_of_a_call_have_a_limit(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CALL_BYTES", 7)

    assert Folders([photos]).read_images(["a.jpg"])
    assert refusal(Folders([photos]), ".").startswith("b.png: the files of a call must not have more than")


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Folders([tmp_path / "none"])
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Folders([tmp_path / "file"])


@pytest.mark.parametrize(
    "value",
    ["/9j/" + "A" * 5_000, "A" * 300 + ".png", "a\0b.png", "~nobody-of-this-name/a.png", "a/" * 3_000],
    ids=["base64", "long name", "NUL", "unknown user", "long path"],
)
def test_a_value_that_is_no_path_is_refused_with_a_hint(photos: Path, value: str) -> None:
    message = refusal(Folders([photos]), value)

    assert "Put data:image/jpeg;base64, before base64" in message
    assert len(message) < 300


@pytest.mark.parametrize("value", ["more", "more/deep.png"])
def test_a_folder_that_cannot_be_searched_is_refused(photos: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object) -> NoReturn:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "exists" if value.endswith(".png") else "iterdir", deny)

    assert "can't be read: Permission denied" in refusal(Folders([photos]), value)


def test_images_are_counted_before_they_are_read(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fdopen", lambda *_: pytest.fail("a file was opened"))

    with pytest.raises(FileRefused, match=r"images: must be at most 2, got 3\. Use submit_job"):
        Folders([photos]).read_images(["https://a.b/c.jpg", "."], max_count=2)
