"""What uploads need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pigeonhole.ports import Page
from pigeonhole.uploads.upload_result import ObjectResult


class UploadForms(Protocol):
    """The way for callers' files into the upload bucket, past this service."""

    def form(self, key: str, content_type: str, least: int, most: int, seconds: int) -> tuple[str, dict[str, str]]:
        """The address and the fields of a form that takes one object: of that key and type, with `least` to `most` bytes."""
        ...


class UploadTags(Protocol):
    """The tags of objects in the upload bucket."""

    def add(self, key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        """Give a version of an object `tags` beside those that it has; of the same name, in their place.

        False, and its tags stay as they are, if there is no room for them or the object is gone. Raises Overloaded.
        """
        ...


class UploadResultStore(Protocol):
    """What became of tenants' uploaded objects, one result for each. Raises Overloaded where trying again may help."""

    def save(self, result: ObjectResult) -> bool:
        """Keep a result in place of the one before it. False, and nothing is written, unless it `may_replace` that one."""
        ...

    def get(self, tenant_id: str, key: str) -> ObjectResult | None: ...

    def sequencers(self, tenant_id: str, keys: Sequence[str]) -> dict[str, str]:
        """Which upload of each object has a result that a job gave, by its sequencer; objects without one are left out."""
        ...

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[ObjectResult]:
        """At most `limit` results of objects whose keys begin with `prefix`, by key. `start`: an earlier page's `next`."""
        ...

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[ObjectResult]:
        """The same, newest first, of those that were written from `since` to `until`. Some pages have fewer than `limit`."""
        ...
