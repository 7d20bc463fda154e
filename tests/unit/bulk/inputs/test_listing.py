"""Each object below a prefix is a sample."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pigeonhole.bulk.inputs.listing import ListingParser, last_key, to_listing
from pigeonhole.bulk.inputs.text_objects import TextObjectReader
from pigeonhole.bulk.manifest import TextObject
from pigeonhole.bulk.ports import ListedObject, ManifestLocation
from pigeonhole.contract.bulk import ManifestSample
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest, Overloaded, TooLarge, UnfetchableUrl
from support.fakes import FakeBlobStore

NASTY = [
    "a/b c.jpg",
    "a/ö🐦.jpg",
    'a/"quoted".jpg',
    "a/line\nbreak.jpg",
    "a/trailing blank .jpg ",
    "a/#?%2F+&.jpg",
    "a//b.jpg",
    "a/../c.jpg",
]


def parsed(key: str, prefix: str = "a/") -> Any:
    (line,) = b"".join(to_listing([[ListedObject(key, 5)]])).splitlines()
    return ListingParser(ManifestLocation("data", prefix))(line, RequestLimits())


@pytest.mark.parametrize("key", NASTY)
def test_an_object_is_an_image_whatever_its_name(key: str) -> None:
    sample = parsed(key)

    assert isinstance(sample, ManifestSample)
    assert (sample.type, sample.value, sample.custom_id) == ("image", f"s3://data/{key}", key[2:])


@pytest.mark.parametrize("key", ["a/b.txt", "a/B.TXT"])
def test_an_object_that_is_named_as_a_text_is_one(key: str) -> None:
    text = parsed(key)

    assert isinstance(text, TextObject)
    assert (text.location, text.size, text.custom_id, text.type) == (ManifestLocation("data", key), 5, key[2:], "text")


def test_the_id_of_a_sample_is_its_name_below_the_folder() -> None:
    assert parsed("a/2024-05.jpg", prefix="a/2024-").custom_id == "2024-05.jpg"
    assert parsed("2024-05.jpg", prefix="2024-").custom_id == "2024-05.jpg"


def test_the_folders_of_the_console_are_no_samples() -> None:
    pages = [[ListedObject("a/", 0), ListedObject("a/b/", 0)], [ListedObject("a/empty.jpg", 0), ListedObject("a/odd/", 3)]]

    keys = [json.loads(line)["key"] for line in b"".join(to_listing(pages)).splitlines()]

    assert keys == ["a/empty.jpg", "a/odd/"]


@pytest.mark.parametrize("key", NASTY)
def test_the_last_key_is_where_a_listing_goes_on(key: str) -> None:
    assert last_key(b"".join(to_listing([[ListedObject("a/0", 1), ListedObject(key, 1)]]))) == key
    assert last_key(b"".join(to_listing([[ListedObject(key, 1)]]))) == key


def read(content: bytes | None, *, will_be_retried: bool = False, blobs: Any = None) -> Any:
    blobs = blobs or FakeBlobStore({("data", "a/b.txt"): content} if content is not None else {})
    reader = TextObjectReader(blobs=blobs, limits=RequestLimits(max_text_chars=10))
    (result,) = reader.read([TextObject(ManifestLocation("data", "a/b.txt"), 5, "b.txt")], will_be_retried=will_be_retried)
    return result


def test_a_blank_text_object_is_left_to_the_pipeline_which_names_the_fault() -> None:
    assert read(b" \n").value == ""


@pytest.mark.parametrize("content", [b"schoen", b"\xef\xbb\xbfschoen", b" \r\nschoen\n"])
def test_a_text_object_is_read(content: bytes) -> None:
    assert read(content) == ManifestSample(type="text", value="schoen", custom_id="b.txt")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"\xff\xfea\x00", InvalidRequest, "UTF-8"),
        (b"x" * 11, InvalidRequest, "10"),
        (b"x" * 2_000, TooLarge, "large"),
        (None, UnfetchableUrl, ""),
    ],
)
def test_a_text_object_that_is_no_sample_says_why(content: bytes | None, error: type[Exception], message: str) -> None:
    result = read(content)

    assert isinstance(result, error)
    assert message in str(result)


def test_a_busy_s3_fails_a_text_object_only_at_the_last_attempt() -> None:
    class Busy(FakeBlobStore):
        def read(self, *arguments: Any, **options: Any) -> bytes:
            raise Overloaded("busy")

    with pytest.raises(Overloaded):
        read(None, will_be_retried=True, blobs=Busy())
    assert isinstance(read(None, blobs=Busy()), UnfetchableUrl)
