"""The file store: keys, media types, links, and nothing of another tenant."""

from __future__ import annotations

import pytest

from pigeonhole.contract.uploads import StoredFileOptions
from pigeonhole.errors import InvalidRequest, NotFound, PreconditionFailed
from pigeonhole.object_keys import uploads_grant
from pigeonhole.uploads.stored_files import FileContent, FileStore, StoredFile
from support.fakes import FakeFileObjects
from support.job_fixtures import ACME, ZETA

CAT = FileContent(b"cat", "image/jpeg")


def new_store() -> FileStore:
    return FileStore(objects=FakeFileObjects(), bucket="uploads", clock=lambda: 1_000.0)


def put(store: FileStore, key: str | None = "cat.jpg", content: FileContent = CAT, *, overwrite: bool = True) -> StoredFile:
    return store.store(content, ACME, StoredFileOptions(key=key, overwrite=overwrite))


def test_a_file_is_stored_within_the_callers_own_grant() -> None:
    file = put(new_store())

    grant = uploads_grant("acme", "uploads")
    assert file.url == f"s3://{grant.bucket}/{grant.prefix}files/cat.jpg"
    assert (file.key, file.size) == ("cat.jpg", 3)
    assert file.link is not None


def test_a_file_without_a_key_gets_a_new_one() -> None:
    store = new_store()

    first, second = put(store, None), put(store, None)

    assert first.key != second.key
    assert store.read(ACME, first.key) == CAT


def test_a_link_is_created_only_on_request() -> None:
    assert new_store().store(CAT, ACME, StoredFileOptions(temp_public_url=False)).link is None


def test_a_file_replaces_another_one_only_if_it_may() -> None:
    store, dog = new_store(), FileContent(b"dog", "image/png")
    put(store)

    with pytest.raises(PreconditionFailed, match="overwrite=true"):
        put(store, content=dog, overwrite=False)
    assert store.read(ACME, "cat.jpg") == CAT

    put(store, content=dog)
    assert store.read(ACME, "cat.jpg") == dog


@pytest.mark.parametrize("key", ["", "a/b.jpg", "../zeta/cat.jpg", ".hidden", "-x", "caf\u00e9", "a b", "x" * 201, "a\n"])
def test_a_key_that_could_name_something_else_is_refused(key: str) -> None:
    store = new_store()

    with pytest.raises(InvalidRequest) as refused:
        put(store, key)

    assert [fault.path for fault in refused.value.details] == ["key"]
    with pytest.raises(NotFound):
        store.read(ACME, key)
    with pytest.raises(NotFound):
        store.delete(ACME, key)


@pytest.mark.parametrize("media_type", ["image", "image/jpeg\r\nX: y", "", "a/b; " + "x" * 200])
def test_a_media_type_that_is_none_is_refused(media_type: str) -> None:
    with pytest.raises(InvalidRequest, match="content_type"):
        put(new_store(), content=FileContent(b"x", media_type))


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="the file is empty"):
        put(new_store(), content=FileContent(b"", "image/jpeg"))


def test_another_tenants_file_looks_like_no_file() -> None:
    store = new_store()
    put(store)

    with pytest.raises(NotFound):
        store.read(ZETA, "cat.jpg")
    store.delete(ZETA, "cat.jpg")
    assert store.read(ACME, "cat.jpg") == CAT


def test_a_deleted_file_is_gone() -> None:
    store = new_store()
    put(store)

    store.delete(ACME, "cat.jpg")
    store.delete(ACME, "cat.jpg")

    with pytest.raises(NotFound, match="POST /v1/store/file"):
        store.read(ACME, "cat.jpg")
