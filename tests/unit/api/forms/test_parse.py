"""A file to store comes as it is, or in a form with its options."""

from __future__ import annotations

import json

import pytest

from pigeonhole.api.forms.parse import parse_file
from pigeonhole.contract.uploads import StoredFileOptions
from pigeonhole.errors import InvalidRequest

TYPE = "multipart/form-data; boundary=x"
QUERY = StoredFileOptions(key="query.jpg", overwrite=False)


def form(options: object = None, *, media_type: str = "application/octet-stream", file: str = "file") -> bytes:
    body = options if isinstance(options, bytes) else json.dumps(options).encode()
    head = f'--x\r\nContent-Disposition: form-data; name="{file}"; filename="blob"\r\nContent-Type: {media_type}\r\n\r\n'
    second = b'\r\n--x\r\nContent-Disposition: form-data; name="body"\r\n\r\n' + body
    return head.encode() + b"\xff\xd8\r\n" + second + b"\r\n--x--\r\n"


def test_a_body_that_is_no_form_is_the_file() -> None:
    sent = parse_file(b"\xff\xd8", "image/jpeg", QUERY)

    assert (sent.content.data, sent.content.media_type, sent.options) == (b"\xff\xd8", "image/jpeg", QUERY)
    assert parse_file(b"a", "", QUERY).content.media_type == "application/octet-stream"


def test_a_form_has_the_file_and_its_options() -> None:
    sent = parse_file(form({"key": "cat.jpg", "content_type": "image/jpeg", "temp_public_url": False}), TYPE, QUERY)

    assert (sent.content.data, sent.content.media_type) == (b"\xff\xd8\r\n", "image/jpeg")
    assert (sent.options.key, sent.options.overwrite, sent.options.temp_public_url) == ("cat.jpg", False, False)


@pytest.mark.parametrize("options", [b"undefined", b"", b"null", b"{}"])
def test_a_form_without_options_has_those_of_the_query(options: bytes) -> None:
    assert parse_file(form(options), TYPE, QUERY).options == QUERY


def test_the_file_has_the_media_type_of_its_part() -> None:
    assert parse_file(form(b"{}", media_type="image/png"), TYPE, QUERY).content.media_type == "image/png"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (form({}, file="photo"), "part `file`"),
        (form({"overwrite": "no"}), "overwrite: must be true or false"),
        (form({"key": 7}), "key: must be a string"),
        (form([]), "part `body` must be a JSON object"),
        (form(b"{"), "must be JSON"),
        (b"\xff\xd8", "must end in its boundary"),
    ],
)
def test_a_form_that_holds_no_file_or_wrong_options_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_file(data, TYPE, QUERY)
