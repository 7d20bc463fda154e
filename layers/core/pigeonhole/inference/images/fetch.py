"""Turn the value of an image into bytes. Every image of a caller is read here, whatever form its value has.

    form                        rule
    ──────────────────────────  ───────────────────────────────────────────────────────────────────────────────
    https://…  (http://…)       the rules of net/guarded_http.py
    data:image/…;base64,…       decoded here; base64 in either alphabet, with or without padding, white space, %xx
    s3://bucket/key             bucket and prefix granted to the tenant, compared byte for byte
    any other form              ForbiddenUrl

The bytes of every form count against the request's budget as they arrive.
"""

from __future__ import annotations

import binascii
import re
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import ForbiddenUrl, Overloaded, TooLarge, UnfetchableUrl, UnreadableImage
from pigeonhole.ports import BlobStore

if TYPE_CHECKING:
    from pigeonhole.net.guarded_http import GuardedClient

ACCEPTED = "an https:// URL, a data:image/…;base64,… URL or s3://bucket/key"

_SPACE = re.compile(rb"\s+")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class BudgetExceeded(TooLarge):
    """The image doesn't fit the rest of the request's budget, although it may be small enough by itself."""


class StorageBusy(UnfetchableUrl):
    """S3 is too busy to give the object. A later attempt may succeed."""


class ByteBudget:
    """The number of bytes that the images of one request may have. Thread-safe.

    Bytes that arrived count even if their image then fails, because the budget limits traffic and memory.
    """

    def __init__(self, *, total: int, per_item: int) -> None:
        """Create a budget.

        Args:
            total: The bytes of all images together.
            per_item: The bytes of one image.
        """
        self.per_item = per_item
        self._total = total
        self._left = total
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Take bytes from the budget.

        Raises:
            BudgetExceeded: Fewer than `count` bytes are left.
        """
        with self._lock:
            self._left -= count
            if self._left < 0:
                raise BudgetExceeded(
                    f"the images of this request are larger than {_megabytes(self._total)} together; send fewer at a time"
                )

    def check_item(self, count: int) -> None:
        """Check the size of one image.

        Raises:
            TooLarge: The image has more than `per_item` bytes.
        """
        if count > self.per_item:
            raise TooLarge(f"the image is larger than {_megabytes(self.per_item)}; send a smaller one")


class ImageFetcher:
    """Reads the bytes of images by their values. Thread-safe."""

    def __init__(self, *, http: GuardedClient, blobs: BlobStore | None) -> None:
        """Create a fetcher.

        Args:
            http: The client for web addresses.
            blobs: The store for S3 addresses, None if the deployment reads no S3.
        """
        self._http = http
        self._blobs = blobs

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        """Read the bytes of an image.

        Args:
            value: The web address, `data:` URL or S3 address of the image.
            grants: What the tenant may name by `s3://`.
            budget: The budget of the request.
            versions: The version of the object that an `s3://` value means, where that isn't the newest.

        Raises:
            ForbiddenUrl: The caller may not name this value, whether or not there is an image.
            UnfetchableUrl: The image can't be fetched.
            StorageBusy: The image can't be fetched now.
            UnreadableImage: The `data:` URL is malformed.
            TooLarge: The image is too large.
        """
        match value.partition(":")[0].lower():
            case "https" | "http":
                return self._http.fetch(value, max_bytes=budget.per_item, on_bytes=budget.spend)
            case "data":
                return _decode(value, budget)
            case "s3":
                return self._read_blob(value, grants, budget, (versions or {}).get(value))
        raise ForbiddenUrl(f"the value of an image must be {ACCEPTED}")

    def _read_blob(self, value: str, grants: Sequence[S3Grant], budget: ByteBudget, version_id: str | None) -> bytes:
        bucket, object_key = _split_address(value)
        is_granted = any(bucket == grant.bucket and object_key.startswith(grant.prefix) for grant in grants)
        if self._blobs is None or not is_granted:
            raise ForbiddenUrl("the s3:// address is under no prefix that is granted to you; GET /v1/account names yours")
        try:
            return self._blobs.read(bucket, object_key, budget.per_item, version_id=version_id, on_bytes=budget.spend)
        except Overloaded as error:
            raise StorageBusy("S3 is too busy to give the object; try again") from error
        except UnfetchableUrl as error:
            if object_key != object_key.rstrip():
                raise UnfetchableUrl(f"{error.message}; the key ends in a blank or a line break, which is part of it") from None
            raise


def _split_address(value: str) -> tuple[str, str]:
    """Split an S3 address into bucket and object key, as S3 does: `?`, `#`, `..` and `//` are part of the key."""
    match = re.fullmatch(r"s3://([^/]+)/(.+)", value, re.DOTALL)
    if not match:
        raise ForbiddenUrl("an S3 address must have the form s3://bucket/key")
    return match[1], match[2]


def _decode(value: str, budget: ByteBudget) -> bytes:
    header, comma, payload = value.partition(",")
    if not comma:
        raise UnreadableImage("the data: URL has no comma; write data:image/png;base64, and then the file in base64")
    data = unquote_to_bytes(payload.encode(errors="replace"))
    if header.lower().rstrip().endswith(";base64"):
        data = _from_base64(data)
    if not data:
        raise UnreadableImage("the data: URL is empty after its comma; put the file in base64 there")
    budget.check_item(len(data))
    budget.spend(len(data))
    return data


def _from_base64(text: bytes) -> bytes:
    text = _SPACE.sub(b"", text).translate(_URL_SAFE).rstrip(b"=")
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        raise UnreadableImage(
            "the data: URL must hold base64 after its comma; encode the whole file and only the file"
        ) from None


def _megabytes(count: int) -> str:
    return f"{count / 1e6:g} MB"
