"""The fake of what label sets are stored in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.ports import Page


@dataclass
class FakeLabelSetStore:
    """A ports.LabelSetStore in memory. `before`: runs before each write, to fail or to let another writer be faster."""

    sets: dict[tuple[str, str], LabelSet] = field(default_factory=dict)
    gone: dict[tuple[str, str], int] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        return self.sets.get((tenant_id, name))

    def last_version(self, tenant_id: str, name: str) -> int:
        return self.gone.get((tenant_id, name), 0)

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        self.before()
        key = (label_set.tenant_id, label_set.name)
        there = self.sets.get(key)
        follows = known is not None or self.gone.get(key, 0) == label_set.version - 1
        if (there.version if there else None) != known or not follows:
            return there == label_set
        self.sets[key] = label_set
        return True

    def count(self, tenant_id: str, most: int) -> int:
        return min(most, sum(owner == tenant_id for owner, _ in self.sets))

    def delete(self, label_set: LabelSet) -> bool:
        self.before()
        key = (label_set.tenant_id, label_set.name)
        there = self.sets.get(key)
        if there is None or there.version != label_set.version:
            return False
        self.gone[key] = label_set.version
        del self.sets[key]
        return True

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        names = sorted(name for owner, name in self.sets if owner == tenant_id and (start is None or name > start))
        items = [self.sets[tenant_id, name] for name in names[:limit]]
        return Page(items, next=names[limit - 1] if len(names) > limit else None)
