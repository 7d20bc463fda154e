"""FileObjects: the fake and S3's adapter behave alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.stub import Stubber

from pigeonhole.aws.s3 import S3FileObjects
from pigeonhole.errors import Overloaded
from pigeonhole.uploads.ports import FileObjects
from support.fakes import FakeFileObjects
from support.moto_aws import create_bucket, unconnected_client

KEY = "uploads/acme/files/cat.jpg"


@pytest.fixture
def files(is_real: bool) -> FileObjects:
    return S3FileObjects(create_bucket("uploads"), "uploads") if is_real else FakeFileObjects()


def test_a_file_is_read_as_it_was_last_stored_with_its_media_type(files: FileObjects) -> None:
    files.put(KEY, b"first", "text/plain")
    files.put(KEY, bytes(range(256)), "image/jpeg")

    assert files.read(KEY) == (bytes(range(256)), "image/jpeg")


def test_a_file_is_created_only_if_there_is_none(files: FileObjects) -> None:
    assert files.create(KEY, b"first", "text/plain")
    assert not files.create(KEY, b"second", "text/plain")
    assert files.read(KEY) == (b"first", "text/plain")


def test_a_deleted_file_is_absent(files: FileObjects) -> None:
    files.put(KEY, b"data", "text/plain")
    files.delete(KEY)
    files.delete(KEY)

    assert files.read(KEY) is None


def test_a_link_names_the_file_and_how_long_it_may_be_read(files: FileObjects) -> None:
    link = files.link(KEY, 3_600)

    assert KEY in link
    assert "X-Amz-Expires=3600" in link


@pytest.mark.parametrize(
    ("call", "use"),
    [("get_object", lambda files: files.read(KEY)), ("delete_object", lambda files: files.delete(KEY))],
)
@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("AccessDenied", 403)])
def test_a_busy_or_denied_bucket_is_an_overload(
    call: str, use: Callable[[FileObjects], object], code: str, status: int
) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error(call, code, http_status_code=status)
        with pytest.raises(Overloaded):
            use(S3FileObjects(client, "uploads"))
