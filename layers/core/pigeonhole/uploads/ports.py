"""What uploads need from the outside, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pigeonhole.ports import Page
from pigeonhole.uploads.upload_result import UploadResult


class UploadForms(Protocol):
    """Forms by which callers send files to the upload bucket."""

    def create_form(
        self, object_key: str, content_type: str, min_bytes: int, max_bytes: int, expires_in_s: int
    ) -> tuple[str, dict[str, str]]:
        """Create a form that S3 takes for one object of that key and type, with `min_bytes` to `max_bytes` bytes.

        Returns:
            The address of the form and its fields.
        """
        ...


class FileObjects(Protocol):
    """The objects of callers' file stores in the upload bucket. Every method raises Overloaded if a retry may help."""

    def put(self, object_key: str, data: bytes, content_type: str) -> None:
        """Store an object."""
        ...

    def create(self, object_key: str, data: bytes, content_type: str) -> bool:
        """Store an object, unless there is one of this key.

        Returns:
            False, and nothing is written, if there is one.
        """
        ...

    def read(self, object_key: str) -> tuple[bytes, str] | None:
        """Return the content of an object and its media type. None if there is no object."""
        ...

    def delete(self, object_key: str) -> None:
        """Delete an object. An absent object is no error."""
        ...

    def link(self, object_key: str, seconds: int) -> str:
        """Return a URL by which anybody can read the object for so many seconds."""
        ...


class UploadTags(Protocol):
    """The tags of objects in the upload bucket."""

    def add(self, object_key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        """Add tags to a version of an object. Its other tags stay.

        Returns:
            False, and nothing changes, if the object can't have so many tags or doesn't exist.

        Raises:
            Overloaded: A retry may help.
        """
        ...


class UploadResultStore(Protocol):
    """The results of tenants' uploads, one for each object key. Every method raises Overloaded if a retry may help."""

    def save(self, result: UploadResult) -> bool:
        """Store a result.

        Returns:
            False, and nothing is stored, unless the result `may_replace` the stored one.
        """
        ...

    def get(self, tenant_id: str, object_key: str) -> UploadResult | None:
        """Return the result of an object key."""
        ...

    def sequencers(self, tenant_id: str, object_keys: Sequence[str]) -> dict[str, str]:
        """Return the sequencers of the stored results by object key. Results that no job created are left out."""
        ...

    def page(self, tenant_id: str, prefix: str, limit: int, start: str | None) -> Page[UploadResult]:
        """Return at most `limit` results by object key, from the `next` of the previous page.

        Args:
            tenant_id: The owner of the results.
            prefix: What the object keys begin with.
            limit: The most results of the page.
            start: The `next` of the previous page. None for the first page.
        """
        ...

    def newest(
        self, tenant_id: str, prefix: str, since: float, until: float, limit: int, start: str | None
    ) -> Page[UploadResult]:
        """Return at most `limit` results that were created from `since` to `until`, newest first.

        Some pages have fewer than `limit`. The other arguments are those of `page`.
        """
        ...
