"""Let a process crash at one of its calls to a port, or be refused, or be overtaken by another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pigeonhole.errors import Overloaded


class Crash(Exception):
    """The process that made the call has crashed."""


class Fate:
    """What happens to a process at one of its calls to a port.

    Attributes:
        other: What another process does before the call.
    """

    def __init__(self, other: Callable[[], None]) -> None:
        self.other = other
        self.at, self.kind, self.calls = 0, "", 0

    def set(self, at: int, kind: str) -> None:
        self.at, self.kind, self.calls = at, kind, 0

    def survive(self, step: Callable[[], Any], fate: tuple[int, str] = (0, "")) -> Any:
        """Run a process, and return its result or the error that ended it. `fate` is at which call what happens."""
        self.set(*fate)
        try:
            return step()
        except (Crash, Overloaded) as error:
            return error
        finally:
            self.set(0, "")


class Faulty:
    """A port, one of whose calls ends as `fate` says."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._port, name)
        return self._faulty(attribute) if callable(attribute) else attribute

    def _faulty(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def method(*arguments: Any, **named: Any) -> Any:
            self._fate.calls += 1
            if self._fate.calls != self._fate.at:
                return call(*arguments, **named)
            if self._fate.kind == "overtaken":
                self._fate.other()
                return call(*arguments, **named)
            if self._fate.kind == "busy":
                raise Overloaded("busy")
            if self._fate.kind == "after":
                call(*arguments, **named)
            raise Crash

        return method
