"""What label sets need from the outside, as Protocols."""

from __future__ import annotations

from typing import Protocol

from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.ports import Page


class LabelSetStore(Protocol):
    """Tenants' label sets. All reads are consistent. Every method raises Overloaded if a retry may help."""

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        """Return the current version of a label set."""
        ...

    def last_version(self, tenant_id: str, name: str) -> int:
        """Return the version that a label set had when it was deleted, 0 if there never was one."""
        ...

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        """Write a version of a label set.

        Args:
            label_set: The new version.
            known: The version that it replaces. None if no set of this name exists: then the new version must follow on the
                `last_version`.

        Returns:
            False, and nothing is written, if another version is stored than `known`.
        """
        ...

    def count(self, tenant_id: str, most: int) -> int:
        """Count a tenant's label sets, but no further than `most`."""
        ...

    def delete(self, label_set: LabelSet) -> bool:
        """Delete a label set.

        Returns:
            False, and nothing is deleted, if another version is stored than `label_set`.
        """
        ...

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        """Return at most `limit` of a tenant's label sets, by name, from the `next` of the previous page."""
        ...
