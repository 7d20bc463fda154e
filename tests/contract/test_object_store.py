"""ObjectStore: the fake and S3's adapter behave alike."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from botocore.stub import Stubber

from pigeonhole.aws.s3 import S3ObjectStore
from pigeonhole.errors import Overloaded
from pigeonhole.ports import ObjectStore
from support.fakes import FakeObjectStore
from support.moto_aws import create_bucket, unconnected_client
from support.template import read_template

TEMPLATE = read_template()


@pytest.fixture
def store(is_real: bool) -> ObjectStore:
    return S3ObjectStore(create_bucket("jobs"), "jobs") if is_real else FakeObjectStore()


def test_an_object_is_read_as_it_was_last_stored(store: ObjectStore) -> None:
    store.put("inputs/acme/1.json", b"first", "application/json")
    store.put("inputs/acme/1.json", bytes(range(256)), "application/json")

    assert store.get("inputs/acme/1.json") == bytes(range(256))


def test_an_object_that_was_never_stored_is_none(store: ObjectStore) -> None:
    assert store.get("inputs/acme/1.json") is None


def test_an_object_is_created_only_if_there_is_none(store: ObjectStore) -> None:
    assert store.create("results/1.json", b"first", "application/json")
    assert not store.create("results/1.json", b"too late", "application/json")

    assert store.get("results/1.json") == b"first"


def test_a_link_names_the_object_and_how_long_it_may_be_read(store: ObjectStore) -> None:
    link = store.link("results/acme/1.json", 60)

    assert link.startswith("https://")
    assert "results/acme/1.json" in link
    assert "=60" in link


@pytest.mark.parametrize(
    ("call", "use"),
    [
        ("get_object", lambda store: store.get("a")),
        ("copy_object", lambda store: store.mark_unused("a")),
        ("delete_object_tagging", lambda store: store.mark_used("a")),
    ],
)
def test_a_denied_object_is_not_an_absent_one(call: str, use: Callable[[ObjectStore], object]) -> None:
    """A policy may be wrong for a while. S3 answers with 404 for an absent object only to a role that may list the bucket."""
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error(call, "AccessDenied", http_status_code=403)
        with pytest.raises(Overloaded):
            use(S3ObjectStore(client, "jobs"))


@pytest.mark.parametrize(
    ("call", "status", "use"),
    [
        ("get_object", 500, lambda store: store.get("a")),
        ("get_object", 503, lambda store: store.get("a")),
        ("put_object", 503, lambda store: store.put("a", b"", "application/json")),
        ("put_object", 503, lambda store: store.create("a", b"", "application/json")),
    ],
)
def test_a_busy_bucket_is_an_overload(call: str, status: int, use: Callable[[ObjectStore], object]) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error(call, "SlowDown", http_status_code=status)
        with pytest.raises(Overloaded):
            use(S3ObjectStore(client, "jobs"))


@pytest.mark.usefixtures("aws")
def test_an_unused_object_has_the_tag_of_the_lifecycle_rule_until_it_is_used() -> None:
    client = create_bucket("jobs")
    store, object_key = S3ObjectStore(client, "jobs"), "label-sets/acme/pets/1"
    store.put(object_key, b"image", "application/octet-stream")
    (rule,) = [
        rule
        for rule in TEMPLATE["Resources"]["JobBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
        if "TagFilters" in rule
    ]

    put_at = client.head_object(Bucket="jobs", Key=object_key)["LastModified"]
    time.sleep(1.1)  # S3's times are whole seconds
    store.mark_unused(object_key)
    assert client.head_object(Bucket="jobs", Key=object_key)["LastModified"] > put_at, (
        "the rule counts the days from this change"
    )
    assert store.get(object_key) == b"image"
    assert client.get_object_tagging(Bucket="jobs", Key=object_key)["TagSet"] == rule["TagFilters"]
    assert object_key.startswith(rule["Prefix"])
    store.mark_used(object_key)
    assert client.get_object_tagging(Bucket="jobs", Key=object_key)["TagSet"] == []


def test_an_absent_object_can_be_marked_unused(store: ObjectStore) -> None:
    store.mark_unused("label-sets/acme/pets/none")


def test_an_absent_object_can_be_marked_used() -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("delete_object_tagging", "NoSuchKey", http_status_code=404)
        S3ObjectStore(client, "jobs").mark_used("label-sets/acme/pets/none")


@pytest.mark.parametrize("call", ["copy_object", "delete_object_tagging"])
def test_a_bucket_that_is_too_busy_to_mark_is_an_overload(call: str) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error(call, "SlowDown", http_status_code=503)
        store = S3ObjectStore(client, "jobs")
        with pytest.raises(Overloaded):
            store.mark_unused("a") if call == "copy_object" else store.mark_used("a")


@pytest.mark.parametrize(("code", "status"), [("PreconditionFailed", 412), ("ConditionalRequestConflict", 409)])
def test_a_write_at_the_same_time_as_another_is_not_made(code: str, status: int) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_client_error("put_object", code, http_status_code=status)
        assert not S3ObjectStore(client, "jobs").create("x", b"x", "text/plain")
