"""End what a dead message stood for: its samples failed, so that the job ends and nobody waits for ever."""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.contract.messages import ChunkMessage, ErrorReply, PartResults
from pigeonhole.jobs.job import Part
from pigeonhole.jobs.parts import PartWriter

GAVE_UP = ErrorReply(
    code="internal_error",
    message="The sample could not be classified: no try came to an end. Send it again.",
)


@dataclass(frozen=True, kw_only=True)
class DeadLetterHandler:
    """The service behind functions/dead_letters."""

    parts: PartWriter

    def fail(self, message: ChunkMessage) -> Part | None:
        """Let what is left of a message's span fail; the part that says so, None if nothing is left.

        Raises Overloaded where trying again may help.
        """
        begun = self.parts.begin(message)
        if begun is None:
            return None
        written = self.parts.write(*begun, PartResults(error=GAVE_UP, gave_up=True))
        return written[1] if written else None
