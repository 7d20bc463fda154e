"""Fail the lines of a span whose every attempt failed, so that its job ends.

As for the chunks of other jobs (jobs/dead_letters.py), a message that no worker has attempted is queued again. The spans of a
failed GPU run fail as well (gpu/failures.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from pigeonhole.bulk.gpu.failures import is_last_run
from pigeonhole.bulk.open_span import ManifestGone, OpenSpan, SpanOpener
from pigeonhole.bulk.ports import SpanQueue, SpanStore
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.messages import FailedSpanMessage, SpanMessage
from pigeonhole.jobs.dead_letters import ABANDONED, MIN_RETRIES


@dataclass(frozen=True, kw_only=True)
class SpanAbandoner:
    """The service behind functions/dead_letters for the spans of bulk jobs."""

    opener: SpanOpener
    spans: SpanStore
    span_queue: SpanQueue

    def abandon(self, message: SpanMessage) -> int:
        """Give the lines of a dead message that have no result an error, and queue it again for a worker to write its parts.

        Returns:
            The number of lines that failed now.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        span = self.opener.open(message)
        if span is None or self.spans.is_complete(span.job, message.number):
            return 0
        # A job over millions of lines may run for days, so its age alone says little before half of its time is over.
        failed, max_age_s = 0, (span.job.expires_at - span.job.created_at) / 2
        was_attempted = self.spans.count_attempts(span.job, message.number) >= MIN_RETRIES
        if was_attempted or self.opener.clock() >= span.job.created_at + max_age_s:
            failed = self._fail_lines(span, message, ABANDONED)
        self.span_queue.send([message])
        return failed

    def fail(self, failed: FailedSpanMessage) -> int:
        """Give the lines of a failed GPU run's span that have no result an error, and queue it for a worker to write its parts.

        Returns:
            The number of lines that failed now.

        Raises:
            Overloaded: The table, the bucket or the queue is busy. Trying again may help.
        """
        message = failed.span
        span = self.opener.open(message)
        if span is None or not is_last_run(span.job, failed.run) or self.spans.is_complete(span.job, message.number):
            return 0
        lines = self._fail_lines(span, message, failed.error)
        self.span_queue.send([message])
        return lines

    def _fail_lines(self, span: OpenSpan, message: SpanMessage, error: ErrorReply) -> int:
        failed, (_, rest) = 0, span.pieces.read(span.span)
        while rest:
            try:
                errors = span.fail_lines(rest, error)
            except ManifestGone as gone:
                self.opener.fail_job(message, gone)
                return failed
            failed += len(errors.errors) if span.pieces.write(errors) else 0
            _, rest = span.pieces.read(span.span)
        return failed
