"""Requests for an upload form: how a file of each media type is read, and how large it may be."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind, UploadRequest


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/png", FileKind.IMAGE),
        ("application/octet-stream", FileKind.IMAGE),
        ("text/plain", FileKind.TEXT),
        ("application/jsonl", FileKind.LINES),
    ],
)
def test_a_media_type_says_how_a_file_is_read(content_type: str, kind: FileKind) -> None:
    assert FileKind.from_content_type(content_type) is kind


def test_a_text_has_room_for_its_characters_in_utf_8_and_for_whitespace() -> None:
    assert FileKind.TEXT.max_bytes(RequestLimits(max_text_chars=10)) == 1_040


def test_a_text_file_needs_a_label_set() -> None:
    with pytest.raises(ValidationError, match="label_set"):
        UploadRequest.model_validate({"content_type": "text/plain"})

    assert UploadRequest.model_validate({"content_type": "text/plain", "label_set": "pets"}).label_set == "pets"
