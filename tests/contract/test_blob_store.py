"""BlobStore: the fake and S3's adapter behave alike."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from botocore.stub import Stubber

from pigeonhole.aws.s3 import READ_BYTES, S3BlobStore
from pigeonhole.errors import Overloaded, TooLarge, UnfetchableUrl
from pigeonhole.ports import BlobStore
from support.fakes import FakeBlobStore
from support.moto_aws import REGION, create_bucket, unconnected_client

PHOTO = bytes(range(256)) * 4_000  # several chunks of the adapter
ODD_KEYS = ["acme/a b?c#d%2Fe.jpg", "acme/../up.jpg", "acme//double.jpg", "acme/ünïcode/猫.jpg"]


@pytest.fixture
def store(is_real: bool) -> BlobStore:
    objects = {"acme/cat.jpg": PHOTO, "acme/empty": b""} | {object_key: object_key.encode() for object_key in ODD_KEYS}
    if not is_real:
        return FakeBlobStore({("photos", object_key): data for object_key, data in objects.items()})
    client = create_bucket("photos")
    for object_key, data in objects.items():
        client.put_object(Bucket="photos", Key=object_key, Body=data)
    return S3BlobStore(client)


def test_an_object_is_read_whole(store: BlobStore) -> None:
    assert store.read("photos", "acme/cat.jpg", len(PHOTO)) == PHOTO


def test_an_empty_object_is_empty(store: BlobStore) -> None:
    assert store.read("photos", "acme/empty", 0) == b""


@pytest.mark.parametrize("object_key", ODD_KEYS)
def test_an_object_key_is_used_byte_for_byte(store: BlobStore, object_key: str) -> None:
    assert store.read("photos", object_key, 1_000) == object_key.encode()


@pytest.fixture
def versions(is_real: bool) -> tuple[BlobStore, list[str]]:
    """A store, and the ids of the versions of a deleted object: `first` and `second`."""
    if not is_real:
        objects = {("photos", "acme/cat.jpg", "1"): b"first", ("photos", "acme/cat.jpg", "2"): b"second"}
        return FakeBlobStore(versions=objects), ["1", "2"]
    client = create_bucket("photos", is_versioned=True)
    answers = [client.put_object(Bucket="photos", Key="acme/cat.jpg", Body=data) for data in (b"first", b"second")]
    client.delete_object(Bucket="photos", Key="acme/cat.jpg")
    return S3BlobStore(client), [answer["VersionId"] for answer in answers]


def test_a_version_of_a_deleted_object_is_read(versions: tuple[BlobStore, list[str]]) -> None:
    store, ids = versions

    read = [store.read("photos", "acme/cat.jpg", 1_000, version_id=version_id) for version_id in ids]

    assert read == [b"first", b"second"]
    with pytest.raises(UnfetchableUrl):
        store.read("photos", "acme/cat.jpg", 1_000)
    with pytest.raises(UnfetchableUrl):
        store.read("photos", "acme/dog.jpg", 1_000, version_id=ids[0])
    with pytest.raises(TooLarge):
        store.read("photos", "acme/cat.jpg", 5, version_id=ids[1])


def test_an_object_above_the_limit_is_too_large(store: BlobStore) -> None:
    with pytest.raises(TooLarge):
        store.read("photos", "acme/cat.jpg", len(PHOTO) - 1)


@pytest.mark.parametrize(("bucket", "object_key"), [("photos", "acme/dog.jpg"), ("other", "acme/cat.jpg"), ("photos", "acme")])
def test_an_absent_object_is_unfetchable(store: BlobStore, bucket: str, object_key: str) -> None:
    with pytest.raises(UnfetchableUrl):
        store.read(bucket, object_key, 1_000)


def test_bytes_are_reported_as_they_come_and_the_listener_may_end_the_read(store: BlobStore) -> None:
    counts: list[int] = []
    store.read("photos", "acme/cat.jpg", len(PHOTO), on_bytes=counts.append)
    assert sum(counts) == len(PHOTO)

    def refuse(count: int) -> None:
        raise TooLarge("enough")

    with pytest.raises(TooLarge, match="enough"):
        store.read("photos", "acme/cat.jpg", len(PHOTO), on_bytes=refuse)


# --- only the adapter --------------------------------------------------------------------------------------------------------


class Body:
    """A StreamingBody that counts the bytes that are read, and may break off."""

    def __init__(self, chunks: list[bytes], then: Exception | None = None) -> None:
        self.chunks, self.then = chunks, then
        self.read = 0
        self.closed = False

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.read += len(chunk)
            yield chunk
        if self.then:
            raise self.then

    def close(self) -> None:
        self.closed = True


class Client:
    """An S3 client with one object, whose announced length may be wrong."""

    def __init__(self, body: Body, length: int) -> None:
        self.body, self.length = body, length

    def get_object(self, **_: str) -> dict[str, object]:
        return {"Body": self.body, "ContentLength": self.length}


def test_an_announced_size_above_the_limit_is_refused_without_reading() -> None:
    body = Body([b"x" * 100])

    with pytest.raises(TooLarge):
        S3BlobStore(Client(body, 1_000_000)).read("photos", "k", 1_000)

    assert (body.read, body.closed) == (0, True)


def test_the_limit_holds_while_streaming_whatever_length_is_announced() -> None:
    body = Body([b"x" * READ_BYTES] * 100)

    with pytest.raises(TooLarge):
        S3BlobStore(Client(body, 10)).read("photos", "k", 3 * READ_BYTES)

    assert (body.read, body.closed) == (4 * READ_BYTES, True)


def test_a_body_that_breaks_off_is_an_overload() -> None:
    body = Body([b"x"], then=IncompleteReadError(actual_bytes=1, expected_bytes=9))

    with pytest.raises(Overloaded):
        S3BlobStore(Client(body, 9)).read("photos", "k", 1_000)

    assert body.closed


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("SlowDown", 503),
        ("InternalError", 500),
        ("RequestTimeout", 400),
        ("ThrottlingException", 400),
        ("ExpiredToken", 400),
        ("InvalidAccessKeyId", 403),
    ],
)
def test_a_busy_bucket_is_an_overload_and_no_fault_of_its_object(code: str, status: int) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("get_object", code, http_status_code=status)
        with pytest.raises(Overloaded):
            S3BlobStore(client).read("photos", "k", 1_000)


@pytest.mark.parametrize(
    "code",
    [
        "AccessDenied",
        "NoSuchKey",
        "NoSuchBucket",
        "InvalidObjectState",  # archived
        "InvalidRequest",  # encrypted with the caller's own key (SSE-C)
        "KMS.DisabledException",
        "KMS.NotFoundException",
        "MethodNotAllowed",  # a delete marker
    ],
)
def test_denied_and_absent_read_the_same(code: str) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("get_object", code, "Access to arn:aws:s3:::secret is denied for arn:aws:iam::1:role/classify")
        with pytest.raises(UnfetchableUrl) as failed:
            S3BlobStore(client).read("photos", "k", 1_000)

    assert failed.value.message == "the s3:// object can't be read; check its bucket and key, and that this service may read it"


@pytest.mark.parametrize(("bucket", "object_key"), [("no good!", "k"), ("photos", "\ud800")])
def test_a_name_that_s3_refuses_is_unfetchable(bucket: str, object_key: str) -> None:
    client = unconnected_client("s3")

    with pytest.raises(UnfetchableUrl):
        S3BlobStore(client).read(bucket, object_key, 1_000)


def test_an_endpoint_that_is_down_is_an_overload() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1)
    client = boto3.client(
        "s3", region_name=REGION, endpoint_url=endpoint, config=config, aws_access_key_id="a", aws_secret_access_key="b"
    )

    with pytest.raises(Overloaded):
        S3BlobStore(client).read("photos", "k", 1_000)
