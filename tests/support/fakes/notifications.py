"""Fakes of the event bus, the queue of webhooks and the webhooks' receivers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pigeonhole.contract.messages import AnyEvent, ClassifiedUpload, JobEnded, UploadsClassified, WebhookMessage


@dataclass
class FakeEventBus:
    """An EventBus in memory.

    Attributes:
        published: All events.
        before: Is called before each event, and may raise.
    """

    published: list[AnyEvent] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    @property
    def events(self) -> list[JobEnded]:
        """The events of jobs' ends."""
        return [event for event in self.published if isinstance(event, JobEnded)]

    @property
    def upload_events(self) -> list[UploadsClassified]:
        """The events of uploads' results."""
        return [event for event in self.published if isinstance(event, UploadsClassified)]

    @property
    def uploads(self) -> list[ClassifiedUpload]:
        """The uploads of all these events."""
        return [upload for event in self.upload_events for upload in event.uploads]

    def put(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            self.before()
            self.published.append(event)


@dataclass
class FakeWebhookQueue:
    """A WebhookQueue in memory.

    Attributes:
        sent: All messages.
        before: Is called before each message, and may raise.
    """

    sent: list[WebhookMessage] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)


@dataclass
class FakePoster:
    """A WebhookPoster without a network.

    Attributes:
        answers: Status or error of each POST, the first one next. Without an answer the status is 200.
        posted: URL, body and headers of each POST.
    """

    answers: list[int | Exception] = field(default_factory=list)
    posted: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.posted.append((url, body, dict(headers)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer
