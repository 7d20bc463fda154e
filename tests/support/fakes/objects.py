"""Fakes of S3."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.errors import TooLarge, UnfetchableUrl


@dataclass
class FakeBlobStore:
    """A ports.BlobStore over a dict by (bucket, key). `versions`: older ones, by their ids, too; `asked`: what was read, or
    tried."""

    objects: dict[tuple[str, str], bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def read(
        self,
        bucket: str,
        key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        self.asked.append((bucket, key))
        data = self.versions.get((bucket, key, version_id)) if version_id else self.objects.get((bucket, key))
        if data is None:
            raise UnfetchableUrl("no such object")
        if len(data) > max_bytes:
            raise TooLarge("too large")
        if on_bytes is not None:
            on_bytes(len(data))
        return data


@dataclass
class FakeObjectStore:
    """A ports.ObjectStore over a dict by key. `versions`: older ones, by key and id; `before`: runs before each call, to fail;
    `unused`: the keys that are marked unused."""

    objects: dict[str, bytes] = field(default_factory=dict)
    versions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.before()
        self.objects[key] = data

    def etag(self, key: str) -> str | None:
        self.before()
        return hashlib.sha256(self.objects[key]).hexdigest() if key in self.objects else None

    def replace(self, key: str, data: bytes, content_type: str, known: str | None) -> bool:
        self.before()
        if (hashlib.sha256(self.objects[key]).hexdigest() if key in self.objects else None) != known:
            return False
        self.objects[key] = data
        return True

    def get(self, key: str, version_id: str | None = None) -> bytes | None:
        self.before()
        return self.versions.get((key, version_id)) if version_id else self.objects.get(key)

    def link(self, key: str, seconds: int) -> str:
        return f"https://objects.example/{key}?seconds={seconds}"

    def mark_unused(self, key: str) -> None:
        self.before()
        self.unused.append(key)

    def mark_used(self, key: str) -> None:
        self.before()
        self.unused = [each for each in self.unused if each != key]
