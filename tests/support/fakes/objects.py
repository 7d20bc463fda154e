"""Fakes of S3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.errors import TooLarge, UnfetchableUrl


@dataclass
class FakeBlobStore:
    """A BlobStore in memory.

    Attributes:
        objects: Newest versions by bucket and object key.
        versions: Older versions by bucket, object key and version id.
        reads: Bucket and object key of each read, failed ones included.
    """

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    reads: list[tuple[str, str]] = field(default_factory=list)

    def read(
        self,
        bucket: str,
        object_key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        self.reads.append((bucket, object_key))
        data = self.versions.get((bucket, object_key, version_id)) if version_id else self.objects.get((bucket, object_key))
        return _deliver(data, max_bytes, on_bytes)


@dataclass
class FakeObjectStore:
    """An ObjectStore in memory.

    Attributes:
        objects: Newest versions by object key.
        versions: Versions by object key and version id, for `read`.
        unused: The object keys that are marked unused.
        before: Is called before each call, and may raise.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def put(self, object_key: str, data: bytes, content_type: str) -> None:
        self.before()
        self.objects[object_key] = data

    def create(self, object_key: str, data: bytes, content_type: str) -> bool:
        self.before()
        if object_key in self.objects:
            return False
        self.objects[object_key] = data
        return True

    def get(self, object_key: str) -> bytes | None:
        self.before()
        return self.objects.get(object_key)

    def link(self, object_key: str, seconds: int) -> str:
        return f"https://objects.example/{object_key}?seconds={seconds}"

    def mark_unused(self, object_key: str) -> None:
        self.before()
        self.unused.append(object_key)

    def mark_used(self, object_key: str) -> None:
        self.before()
        self.unused = [unused for unused in self.unused if unused != object_key]

    def read(
        self,
        bucket: str,
        object_key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Read as a BlobStore does: the upload bucket holds callers' files beside results."""
        self.before()
        data = self.versions.get((object_key, version_id)) if version_id else self.objects.get(object_key)
        return _deliver(data, max_bytes, on_bytes)


def _deliver(data: bytes | None, max_bytes: int, on_bytes: Callable[[int], None] | None) -> bytes:
    """Return what a BlobStore's `read` returns for an object, or raise what it raises."""
    if data is None:
        raise UnfetchableUrl("no such object")
    if len(data) > max_bytes:
        raise TooLarge("too large")
    if on_bytes is not None:
        on_bytes(len(data))
    return data


@dataclass
class FakeFileObjects:
    """FileObjects in memory.

    Attributes:
        files: Content and media type by object key.
    """

    files: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    def put(self, object_key: str, data: bytes, content_type: str) -> None:
        self.files[object_key] = (data, content_type)

    def create(self, object_key: str, data: bytes, content_type: str) -> bool:
        return self.files.setdefault(object_key, stored := (data, content_type)) is stored

    def read(self, object_key: str) -> tuple[bytes, str] | None:
        return self.files.get(object_key)

    def delete(self, object_key: str) -> None:
        self.files.pop(object_key, None)

    def link(self, object_key: str, seconds: int) -> str:
        return f"https://uploads.example/{object_key}?X-Amz-Expires={seconds}"
