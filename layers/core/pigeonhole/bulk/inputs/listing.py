"""The objects below a prefix as samples: an object is a sample, and a line of the staged manifest holds its key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pigeonhole.bulk.manifest import TextObject
from pigeonhole.bulk.ports import ListedObject, ManifestLocation
from pigeonhole.contract.bulk import ManifestSample
from pigeonhole.contract.limits import RequestLimits

TEXT_ENDINGS = (".txt",)


def to_listing(pages: Iterable[Sequence[ListedObject]]) -> Iterator[bytes]:
    """Yield a line for each object, a page at a time. The empty objects that S3's console creates as folders are left out."""
    for page in pages:
        lines = [_to_line(found) for found in page if found.size or not found.object_key.endswith("/")]
        if lines:
            yield b"".join(lines)


def last_key(listing: bytes) -> str:
    """Return the key of the last line, after which the listing continues."""
    return str(json.loads(listing[listing.rstrip(b"\n").rfind(b"\n") + 1 :])["key"])


@dataclass(frozen=True)
class ListingParser:
    """Parses the lines of a listing.

    Attributes:
        prefix: What was listed.
    """

    prefix: ManifestLocation

    def __call__(self, data: bytes, limits: RequestLimits) -> ManifestSample | TextObject:
        """Parse a line. The `custom_id` of a sample is its key, below the folder of the prefix."""
        fields = json.loads(data)
        object_key, size = fields["key"], fields["size"]
        custom_id = object_key[self.prefix.object_key.rfind("/") + 1 :]
        if object_key.lower().endswith(TEXT_ENDINGS):
            return TextObject(ManifestLocation(self.prefix.bucket, object_key), size, custom_id)
        value = f"s3://{self.prefix.bucket}/{object_key}"
        return ManifestSample.model_construct(type="image", value=value, custom_id=custom_id)


def _to_line(found: ListedObject) -> bytes:
    return json.dumps({"key": found.object_key, "size": found.size}).encode() + b"\n"
