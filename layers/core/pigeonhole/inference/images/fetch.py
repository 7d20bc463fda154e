"""A caller's value to bytes: the one door for images, whichever way they are named.

    form                        rule
    ──────────────────────────  ───────────────────────────────────────────────────────────────────────────────
    https://…  (http://…)       through net.py's rules
    data:image/…;base64,…       decoded here; base64 in either alphabet, with or without padding, white space, %xx
    s3://bucket/key             bucket and prefix granted to the tenant, compared byte for byte
    anything else               ForbiddenUrl

Whatever the form, the bytes count against the request's budget as they come.
"""

from __future__ import annotations

import binascii
import re
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import ForbiddenUrl, Overloaded, TooLarge, UnfetchableUrl, UnreadableImage
from pigeonhole.net.guarded_http import GuardedClient
from pigeonhole.ports import BlobStore

ACCEPTED = "an https:// URL, a data:image/…;base64,… URL or s3://bucket/key"

_SPACE = re.compile(rb"\s+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class BudgetSpent(TooLarge):
    """An image that might have been read, had others not come before it."""


class SourceBusy(UnfetchableUrl):
    """An object of S3 that may be had a moment later."""


class ByteBudget:
    """The bytes that one request may bring in: `total` in all, `per_item` for each image. Safe to use from several threads.

    What came counts even where its image then failed: it is the traffic that is bounded, and with it the memory.
    """

    def __init__(self, total: int, per_item: int) -> None:
        self.per_item = per_item
        self._total = total
        self._left = total
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Take `count` bytes. Raises BudgetSpent where fewer are left."""
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise BudgetSpent(
                    f"the images of this request are larger than {_megabytes(self._total)} together; send fewer at a time"
                )

    def check_item(self, count: int) -> None:
        """Raises TooLarge where one image of `count` bytes is too large."""
        if count > self.per_item:
            raise TooLarge(f"the image is larger than {_megabytes(self.per_item)}; send a smaller one")


class Sources:
    """Reads values. `blobs`: None where the deployment reads no S3. Safe to use from several threads."""

    def __init__(self, fetcher: GuardedClient, blobs: BlobStore | None) -> None:
        self._fetcher = fetcher
        self._blobs = blobs

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        """Get the bytes that `value` names or holds. `grants`: what the tenant may name by s3://; `versions`: which version of
        its object an s3:// value means, where that isn't the newest.

        Raises ForbiddenUrl (not allowed, whatever is there), UnfetchableUrl (not to be had; SourceBusy: not now),
        UnreadableImage (a malformed data: URL) or TooLarge.
        """
        match value.partition(":")[0].lower():
            case "https" | "http":
                return self._fetcher.fetch(value, max_bytes=budget.per_item, on_bytes=budget.spend)
            case "data":
                return _decode(value, budget)
            case "s3":
                return self._read_blob(value, grants, budget, (versions or {}).get(value))
        raise ForbiddenUrl(f"an image's value is {ACCEPTED}")

    def _read_blob(self, value: str, grants: Sequence[S3Grant], budget: ByteBudget, version_id: str | None) -> bytes:
        bucket, key = _bucket_and_key(value)
        granted = any(bucket == grant.bucket and key.startswith(grant.prefix) for grant in grants)
        if self._blobs is None or not granted:
            raise ForbiddenUrl("the s3:// address is under no prefix that is granted to you; GET /v1/account names yours")
        try:
            return self._blobs.read(bucket, key, budget.per_item, version_id=version_id, on_bytes=budget.spend)
        except Overloaded as error:
            raise SourceBusy("S3 is too busy to give the object; try again") from error


def _bucket_and_key(value: str) -> tuple[str, str]:
    """Split as S3 does: no decoding, no normalising, `?`, `#`, `..` and `//` are part of the key."""
    found = re.fullmatch(r"s3://([^/]+)/(.+)", value, re.DOTALL)
    if not found:
        raise ForbiddenUrl("an S3 address is written s3://bucket/key")
    return found[1], found[2]


def _decode(value: str, budget: ByteBudget) -> bytes:
    header, comma, payload = value.partition(",")
    if not comma:
        raise UnreadableImage("the data: URL has no comma; write data:image/png;base64, and then the file in base64")
    data = unquote_to_bytes(payload.encode(errors="replace"))
    if header.lower().rstrip().endswith(";base64"):
        data = _from_base64(data)
    if not data:
        raise UnreadableImage("the data: URL is empty after its comma; the file in base64 goes there")
    budget.check_item(len(data))
    budget.spend(len(data))
    return data


def _from_base64(text: bytes) -> bytes:
    text = _SPACE.sub(b"", text).translate(_URL_SAFE).rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        raise UnreadableImage(
            "the data: URL doesn't hold base64 after its comma; encode the whole file and nothing else"
        ) from None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:g} MB"
