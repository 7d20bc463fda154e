"""Images by the values that name them, and commands that classify them; FakeEncoder sees their colours."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from PIL import Image

from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.messages import ClassifyCommand, S3Grant
from pigeonhole.errors import ForbiddenUrl, UnfetchableUrl
from pigeonhole.inference.encoders.fake_encoder import COLOURS
from pigeonhole.inference.images.fetch import ByteBudget

GRANTS = (S3Grant(bucket="uploads", prefix="incoming/acme/"),)
RED_GREEN = [{"type": "text", "value": "red"}, {"type": "text", "value": "green"}]


def png(colour: str, size: int = 16) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), COLOURS[colour]).save(file, "PNG")
    return file.getvalue()


@dataclass
class Web:
    """Values that can be read, and a count of who reads at one time."""

    files: dict[str, bytes]
    reads: list[str] = field(default_factory=list)
    grants: list[Sequence[S3Grant]] = field(default_factory=list)
    delay_s: float = 0.0
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(
        self, value: str, *, grants: Sequence[S3Grant], budget: ByteBudget, versions: Mapping[str, str] | None = None
    ) -> bytes:
        with self.lock:
            self.reads.append(value)
            self.grants.append(grants)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self.delay_s)
            if value.startswith("forbidden:"):
                raise ForbiddenUrl("not there")
            if value not in self.files:
                raise UnfetchableUrl("answered 404")
            return self.files[value]
        finally:
            with self.lock:
                self.at_once -= 1


def command(dataset: list[tuple[str, str]], labels: list[dict[str, str]], **options: object) -> ClassifyCommand:
    body = {"dataset": [{"type": kind, "value": value} for kind, value in dataset], "labels": labels, **options}
    return ClassifyCommand(log_id="log", tenant_id="acme", grants=GRANTS, request=ClassificationRequest.model_validate(body))
