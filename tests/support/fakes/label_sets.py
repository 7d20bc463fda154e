"""The fake of the store of label sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.ports import Page


@dataclass
class FakeLabelSetStore:
    """A LabelSetStore in memory.

    Attributes:
        sets: Label sets by tenant and name.
        deleted_versions: The last version of each deleted label set, by tenant and name.
        before: Is called before each write. It may raise, or make another writer the faster one.
    """

    sets: dict[tuple[str, str], LabelSet] = field(default_factory=dict)
    deleted_versions: dict[tuple[str, str], int] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        return self.sets.get((tenant_id, name))

    def last_version(self, tenant_id: str, name: str) -> int:
        return self.deleted_versions.get((tenant_id, name), 0)

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        self.before()
        set_key = (label_set.tenant_id, label_set.name)
        stored = self.sets.get(set_key)
        follows = known is not None or self.deleted_versions.get(set_key, 0) == label_set.version - 1
        if (stored.version if stored else None) != known or not follows:
            return stored == label_set
        self.sets[set_key] = label_set
        return True

    def count(self, tenant_id: str, most: int) -> int:
        return min(most, sum(owner == tenant_id for owner, _ in self.sets))

    def delete(self, label_set: LabelSet) -> bool:
        self.before()
        set_key = (label_set.tenant_id, label_set.name)
        stored = self.sets.get(set_key)
        if stored is None or stored.version != label_set.version:
            return False
        self.deleted_versions[set_key] = label_set.version
        del self.sets[set_key]
        return True

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        names = sorted(name for owner, name in self.sets if owner == tenant_id and (start is None or name > start))
        label_sets = [self.sets[tenant_id, name] for name in names[:limit]]
        return Page(label_sets, next=names[limit - 1] if len(names) > limit else None)
