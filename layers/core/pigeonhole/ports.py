"""What the services need from the outside, as Protocols. Adapters live in `aws/` and `encoders/`; fakes in tests/fakes.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from pigeonhole.contract.messages import AnyCommand, AnyEvent, ClassifyReply

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list.

    Attributes:
        items: The items of this page, in the list's order.
        next: Where the next page begins. None at the end of the list.
    """

    items: list[T]
    next: str | None


class ClassifierClient(Protocol):
    """The way from functions/api to functions/classify."""

    def call(self, command: AnyCommand) -> ClassifyReply:
        """Invoke once, never retried.

        Raises TimedOut (no answer in time), Overloaded (throttled), InternalError (the function failed).
        """
        ...


class BlobStore(Protocol):
    """Objects in S3 that a caller names. The check against the tenant's grants is done by sources.py, before."""

    def read(
        self,
        bucket: str,
        key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Get an object, the newest version of it unless another is named.

        `on_bytes`: is told how many bytes came, as they come, and may end the reading by raising.

        Raises UnfetchableUrl (absent, or not ours to read), TooLarge (more than `max_bytes`, nothing more is read), Overloaded.
        """
        ...


class ObjectStore(Protocol):
    """The deployment's own objects: what jobs work on, and results that are too large for an item. Raise Overloaded."""

    def put(self, key: str, data: bytes, content_type: str) -> None: ...

    def etag(self, key: str) -> str | None:
        """What tells an object from any other that may come to lie there; None if there is none."""
        ...

    def replace(self, key: str, data: bytes, content_type: str, known: str | None) -> bool:
        """Put an object where the one of the ETag `known` lies, None: where none does.

        False, and nothing is written, if that isn't so.
        """
        ...

    def get(self, key: str, version_id: str | None = None) -> bytes | None:
        """An object's bytes, None if there is none: the newest version's, or those of the one that is named."""
        ...

    def link(self, key: str, seconds: int) -> str:
        """An address from which anybody may read the object for so long."""
        ...

    def mark_unused(self, key: str) -> None:
        """Let a lifecycle rule delete an object once no job can need it any more. An absent object is no error."""
        ...

    def mark_used(self, key: str) -> None:
        """Protect an object that was marked unused from deletion. An absent object is no error."""
        ...


class RetryQueue(Protocol):
    """A queue whose messages are worked on here."""

    def retry_in(self, receipt: str, seconds: int) -> None:
        """Let a message that is being worked on come again in `seconds`, instead of when its visibility ends.

        Raises Overloaded.
        """
        ...


class EventBus(Protocol):
    """Where a deployment tells whoever listens what has happened."""

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Raises Overloaded if one of them may not have been taken."""
        ...
