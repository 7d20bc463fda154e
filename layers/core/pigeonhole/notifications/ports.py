"""What notifications need from the outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class WebhookPoster(Protocol):
    """Posts to addresses that callers named."""

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post a body. The rest of the answer isn't read, and no redirect is followed.

        Returns:
            The HTTP status of the answer.

        Raises:
            ForbiddenUrl: The address isn't allowed.
            UnfetchableUrl: There is no answer.
        """
        ...
