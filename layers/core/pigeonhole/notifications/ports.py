"""What notifications need from the outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class WebhookPoster(Protocol):
    """Posts to addresses that callers named."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body and give the answer's status; what else is in the answer isn't read, and no redirect is followed.

        Raises ForbiddenUrl for an address that isn't allowed, UnfetchableUrl if there is no answer.
        """
        ...
