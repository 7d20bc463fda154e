"""A form is cut into its parts by bytes."""

from __future__ import annotations

import json

import pytest

from pigeonhole.api.forms.form import Form, to_data_url
from pigeonhole.api.forms.parse import parse_form
from pigeonhole.errors import InvalidRequest, PigeonholeError

BODY = {"state": "<image>"}
TYPE = "multipart/form-data; boundary=x-y"


def part(name: str, content: bytes, more: str = "") -> bytes:
    head = f'--x-y\r\nContent-Disposition: form-data; name="{name}"{more}\r\nContent-Type: image/png\r\n\r\n'
    return head.encode() + content + b"\r\n"


REQUEST = part("request", json.dumps(BODY).encode())


def test_the_parts_of_a_form_are_bytes() -> None:
    image = bytes(range(256)) + b"\r\n\r\n--x\r\n"

    form = parse_form(REQUEST + part("asset-0", image, '; filename="asset-0"') + b"--x-y--\r\n", TYPE)

    assert form == Form(BODY, {"asset-0": image})


def test_a_boundary_may_be_quoted_and_a_preamble_is_ignored() -> None:
    assert parse_form(b"preamble\r\n" + REQUEST + b"--x-y--", 'Multipart/Form-Data; boundary="x-y"').body == BODY


def test_another_body_is_json() -> None:
    assert parse_form(b'{"state": "a"}', "application/json") == Form({"state": "a"})


@pytest.mark.parametrize(
    ("data", "content_type", "message"),
    [
        (REQUEST + b"--x-y--", "multipart/form-data", "boundary"),
        (REQUEST, TYPE, "must end in its boundary"),
        (part("asset-0", b"") + b"--x-y--", TYPE, "part `request`"),
        (b"--x-y\r\n\r\n{}\r\n--x-y--", TYPE, "a name in each part"),
        (part("request", b"{") + b"--x-y--", TYPE, "must be JSON"),
        (b"", TYPE, "must end in its boundary"),
        (part("request", b"{}") + part("a", b"") * 1_001 + b"--x-y--", TYPE, "at most 1000 parts"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(data: bytes, content_type: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_form(data, content_type)


@pytest.mark.parametrize("cut", range(0, 120, 7))
def test_a_form_that_is_cut_off_is_refused_whatever_is_missing(cut: int) -> None:
    whole = REQUEST + b"--x-y--"

    with pytest.raises(PigeonholeError):
        parse_form(whole[: len(whole) - 1 - cut], TYPE)


def test_the_address_of_a_file_holds_its_bytes() -> None:
    assert to_data_url(b"\xff\xd8") == "data:image/any;base64,/9g="
