"""The addresses of a running local stack, in a file of its data folder. Other commands find the stack by them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

NAME = "addresses.json"


@dataclass(frozen=True)
class Addresses:
    """The addresses of a local stack.

    Attributes:
        api_url: That of the API.
        aws_url: That of the emulated AWS.
    """

    api_url: str
    aws_url: str

    @classmethod
    def read(cls, data: Path) -> Addresses | None:
        """Return the addresses of the stack of a data folder. None if it doesn't run.

        A stack that was killed leaves its addresses, so a caller has to try them.
        """
        try:
            return cls(**json.loads((data / NAME).read_text()))
        except (OSError, ValueError, TypeError):  # no file, or one of another version
            return None

    @contextmanager
    def published(self, data: Path) -> Iterator[None]:
        """Leave the addresses in a data folder for the length of a block."""
        file = data / NAME
        file.write_text(json.dumps(asdict(self)))
        try:
            yield
        finally:
            file.unlink(missing_ok=True)
