"""Fake image values, and commands that classify them. FakeEncoder reads only their colours."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ClassifyCommand, S3Grant
from pigeonhole.errors import ForbiddenUrl, UnfetchableUrl
from pigeonhole.inference.images.fetch import ByteBudget
from support.fake_encoder import COLOURS

GRANTS = (S3Grant(bucket="uploads", prefix="incoming/acme/"),)
RED_GREEN = [{"type": "text", "value": "red"}, {"type": "text", "value": "green"}]


def image_file(colour: str, size: int = 16, kind: str = "PNG") -> bytes:
    """Return a square image of one colour as a file of Pillow's format `kind`."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), COLOURS[colour]).save(file, kind)
    return file.getvalue()


@dataclass
class FakeWeb:
    """An ImageFetcher over a dict. Values that start with "forbidden:" may not be fetched.

    Attributes:
        files: The bytes by value.
        fetched: The values that were fetched.
        grants: The grants of each fetch.
        delay_s: How long each fetch takes.
        running: The number of fetches that run now.
        max_running: The largest number of fetches that ran at the same time.
    """

    files: dict[str, bytes]
    fetched: list[str] = field(default_factory=list)
    grants: list[Sequence[S3Grant]] = field(default_factory=list)
    delay_s: float = 0.0
    running: int = 0
    max_running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        with self.lock:
            self.fetched.append(value)
            self.grants.append(grants)
            self.running += 1
            self.max_running = max(self.max_running, self.running)
        try:
            time.sleep(self.delay_s)
            if value.startswith("forbidden:"):
                raise ForbiddenUrl("not there")
            if value not in self.files:
                raise UnfetchableUrl("answered 404")
            return self.files[value]
        finally:
            with self.lock:
                self.running -= 1


def classify_command(dataset: list[tuple[str, str]], labels: list[dict[str, str]], **options: object) -> ClassifyCommand:
    """Create a command from (type, value) pairs, labels, and further fields of the request."""
    body = {"dataset": [{"type": kind, "value": value} for kind, value in dataset], "labels": labels, **options}
    return ClassifyCommand(log_id="log", tenant_id="acme", grants=GRANTS, request=ClassificationRequest.model_validate(body))
