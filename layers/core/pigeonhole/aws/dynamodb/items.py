"""The codec for items, and the base of the records that lie in the table.

An item is a dictionary of plain values (str, int, float, bool, bytes, enum, list, dictionary) in this project, and of tagged
values (`{"N": "3"}`) in DynamoDB's API. Only this module converts between the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Self, TypeAlias

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from pydantic import BaseModel, ConfigDict

TaggedItem: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Any]

_SERIALIZER, _DESERIALIZER = TypeSerializer(), TypeDeserializer()


def to_tagged(item: Mapping[str, object]) -> TaggedItem:
    """Convert plain values to DynamoDB's. A value that is None is left out, in nested dictionaries, too."""
    return {name: _SERIALIZER.serialize(_to_supported(value)) for name, value in item.items() if value is not None}


def from_tagged(item: Mapping[str, Any]) -> Item:
    """Convert DynamoDB's values to plain ones. A number becomes a Decimal, which keeps all digits."""
    return {name: _to_plain(_DESERIALIZER.deserialize(value)) for name, value in item.items()}


def _to_supported(value: object) -> object:
    """Convert to the types that boto3's serializer takes."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float):
        return Decimal(repr(value))  # the shortest digits that give the same float again
    if isinstance(value, Mapping):
        return {name: _to_supported(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_to_supported(inner) for inner in value]
    return value


def _to_plain(value: Any) -> Any:
    if isinstance(value, Binary):
        return getattr(value, "value")  # noqa: B009 - boto3's types don't know this attribute
    if isinstance(value, dict):
        return {name: _to_plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_to_plain(inner) for inner in value]
    return value


class NewerRecord(ValueError):
    """A record that a newer release wrote, in a form that this release doesn't know."""


class StoredRecord(BaseModel):
    """One kind of item as it lies in the table, apart from the domain's classes and from the HTTP models.

    A field that is added later needs a default, because older items lack it. A change that older releases would misread raises
    `LATEST_VERSION`; `read` then converts items of the versions before.

    Attributes:
        record_version: The form of the item. Items of the first release have no such attribute.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    LATEST_VERSION: ClassVar[int] = 1
    record_version: int = 1

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Self:
        """Read an item.

        Raises:
            NewerRecord: A newer release wrote the item.
            ValidationError: The item has another form. It is a ValueError, as NewerRecord is.
        """
        version = item.get("record_version", 1)
        if isinstance(version, int | Decimal) and version > cls.LATEST_VERSION:
            raise NewerRecord(
                f"a {cls.__name__} of version {version} can't be read: this release knows versions up to "
                f"{cls.LATEST_VERSION}; deploy the newer release again"
            )
        return cls.model_validate(item)

    def to_item(self) -> Item:
        """Return the item's attributes as plain values, in the latest version."""
        return self.model_dump(by_alias=True) | {"record_version": self.LATEST_VERSION}
