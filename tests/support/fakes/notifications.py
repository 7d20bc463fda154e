"""Fakes of what a job's end is published to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pigeonhole.contract.messages import (
    AnyEvent,
    JobEnded,
    UploadClassified,
    WebhookMessage,
)


@dataclass
class FakeEventBus:
    """A ports.EventBus that keeps what was put. `before`: runs before each event, to fail."""

    put_on: list[AnyEvent] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    @property
    def events(self) -> list[JobEnded]:
        """The ends of jobs."""
        return [event for event in self.put_on if isinstance(event, JobEnded)]

    @property
    def uploads(self) -> list[UploadClassified]:
        return [event for event in self.put_on if isinstance(event, UploadClassified)]

    def put(self, events: Sequence[AnyEvent]) -> None:
        for event in events:
            self.before()
            self.put_on.append(event)


@dataclass
class FakeWebhookQueue:
    """A ports.WebhookQueue that keeps what was sent. `before`: runs before each message, to fail."""

    sent: list[WebhookMessage] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def send(self, messages: Sequence[WebhookMessage]) -> None:
        for message in messages:
            self.before()
            self.sent.append(message)


@dataclass
class FakePoster:
    """A ports.Poster that answers with the next of `answers`, a status or an error, and with 200 once there are no more."""

    answers: list[int | Exception] = field(default_factory=list)
    posted: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        self.posted.append((url, body, dict(headers)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer
