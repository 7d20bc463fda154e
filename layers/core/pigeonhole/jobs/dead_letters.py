"""Fail the samples of a message whose every attempt failed, so that its job ends and no caller waits for it.

SQS counts deliveries. A delivery for which Lambda had no room for a worker counts too, so a dead message may hold samples that
no worker has attempted. Such a message is queued again, for a day from the submission of its job, or for half of the time that
the job is kept if that is shorter.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import Part
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.ports import ChunkQueue, JobStore
from pigeonhole.jobs.results import PartResults

MIN_RETRIES = 2  # attempts at a redelivered message, after which its samples have failed
MAX_AGE_S = 24 * 3600  # of a job, up to which its messages are queued again
ABANDONED = ErrorReply(
    code="internal_error",
    message="The sample could not be classified: every attempt failed. Send it again.",
)


@dataclass(frozen=True)
class DeadLetterOutcome:
    """What happened to a dead message. Neither happens if its job has ended or its samples have results.

    Attributes:
        part: The part with the errors of the samples that failed.
        is_queued_again: Whether the message was queued again.
    """

    part: Part | None = None
    is_queued_again: bool = False


@dataclass(frozen=True, kw_only=True)
class DeadLetterHandler:
    """The service behind functions/dead_letters."""

    store: JobStore
    queue: ChunkQueue
    parts: PartWriter
    clock: Callable[[], float] = time.time

    def handle(self, message: ChunkMessage) -> DeadLetterOutcome:
        """Store an error for the samples of a message that have no results, or queue the message again.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        begun = self.parts.begin(message)
        if begun is None:
            return DeadLetterOutcome()
        job, rest = begun
        retries = self.store.count_attempts(job, Span(message.start, message.stop))
        max_age_s = min(MAX_AGE_S, (job.expires_at - job.created_at) / 2)
        if retries < MIN_RETRIES and self.clock() < job.created_at + max_age_s:
            self.queue.send([message])
            return DeadLetterOutcome(is_queued_again=True)
        written = self.parts.write(job, rest, PartResults(error=ABANDONED, is_abandoned=True))
        return DeadLetterOutcome(part=written[1] if written else None)
