"""A fake API for `pigeonhole labels`, and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from support.cli.api_server import ApiServer

CAT_AND_DOG = ({"type": "text", "value": "cat"}, {"key": "dog", "type": "image", "value": "s3://kept/label-sets/t/pets/1f"})


def label_set(name: str = "pets", version: int = 1, labels: Sequence[Any] = CAT_AND_DOG, **options: Any) -> dict[str, Any]:
    times = {"created_at": "2026-05-04T10:20:30Z", "updated_at": "2026-05-05T11:21:31Z"}
    return {"name": name, "version": version, **times, "labels": list(labels), "multiple_labels": False, **options}


def label_set_answer(**fields: Any) -> dict[str, Any]:
    return {"success": True, "log_id": "log-1", "label_set": label_set(**fields)}


class LabelApi(ApiServer):
    command = "labels"
