"""ManifestStore: the fake and S3's adapter behave alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pigeonhole.aws.s3_manifests import S3ManifestStore
from pigeonhole.bulk.ports import ManifestLocation, ManifestObject, ManifestStore
from pigeonhole.errors import UnfetchableUrl
from support.fakes.bulk import FakeManifestStore
from support.moto_aws import create_bucket

BUCKET = "data"
IN, MISSING = ManifestLocation(BUCKET, "in.jsonl"), ManifestLocation(BUCKET, "missing.jsonl")
Put = Callable[[str, bytes], None]


@pytest.fixture
def store(is_real: bool) -> tuple[ManifestStore, Put]:
    if is_real:
        client = create_bucket(BUCKET)
        return S3ManifestStore(client), lambda key, data: client.put_object(Bucket=BUCKET, Key=key, Body=data)
    fake = FakeManifestStore()

    def put(key: str, data: bytes) -> None:
        fake.objects[BUCKET, key] = (data, f"etag-{hash(data)}")

    return fake, put


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 7, b"3456"), (10, None, b""), (4, 4, b""), (8, 20, b"89")],
)
def test_a_range_is_read(store: tuple[ManifestStore, Put], start: int, stop: int | None, expected: bytes) -> None:
    manifests, put = store
    put("in.jsonl", b"0123456789")

    source = manifests.open(manifests.find(IN))

    assert b"".join(source.read(start, stop)) == expected


def test_an_empty_manifest_has_no_bytes(store: tuple[ManifestStore, Put]) -> None:
    manifests, put = store
    put("in.jsonl", b"")

    assert b"".join(manifests.open(manifests.find(IN)).read()) == b""


def test_a_manifest_that_is_absent_is_told(store: tuple[ManifestStore, Put]) -> None:
    manifests, _ = store

    with pytest.raises(UnfetchableUrl):
        manifests.find(MISSING)
    with pytest.raises(UnfetchableUrl):
        list(manifests.open(ManifestObject(MISSING, '"etag"')).read())


def test_a_manifest_that_was_replaced_is_told(store: tuple[ManifestStore, Put]) -> None:
    manifests, put = store
    put("in.jsonl", b"old")
    source = manifests.open(manifests.find(IN))
    put("in.jsonl", b"newer")

    with pytest.raises(UnfetchableUrl, match="replaced"):
        list(source.read(0, 2))


def test_a_manifest_is_read_in_the_version_that_is_named(is_real: bool) -> None:
    """Even after it was replaced, because an upload is classified as it was uploaded."""
    store: ManifestStore
    if is_real:
        client = create_bucket(BUCKET, is_versioned=True)
        store, version_id = S3ManifestStore(client), client.put_object(Bucket=BUCKET, Key="in.jsonl", Body=b"old")["VersionId"]
        client.put_object(Bucket=BUCKET, Key="in.jsonl", Body=b"newer")
    else:
        store, version_id = FakeManifestStore(versions={(BUCKET, "in.jsonl", "v1"): (b"old", "e1")}), "v1"

    source = store.open(store.find(ManifestLocation(BUCKET, "in.jsonl", version_id)))

    assert b"".join(source.read(1)) == b"ld"
    with pytest.raises(UnfetchableUrl):
        store.find(ManifestLocation(BUCKET, "in.jsonl", "gone"))
