"""Fail the samples of a message whose every attempt failed, so that its job ends and no caller waits for it."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.contract.messages import ChunkMessage, ErrorReply
from pigeonhole.jobs.job import Part
from pigeonhole.jobs.parts import PartWriter
from pigeonhole.jobs.results import PartResults

ABANDONED = ErrorReply(
    code="internal_error",
    message="The sample could not be classified: every attempt failed. Send it again.",
)


@dataclass(frozen=True, kw_only=True)
class DeadLetterHandler:
    """The service behind functions/dead_letters."""

    parts: PartWriter

    def fail(self, message: ChunkMessage) -> Part | None:
        """Store an error for the samples of a message that have no results.

        Returns:
            The part with the errors. None if no sample is left or the job has ended.

        Raises:
            Overloaded: The table or the bucket is busy. Trying again may help.
        """
        begun = self.parts.begin(message)
        if begun is None:
            return None
        written = self.parts.write(*begun, PartResults(error=ABANDONED, is_abandoned=True))
        return written[1] if written else None
