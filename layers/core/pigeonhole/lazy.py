"""Something that is expensive to open and that many processes never use."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Lazy(Generic[T]):
    """A part that is opened at its first use. Thread-safe."""

    def __init__(self, open_part: Callable[[], T]) -> None:
        """Create a part.

        Args:
            open_part: Opens the part. It is called once, or again after an error.
        """
        self._open_part = open_part
        self._part: T | None = None
        self._lock = Lock()

    @property
    def part(self) -> T:
        """The opened part."""
        with self._lock:
            if self._part is None:
                self._part = self._open_part()
            return self._part


class LazyProxy(Generic[T]):
    """Stands for an object, which is created when the first of its attributes is read. Thread-safe."""

    def __init__(self, create: Callable[[], T]) -> None:
        """Create a proxy. `create` is as for Lazy."""
        self._object = Lazy(create)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object.part, name)
