"""Label sets in the table.

Deleting a label set leaves an item with its last version, so that a new label set of that name continues from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pigeonhole.aws.dynamodb.items import Item, StoredRecord
from pigeonhole.aws.dynamodb.table import IS_ABSENT, LOST_RACE, Condition, DynamoTable, ItemKey
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.label_sets.records import LabelSetOptionsRecord
from pigeonhole.ports import Page

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class StoredLabelSet(StoredRecord):
    """A label set's item.

    Attributes:
        sk: The label set's name.
        options: The labels and the other options, as JSON (LabelSetOptionsRecord).
    """

    pk: str
    sk: str
    tenant_id: str
    version: int
    created_at: float
    updated_at: float
    options: str

    @classmethod
    def from_label_set(cls, label_set: LabelSet) -> Self:
        """Convert a label set."""
        return cls(
            **_item_key(label_set.tenant_id, label_set.name),
            tenant_id=label_set.tenant_id,
            version=label_set.version,
            created_at=label_set.created_at,
            updated_at=label_set.updated_at,
            options=LabelSetOptionsRecord.from_options(label_set.options).to_json(),
        )

    def to_label_set(self) -> LabelSet:
        """Convert to a label set."""
        return LabelSet(
            tenant_id=self.tenant_id,
            name=self.sk,
            version=self.version,
            created_at=self.created_at,
            updated_at=self.updated_at,
            options=LabelSetOptionsRecord.from_json(self.options).to_options(),
        )


class StoredDeletion(StoredRecord):
    """What is left of a deleted label set: its last version."""

    pk: str
    sk: str
    version: int


class DynamoLabelSetStore:
    """The LabelSetStore of a deployment."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        """Create the adapter for the table of that name."""
        self._table = DynamoTable(client, table)

    def get(self, tenant_id: str, name: str) -> LabelSet | None:
        """Read a label set."""
        item = self._table.get(_item_key(tenant_id, name))
        return _to_label_set(item) if item else None

    def last_version(self, tenant_id: str, name: str) -> int:
        """Read the version of a deleted label set. See `LabelSetStore.last_version`."""
        item = self._table.get(_deletion_key(tenant_id, name))
        return StoredDeletion.read(item).version if item else 0

    def save(self, label_set: LabelSet, known: int | None) -> bool:
        """Write a label set over its last version. See `LabelSetStore.save`."""
        writes = [self._table.to_put(StoredLabelSet.from_label_set(label_set).to_item(), _has_version(known))]
        if known is None:
            # Another caller may have created and deleted a label set of that name since this one's version was chosen.
            deletion_key = _deletion_key(label_set.tenant_id, label_set.name)
            writes.append(self._table.to_check(deletion_key, _has_version(label_set.version - 1 or None)))
        if self._table.write_all(writes, lost=LOST_RACE):
            return True
        # A caller that didn't learn of its success writes again. Then the stored label set is the one to be written.
        return self.get(label_set.tenant_id, label_set.name) == label_set

    def delete(self, label_set: LabelSet) -> bool:
        """Delete a label set, and store its version. See `LabelSetStore.delete`."""
        deletion = StoredDeletion(**_deletion_key(label_set.tenant_id, label_set.name), version=label_set.version)
        writes = [
            self._table.to_delete(_item_key(label_set.tenant_id, label_set.name), _has_version(label_set.version)),
            self._table.to_put(deletion.to_item()),
        ]
        return self._table.write_all(writes, lost=LOST_RACE)

    def count(self, tenant_id: str, most: int) -> int:
        """Count label sets. See `LabelSetStore.count`."""
        return self._table.count("pk = :pk", {":pk": _partition(tenant_id)}, most)

    def page(self, tenant_id: str, limit: int, start: str | None) -> Page[LabelSet]:
        """Query label sets by name. See `LabelSetStore.page`."""
        page = self._table.query(
            "pk = :pk" + (" AND sk > :start" if start else ""),
            {":pk": _partition(tenant_id), ":start": start or None},
            Limit=limit + 1,
            ConsistentRead=True,
        )
        # DynamoDB ends a page at 1 MB, which may be before `limit`.
        items = page.items[:limit]
        has_more = len(page.items) > limit or page.last_key is not None
        return Page([_to_label_set(item) for item in items], items[-1]["sk"] if has_more and items else None)


def _to_label_set(item: Item) -> LabelSet:
    return StoredLabelSet.read(item).to_label_set()


def _partition(tenant_id: str) -> str:
    return f"LABELSETS#{tenant_id}"


def _item_key(tenant_id: str, name: str) -> ItemKey:
    return {"pk": _partition(tenant_id), "sk": name}


def _deletion_key(tenant_id: str, name: str) -> ItemKey:
    return {"pk": f"GONESETS#{tenant_id}", "sk": name}


def _has_version(version: int | None) -> Condition:
    """Return the condition that the item has that version; None: that there is no item."""
    return IS_ABSENT if version is None else Condition("version = :known", {":known": version})
