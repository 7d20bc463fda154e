"""The body of a job request: what images, texts, a file and options become."""

from __future__ import annotations

import base64
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
    assert result.stderr.startswith(order)


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
        (("--texts", "blank.txt"), "blank.txt has no text."),
        (("empty",), "empty has no image files (.avif, .bmp, .gif, .heic, .heif, .jpeg, .jpg, .png, .tif, .tiff, .webp)."),
    ],
)
def test_input_that_cannot_be_sent_is_reported_in_one_line(
    api: JobApi, folder: Path, arguments: tuple[str, ...], message: str
) -> None:
    (folder / "latin.txt").write_bytes("größer".encode("latin1"))
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
