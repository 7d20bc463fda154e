"""What label sets need from the outside."""

from __future__ import annotations

from typing import Protocol

from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.ports import Page


class LabelSetStore(Protocol):
    """Tenants' label sets. All reads see what was written before. Raises Overloaded where trying again may help."""

    def get(self, tenant_id: str, name: str) -> LabelSet | None: ...

    def last_version(self, tenant_id: str, name: str) -> int:
        """The version that a set of that name had when it was removed, 0 if there never was one."""
        ...

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        """Write a set over its version `known`. None: there must be none, and its version follow on the last there was.

        False, and nothing written, if that isn't so.
        """
        ...

    def count(self, tenant_id: str, most: int) -> int:
        """How many sets a tenant has; `most` if there are more."""
        ...

    def remove(self, label_set: LabelSet) -> bool:
        """Remove a set in the version that it is given in. False, and it stays, if it has another."""
        ...

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        """At most `limit` sets of a tenant, by name. `start`: an earlier page's `next`."""
        ...
