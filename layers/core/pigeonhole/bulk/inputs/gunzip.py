"""Decompress a gzip file in constant memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from pigeonhole.bulk.manifest import UnreadableManifest

CHUNK_BYTES = 1_000_000
GZIP_FORMAT = 16 + zlib.MAX_WBITS
BROKEN = "the manifest is no gzip file, or it is broken or cut off; compress it again"


def gunzip(chunks: Iterable[bytes], skip_bytes: int = 0) -> Iterator[bytes]:
    """Yield the content of a gzip file, which may have several members, in chunks of at most 1 MB.

    Args:
        chunks: The bytes of the file, in chunks of any size.
        skip_bytes: How many bytes of the content are left out at its start.

    Raises:
        UnreadableManifest: The file is no gzip file, is broken, or is cut off.
    """
    for data in _decompress(chunks):
        if skip_bytes < len(data):
            yield data[skip_bytes:]
        skip_bytes = max(0, skip_bytes - len(data))


def _decompress(chunks: Iterable[bytes]) -> Iterator[bytes]:
    member, has_begun = zlib.decompressobj(GZIP_FORMAT), False
    for chunk in chunks:
        while chunk:
            if member.eof:
                chunk = chunk.lstrip(b"\0")  # padding behind a member
                if not chunk:
                    break
                member, has_begun = zlib.decompressobj(GZIP_FORMAT), False
            has_begun = True
            try:
                data = member.decompress(chunk, CHUNK_BYTES)
            except zlib.error:
                raise UnreadableManifest(BROKEN) from None
            chunk = member.unused_data if member.eof else member.unconsumed_tail
            if data:
                yield data
    if has_begun and not member.eof:
        raise UnreadableManifest(BROKEN)
