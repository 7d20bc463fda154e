"""A ResultStore in memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class FakeResultStore:
    """Stores the files of a bulk job's results in a dict, in the order in which they were stored."""

    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, name: str, data: bytes) -> None:
        self.files.pop(name, None)
        self.files[name] = data
