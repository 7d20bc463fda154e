"""UploadTags: the fake and S3's adapter behave alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.stub import Stubber

from pigeonhole.aws.s3 import MAX_TAGS, S3UploadTags
from pigeonhole.errors import Overloaded
from pigeonhole.uploads.ports import UploadTags
from pigeonhole.uploads.upload_tags import LABEL_TAG, SCORE_TAG
from support.fakes import FakeUploadTags
from support.moto_aws import create_bucket, unconnected_client

OBJECT_KEY = "incoming/acme/pets/a b+ü.jpg"
TAGS = {LABEL_TAG: "a cat/größe=2F", SCORE_TAG: "0.9731"}


class Bucket:
    """An object in versions, and their tags."""

    def __init__(self, port: UploadTags, client: Any = None) -> None:
        self.port, self._client, self._versions = port, client, 0

    def put(self, tags: Mapping[str, str]) -> str:
        """Create a new version of the object. Return its id."""
        self._versions += 1
        if isinstance(self.port, FakeUploadTags):
            version_id = f"v{self._versions}"
            self.port.tags[OBJECT_KEY, version_id] = self.port.tags[OBJECT_KEY, None] = dict(tags)
            return version_id
        version_id = str(self._client.put_object(Bucket="uploads", Key=OBJECT_KEY, Body=b"x")["VersionId"])
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        if tag_set:
            self._client.put_object_tagging(Bucket="uploads", Key=OBJECT_KEY, Tagging={"TagSet": tag_set})
        return version_id

    def delete(self, version_id: str) -> None:
        if isinstance(self.port, FakeUploadTags):
            del self.port.tags[OBJECT_KEY, version_id], self.port.tags[OBJECT_KEY, None]
        else:
            self._client.delete_object(Bucket="uploads", Key=OBJECT_KEY, VersionId=version_id)

    def tags(self, version_id: str) -> dict[str, str]:
        if isinstance(self.port, FakeUploadTags):
            return self.port.tags[OBJECT_KEY, version_id]
        tag_set = self._client.get_object_tagging(Bucket="uploads", Key=OBJECT_KEY, VersionId=version_id)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tag_set}


@pytest.fixture
def bucket(is_real: bool) -> Bucket:
    if not is_real:
        return Bucket(FakeUploadTags())
    client = create_bucket("uploads", is_versioned=True)
    return Bucket(S3UploadTags(client, "uploads"), client)


def test_new_tags_are_added_and_replace_those_of_the_same_name(bucket: Bucket) -> None:
    version_id = bucket.put({"owner": "me", LABEL_TAG: "old"})

    assert bucket.port.add(OBJECT_KEY, version_id, TAGS)
    assert bucket.tags(version_id) == {"owner": "me"} | TAGS
    assert bucket.port.add(OBJECT_KEY, version_id, TAGS), "they may be added again"
    assert bucket.tags(version_id) == {"owner": "me"} | TAGS


def test_without_a_version_id_the_newest_version_is_tagged(bucket: Bucket) -> None:
    version_id = bucket.put({})

    assert bucket.port.add(OBJECT_KEY, None, TAGS)
    assert bucket.tags(version_id) == TAGS


def test_only_the_named_version_is_tagged(bucket: Bucket) -> None:
    older, newer = bucket.put({}), bucket.put({"owner": "me"})

    assert bucket.port.add(OBJECT_KEY, older, TAGS)
    assert bucket.tags(older) == TAGS
    assert bucket.tags(newer) == {"owner": "me"}


@pytest.mark.parametrize("names", [[], [LABEL_TAG], [LABEL_TAG, SCORE_TAG]])
def test_no_tag_is_added_if_there_is_no_room_for_all(bucket: Bucket, names: list[str]) -> None:
    before = dict.fromkeys([*names, *(str(number) for number in range(MAX_TAGS - len(names)))], "x")
    version_id = bucket.put(before)
    has_room = len(names) == 2

    assert bucket.port.add(OBJECT_KEY, version_id, TAGS) is has_room
    assert bucket.tags(version_id) == (before | TAGS if has_room else before)


def test_a_deleted_object_is_not_tagged(bucket: Bucket) -> None:
    assert not bucket.port.add("incoming/acme/pets/none.jpg", None, TAGS)
    version_id = bucket.put({})
    bucket.delete(version_id)

    assert not bucket.port.add(OBJECT_KEY, version_id, TAGS)
    assert not bucket.port.add(OBJECT_KEY, None, TAGS)


# --- only the adapter --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "status"), [("AccessDenied", 403), ("NoSuchVersion", 404), ("MethodNotAllowed", 405)])
@pytest.mark.parametrize("call", ["get_object_tagging", "put_object_tagging"])
def test_an_object_that_is_deleted_meanwhile_is_not_tagged(call: str, code: str, status: int) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        if call == "put_object_tagging":
            stub.add_response("get_object_tagging", {"TagSet": []})
        stub.add_client_error(call, code, http_status_code=status)
        assert not S3UploadTags(client, "uploads").add(OBJECT_KEY, "v1", TAGS)


@pytest.mark.parametrize("code", ["InvalidTag", "BadRequest"])
def test_an_object_whose_tags_s3_refuses_is_not_tagged(code: str) -> None:
    """Another attempt would fail in the same way, and would delay the notification of the job."""
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_response("get_object_tagging", {"TagSet": []})
        stub.add_client_error("put_object_tagging", code, http_status_code=400)
        assert not S3UploadTags(client, "uploads").add(OBJECT_KEY, "v1", TAGS)


@pytest.mark.parametrize(("code", "status"), [("SlowDown", 503), ("RequestTimeout", 400)])
@pytest.mark.parametrize("call", ["get_object_tagging", "put_object_tagging"])
def test_a_busy_bucket_is_an_overload(call: str, code: str, status: int) -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        if call == "put_object_tagging":
            stub.add_response("get_object_tagging", {"TagSet": []})
        stub.add_client_error(call, code, http_status_code=status)
        with pytest.raises(Overloaded):
            S3UploadTags(client, "uploads").add(OBJECT_KEY, "v1", TAGS)


def test_tags_that_the_object_has_are_not_written_again() -> None:
    client = unconnected_client("s3")
    with Stubber(client) as stub:
        stub.add_response("get_object_tagging", {"TagSet": [{"Key": name, "Value": value} for name, value in TAGS.items()]})
        assert S3UploadTags(client, "uploads").add(OBJECT_KEY, "v1", TAGS)
        stub.assert_no_pending_responses()
