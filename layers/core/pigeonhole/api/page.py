"""Answer with a document that no request changes: compressed if the caller takes that, and 304 if the caller has it."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from functools import cached_property

from pigeonhole.api.http_answers import HttpAnswer
from pigeonhole.api.http_request import HttpRequest

COMPRESSED = ("text/", "image/svg")  # the beginnings of the media types that gzip makes smaller


@dataclass(frozen=True)
class Page:
    """A document that is the same for every caller.

    Attributes:
        content: The document.
        media_type: Its media type.
        policy: Its Content-Security-Policy.
    """

    content: bytes = field(repr=False)
    media_type: str
    policy: str

    @cached_property
    def etag(self) -> str:
        """The hash of the document. It is weak, because the compressed document has the same ETag."""
        return f'W/"{hashlib.sha256(self.content).hexdigest()[:16]}"'

    @cached_property
    def compressed(self) -> bytes:
        """The document, compressed with gzip. Every call returns the same."""
        return gzip.compress(self.content, mtime=0)

    @property
    def text(self) -> str:
        """The document, if it is a text."""
        return self.content.decode("utf-8")

    @property
    def is_compressible(self) -> bool:
        """Whether gzip makes the document smaller."""
        return self.media_type.startswith(COMPRESSED)


def to_page_answer(page: Page, request: HttpRequest) -> HttpAnswer:
    """Answer 200 with a page, or 304 if the caller has it. A cache asks again each time, so a deployment shows at once."""
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": page.policy,
        "ETag": page.etag,
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Encoding",
    }
    if page.etag.removeprefix("W/") in request.known_etags:
        return HttpAnswer(304, "", page.media_type, headers)
    if page.is_compressible and request.accepts_gzip:
        return HttpAnswer(200, page.compressed, page.media_type, headers | {"Content-Encoding": "gzip"})
    content = page.text if page.is_compressible else page.content
    return HttpAnswer(200, content, page.media_type, headers)
