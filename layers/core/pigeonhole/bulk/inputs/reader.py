"""Read the input of a bulk job as the bytes of a manifest, from the place where an earlier planner stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from pigeonhole.bulk.inputs.gunzip import gunzip
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.listing import to_listing
from pigeonhole.bulk.inputs.parquet import ParquetRows, RangeFile
from pigeonhole.bulk.manifest import ManifestSpan
from pigeonhole.bulk.ports import ManifestLocation, ManifestObject, ManifestStore
from pigeonhole.bulk.spec import BulkInput
from pigeonhole.errors import UnfetchableUrl

REPLACED = "the manifest was replaced while the job ran; send a new job"


@dataclass(frozen=True, kw_only=True)
class InputReader:
    """Reads inputs of every kind.

    Attributes:
        manifests: Reads callers' objects.
    """

    manifests: ManifestStore

    def find(self, given: BulkInput) -> ManifestObject:
        """Find the input. That of a prefix has an empty ETag, because its objects may change.

        Raises:
            UnfetchableUrl: The object is absent, or this service may not read it.
            Overloaded: A retry may help.
        """
        if given.kind is InputKind.PREFIX:
            return ManifestObject(given.location, "")
        return self.manifests.find(given.location)

    def read(
        self,
        given: BulkInput,
        etag: str,
        *,
        after: ManifestSpan | None = None,
        after_key: str | None = None,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> Iterator[bytes]:
        """Yield the bytes of the manifest in chunks of bounded size. Those of a prefix are the lines of its listing.

        Args:
            given: What is read.
            etag: The content that the job began with.
            after: The last planned span, behind which the bytes begin. None for all bytes.
            after_key: The last listed key of a prefix.
            on_bytes: Called with the number of bytes that are read of a JSONL or gzip file.

        Raises:
            UnfetchableUrl: The input is absent, was replaced or can't be read.
            UnreadableManifest: The input isn't what its name says, or is broken.
            Overloaded: A retry may help.
        """
        start_byte = after.stop_byte if after else 0
        manifest = ManifestObject(given.location, etag)
        match given.kind:
            case InputKind.LINES:
                return _counted(self.manifests.open(manifest).read(start_byte), on_bytes)
            case InputKind.GZIP:
                return gunzip(_counted(self.manifests.open(manifest).read(), on_bytes), start_byte)
            case InputKind.PARQUET:
                return self._read_rows(manifest, after.first_line + after.lines - 1 if after else 0)
            case InputKind.PREFIX:
                return self._list(given.location, after_key)

    def open_parquet(self, manifest: ManifestObject) -> ParquetRows:
        """Read the footer of a Parquet file. See `read` for the errors."""
        found = self.manifests.find(manifest.location)
        if found.etag != manifest.etag:
            raise UnfetchableUrl(REPLACED)
        return ParquetRows(RangeFile(self.manifests.open(found), found.size))

    def _read_rows(self, manifest: ManifestObject, skip_rows: int) -> Iterator[bytes]:
        yield from self.open_parquet(manifest).lines(skip_rows)

    def _list(self, prefix: ManifestLocation, after_key: str | None) -> Iterator[bytes]:
        yield from to_listing(self.manifests.list_pages(prefix, after_key))


def _counted(chunks: Iterable[bytes], on_bytes: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        on_bytes(len(chunk))
        yield chunk
