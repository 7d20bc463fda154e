"""The body of a job request: what images, texts, a file and options become."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from support.cli.job_api import JobApi, job_answer

LABELS = ("--label", "cat", "--label", "dog")


def data_url(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def sample_values(api: JobApi) -> list[str]:
    (request,) = api.requests
    return [sample["value"] for sample in request.json()["dataset"]]


def test_an_image_file_is_sent_inline_with_the_labels(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))

    api.run("submit", "photos/a.jpg", *LABELS)

    assert api.requests[0].json() == {
        "dataset": [{"type": "image", "value": data_url("image/jpeg", b"a.jpg")}],
        "labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}],
    }


def test_a_folder_stands_for_its_images_by_name_and_the_order_is_printed(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))

    result = api.run("submit", "s3://bucket/key.jpg", "photos", "https://example.com/c", *LABELS)

    inline = [data_url("image/jpeg", b"a.jpg"), data_url("image/png", b"b.PNG")]
    assert sample_values(api) == ["s3://bucket/key.jpg", *inline, "https://example.com/c"]
    order = "0\ts3://bucket/key.jpg\n1\tphotos/a.jpg\n2\tphotos/b.PNG\n3\thttps://example.com/c\n"
    skipped, _, rest = result.stderr.partition("\n")
    assert skipped.startswith("Skipped ")
    assert "notes.txt" in skipped
    assert rest.startswith(order)


def test_a_folder_is_sent_without_links_to_nothing_and_folders(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))
    photos = folder / "more"
    (photos / "sub.png").mkdir(parents=True)
    (photos / "a.png").write_bytes(b"a")
    (photos / "dangling.jpg").symlink_to("gone.jpg")
    (photos / "live.jpg").symlink_to("a.png")

    result = api.run("submit", "more", *LABELS)

    assert sample_values(api) == [data_url("image/png", b"a"), data_url("image/jpeg", b"a")]
    assert result.stderr.startswith("Skipped 2 of 4 in more: dangling.jpg (a link to nothing), sub.png (a folder).\n")


def test_many_skipped_files_are_counted_and_the_first_are_named(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))
    for number in range(15):
        (folder / "photos" / f"x{number:02d}.raw").touch()

    stderr = api.run("submit", "photos", *LABELS).stderr

    skipped, _, _ = stderr.partition("\n")
    assert "x00.raw" in skipped
    assert "x14.raw" not in skipped
    assert skipped.endswith(" more.")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_file_with_a_byte_order_mark_is_read_in_its_encoding(api: JobApi, folder: Path, encoding: str) -> None:
    api.prepare(job_answer("queued"))
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"
    (folder / "u.txt").write_bytes((mark + "I love it\nhäte it\n").encode(encoding))

    api.run("submit", "--texts", "u.txt", *LABELS)

    assert sample_values(api) == ["I love it", "häte it"]


def test_a_body_in_utf_16_is_sent_in_utf_8(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))
    body = {"dataset": [{"type": "text", "value": "ä"}], "labels": []}
    (folder / "b.json").write_bytes(json.dumps(body, ensure_ascii=False).encode("utf-16"))

    api.run("submit", "--body", "b.json")

    assert json.loads(api.requests[0].body.decode("utf-8")) == body


def test_blank_lines_are_counted(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))

    stderr = api.run("submit", "--texts", "-", *LABELS, input="one\n\n\u200b\ntwo\n").stderr

    assert sample_values(api) == ["one", "two"]
    assert "Skipped 2 blank lines of standard input." in stderr


def test_a_named_file_is_sent_whatever_its_suffix(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))

    api.run("submit", "photos/notes.txt", *LABELS)

    assert sample_values(api) == [data_url("application/octet-stream", b"notes.txt")]


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_texts_are_lines_and_blank_lines_are_skipped(api: JobApi, folder: Path, source: str) -> None:
    api.prepare(job_answer("queued"))
    content = "\ufeffI love it\r\n\n  \n größer \u2028 als\nlast".encode()
    (folder / "t.txt").write_bytes(content)

    if source == "file":
        api.run("submit", "--texts", "t.txt", *LABELS)
    else:
        api.run("submit", "--texts", "-", *LABELS, input=content)

    assert sample_values(api) == ["I love it", " größer \u2028 als", "last"]
    assert {sample["type"] for sample in api.requests[0].json()["dataset"]} == {"text"}


@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_complete_body_is_sent_byte_for_byte(api: JobApi, folder: Path, source: str) -> None:
    api.prepare(job_answer("queued"))
    body = b'{"dataset": [],\n "labels": [], "anything": 1.50}'
    (folder / "b.json").write_bytes(body)

    if source == "file":
        api.run("submit", "--body", "b.json")
    else:
        api.run("submit", "--body", "-", input=body)

    assert api.requests[0].body == body


def test_a_label_set_is_sent_in_place_of_labels(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))

    api.run("submit", "--texts", "-", "--label-set", "pets", input="one\n")

    assert api.requests[0].json() == {"dataset": [{"type": "text", "value": "one"}], "label_set": "pets"}


def test_options_are_sent(api: JobApi, folder: Path) -> None:
    api.prepare(job_answer("queued"))
    options = ("--multiple", "--scores", "--webhook-url", "https://example.com/hook")

    api.run("submit", "--texts", "-", *LABELS, *options, input="one\n")

    body = api.requests[0].json()
    assert (body["multiple_labels"], body["scores"], body["webhook_url"]) == (True, True, "https://example.com/hook")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gone.jpg",), "gone.jpg can't be read: No such file or directory. Samples are image files"),
        (("--texts", "gone.txt"), "gone.txt can't be read: No such file or directory."),
        (("--texts", "photos"), "photos can't be read: Is a directory."),
        (("--texts", "latin.txt"), "latin.txt is not UTF-8 text."),
        (("--texts", "zeros.txt"), "zeros.txt is no text, because it has NUL characters. If it is UTF-16"),
        (("--texts", "blank.txt"), "blank.txt has no text."),
        (("empty",), "empty has no image files (.avif, .bmp, .gif, .heic, .heif, .jpeg, .jpg, .png, .tif, .tiff, .webp)."),
    ],
)
def test_input_that_cannot_be_sent_is_reported_in_one_line(
    api: JobApi, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "latin.txt").write_bytes("größer".encode("latin1"))
    (folder / "zeros.txt").write_bytes("ÿþI\0 \0l\0".encode())  # UTF-16 that was converted as if it were Latin-1
    (folder / "blank.txt").write_text("\n \n")
    (folder / "empty").mkdir()

    stderr = api.run("submit", *arguments, *LABELS, exit_code=1).stderr

    assert stderr.startswith(f"error: {message}")
    assert stderr.count("\n") == 1
    assert api.requests == []


@pytest.mark.parametrize(("body", "message"), [("{", "is not JSON"), ("[]", "must be a request"), ("\udcff", "is not JSON")])
def test_a_body_that_is_no_json_object_is_reported(api: JobApi, body: str, message: str) -> None:
    stderr = api.run("submit", "--body", "-", input=body.encode("utf-8", "surrogateescape"), exit_code=1).stderr

    assert stderr.startswith(f"error: standard input {message}")
    assert api.requests == []
