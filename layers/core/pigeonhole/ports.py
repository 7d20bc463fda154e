"""What several features need from the outside, as Protocols. Each feature's own are in its `ports.py`.

The adapters are in `aws/`, and the tests' fakes in `tests/support/fakes/`. Both pass the same tests (`tests/contract/`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pigeonhole.contract.commands import AnyCommand, ClassifyReply

if TYPE_CHECKING:  # functions/classify publishes no events, and their models take 0.02 s to build
    from pigeonhole.contract.messages import AnyEvent

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
    """Calls functions/classify from functions/api."""

    def call(self, command: AnyCommand) -> ClassifyReply:
        """Invoke the function once, without a retry.

        Raises:
            TimedOut: The function gave no answer in time.
            Overloaded: Lambda throttled the call.
            TooLarge: The command or the reply is above Lambda's limit.
            InternalError: The function failed.
        """
        ...


class BlobStore(Protocol):
    """Objects on S3 that belong to callers: uploads, and what a request names within its tenant's grants.

    An object that can't be read is its owner's fault, and no reason for a retry. The deployment's own objects are in an
    ObjectStore.
    """

    def read(
        self,
        bucket: str,
        object_key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Read an object.

        Args:
            bucket: The object's bucket.
            object_key: The object's key.
            max_bytes: The limit of its size.
            version_id: The version to read, the newest by default.
            on_bytes: Is called with the number of bytes as they come, and may end the read by raising.

        Raises:
            UnfetchableUrl: The object is absent, or this service may not read it.
            TooLarge: The object is larger than `max_bytes`.
            Overloaded: A retry may help.
        """
        ...


class ObjectStore(Protocol):
    """The deployment's objects in one bucket. Every method raises Overloaded if a retry may help."""

    def put(self, object_key: str, data: bytes, content_type: str) -> None:
        """Store an object."""
        ...

    def create(self, object_key: str, data: bytes, content_type: str) -> bool:
        """Store an object, unless there is one of this key.

        Returns:
            False, and nothing is written, if there is one.
        """
        ...

    def get(self, object_key: str) -> bytes | None:
        """Return the content of an object. None if there is no object."""
        ...

    def link(self, object_key: str, seconds: int) -> str:
        """Return a URL by which anybody can read the object for so many seconds."""
        ...

    def mark_unused(self, object_key: str) -> None:
        """Let a lifecycle rule delete an object once no job can need it any more. An absent object is no error."""
        ...

    def mark_used(self, object_key: str) -> None:
        """Protect an object that was marked unused from deletion. An absent object is no error."""
        ...


class RetryQueue(Protocol):
    """A queue whose messages this function processes."""

    def retry_in(self, receipt: str, seconds: int) -> None:
        """Have a message redelivered after so many seconds, and not when its visibility timeout ends.

        Raises:
            Overloaded: A retry may help.
        """
        ...


class EventBus(Protocol):
    """The bus on which a deployment publishes events."""

    def put(self, events: Sequence[AnyEvent]) -> None:
        """Publish events.

        Raises:
            Overloaded: At least one of the events may be unpublished.
        """
        ...
