"""Copy a manifest to the job bucket while it is planned, because its input can't be read by ranges of bytes.

A staged part holds the bytes of a segment's spans. Its key has a hash of these bytes, so two planners whose segments differ
never replace each other's part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pigeonhole.bulk.manifest import SpanLimits, UnreadableManifest
from pigeonhole.contract.messages import StagedManifest
from pigeonhole.errors import TooLarge
from pigeonhole.jobs.job import Job
from pigeonhole.object_keys import bulk_staged_key
from pigeonhole.ports import ObjectStore

PART_BYTES = 64_000_000  # a staged part ends with the span that reaches this size
MAX_BYTES = 40_000_000_000  # a planner that continues reads a compressed file from its start, within its five minutes
MEDIA_TYPE = "application/x-ndjson"


@dataclass
class Staging:
    """The bytes that are planned and not yet stored.

    Attributes:
        objects: The job bucket.
        job: The job.
        limits: Where a span ends.
        start_byte: The offset of the next part in the manifest.
        part_bytes: The size at which a part ends.
        max_bytes: The largest manifest.
    """

    objects: ObjectStore
    job: Job
    limits: SpanLimits
    start_byte: int
    part_bytes: int = PART_BYTES
    max_bytes: int = MAX_BYTES
    _pending: bytearray = field(default_factory=bytearray, init=False)

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks, and keep their bytes until they are stored.

        Raises:
            TooLarge: The manifest is too large to be copied.
            UnreadableManifest: There are too many blank lines between two samples.
        """
        most = self.part_bytes + self.limits.span_bytes + self.limits.max_line_bytes
        for chunk in chunks:
            self._pending += chunk
            if self.start_byte + len(self._pending) > self.max_bytes:
                raise TooLarge(f"the input has more than {self.max_bytes / 1e9:g} GB as JSONL; send a plain .jsonl file")
            if len(self._pending) > most + len(chunk):
                raise UnreadableManifest(f"the manifest has more than {self.limits.max_line_bytes / 1e6:g} MB of blank lines")
            yield chunk

    def is_full(self, stop_byte: int) -> bool:
        """Return whether the part ends with the span that ends here."""
        return stop_byte - self.start_byte >= self.part_bytes

    def store(self, stop_byte: int) -> tuple[StagedManifest, bytes]:
        """Store a part up to `stop_byte`. The next part begins there.

        Returns:
            The part, and its bytes.

        Raises:
            Overloaded: The bucket is busy. Trying again may help.
        """
        size = stop_byte - self.start_byte
        data = bytes(memoryview(self._pending)[:size])
        staged = StagedManifest(start_byte=self.start_byte, sha256=hashlib.sha256(data).hexdigest())
        self.objects.put(bulk_staged_key(self.job.tenant_id, self.job.id, staged), data, MEDIA_TYPE)
        del self._pending[:size]
        self.start_byte = stop_byte
        return staged, data
