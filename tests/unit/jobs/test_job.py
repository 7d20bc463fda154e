"""A job: its statuses, the parts of its samples, its notification, and idempotency keys."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import (
    ALLOWED_BEFORE,
    ENDED,
    LEASE_S,
    MAX_BACKOFF_S,
    IdempotencyKey,
    IllegalTransition,
    Job,
    NotificationStatus,
    Part,
    remaining_span,
    remaining_spans,
)
from pigeonhole.jobs.webhook import Webhook
from support.job_fixtures import job, part

NOW = 2_000.0


def in_status(status: JobStatus) -> Job:
    started = job().started(NOW)
    jobs_by_status = {
        JobStatus.QUEUED: lambda: job(),
        JobStatus.PROCESSING: lambda: started,
        JobStatus.SUCCEEDED: lambda: started.with_part(part(0, 10), NOW),
        JobStatus.FAILED: lambda: started.with_part(part(0, 10, failed=10), NOW),
        JobStatus.CANCELED: lambda: started.canceled(NOW),
    }
    return jobs_by_status[status]()


@pytest.mark.parametrize("status", JobStatus)
def test_each_status_is_reached(status: JobStatus) -> None:
    reached = in_status(status)

    assert reached.status is status
    assert reached.has_ended is (status in ENDED)
    assert (reached.finished_at == NOW) is (status in ENDED)


@pytest.mark.parametrize("status", JobStatus)
def test_a_transition_that_is_not_allowed_raises(status: JobStatus) -> None:
    before = in_status(status)
    steps = {
        JobStatus.PROCESSING: lambda: before.started(NOW),
        JobStatus.SUCCEEDED: lambda: before.with_part(part(0, 10), NOW),
        JobStatus.FAILED: lambda: before.with_part(part(0, 10, failed=10), NOW),
        JobStatus.CANCELED: lambda: before.canceled(NOW),
    }
    for after, step in steps.items():
        if status in ALLOWED_BEFORE[after]:
            assert step().status is after
        else:
            with pytest.raises(IllegalTransition):
                step()


def test_an_end_is_final() -> None:
    assert all(not (ALLOWED_BEFORE[status] & ENDED) for status in JobStatus)


def test_parts_are_counted_and_the_last_one_ends_the_job() -> None:
    begun = job().started(NOW).with_part(part(0, 4, failed=1), NOW)
    assert (begun.status, begun.succeeded, begun.failed, begun.finished_at) == (JobStatus.PROCESSING, 3, 1, None)

    ended = begun.with_part(part(4, 10, failed=6), NOW + 1)
    assert (ended.status, ended.succeeded, ended.failed, ended.finished_at) == (JobStatus.SUCCEEDED, 3, 7, NOW + 1)


def test_more_samples_than_there_are_cannot_be_counted() -> None:
    with pytest.raises(IllegalTransition):
        job().started(NOW).with_part(part(0, 8), NOW).with_part(part(0, 8), NOW)


def test_every_change_is_a_new_version() -> None:
    versions = [version.version for version in (job(), job().queued(NOW, 1.0), job().with_next_check(1.0), job().started(NOW))]

    assert versions == [1, 2, 2, 2]


def test_the_notification_of_an_ended_job_is_pending_and_due() -> None:
    for status in ENDED:
        end = in_status(status)
        assert end.notification is NotificationStatus.PENDING
        assert end.due_at is not None
        assert end.finished_at is not None
        assert end.due_at == end.finished_at + LEASE_S
    assert in_status(JobStatus.PROCESSING).notification is None


def test_a_job_is_not_due_once_its_end_is_published() -> None:
    published = in_status(JobStatus.CANCELED).with_notification_claimed(NOW).with_notification_published()

    assert (published.notification, published.due_at) == (NotificationStatus.PUBLISHED, None)


@pytest.mark.parametrize("status", sorted(set(JobStatus) - ENDED))
def test_a_job_that_has_not_ended_has_no_end_to_publish(status: JobStatus) -> None:
    job = in_status(status)
    for change in (
        lambda: job.with_notification_pending(NOW),
        lambda: job.with_notification_claimed(NOW),
        job.with_notification_published,
        job.with_results_object,
        lambda: job.with_webhook(Webhook("https://example.com")),
    ):
        with pytest.raises(IllegalTransition):
            change()
    assert not replace(job, webhook=Webhook("https://example.com")).is_next_attempt(1)


def test_a_notification_is_claimed_once() -> None:
    claimed = in_status(JobStatus.FAILED).with_notification_claimed(NOW)

    with pytest.raises(IllegalTransition):
        claimed.with_notification_claimed(NOW)
    assert claimed.with_notification_pending(NOW).with_notification_claimed(NOW).notification is NotificationStatus.CLAIMED


@pytest.mark.parametrize(("succeeded", "failed"), [(3, 0), (4, 1), (5, -2)])
def test_a_part_counts_its_samples(succeeded: int, failed: int) -> None:
    with pytest.raises(ValueError, match="samples"):
        Part(Span(0, 4), succeeded, failed, data=b"")


def test_chunks_cover_the_samples_in_order() -> None:
    assert job(total=10, chunk_size=4).chunks() == [Span(0, 4), Span(4, 8), Span(8, 10)]
    assert job(total=4, chunk_size=500).chunks() == [Span(0, 4)]


def test_the_remaining_span_begins_where_the_chain_of_parts_ends() -> None:
    assert remaining_span(Span(4, 8), []) == Span(4, 8)
    assert remaining_span(Span(4, 8), [Span(4, 6)]) == Span(6, 8)
    assert len(remaining_span(Span(4, 8), [Span(4, 6), Span(6, 8)])) == 0
    assert remaining_span(Span(4, 8), [Span(0, 4), Span(8, 10)]) == Span(4, 8)


def test_a_message_for_less_than_a_part_has_nothing_left() -> None:
    assert len(remaining_span(Span(4, 6), [Span(4, 8)])) == 0


def test_the_remaining_spans_are_those_of_the_incomplete_chunks() -> None:
    assert remaining_spans(job(), [Span(0, 4), Span(4, 5)]) == [Span(5, 8), Span(8, 10)]


@given(st.data())
def test_in_any_order_of_messages_each_sample_is_stored_once(data: st.DataObject) -> None:
    """Workers receive messages, some twice or at the same time, store parts while they have time, and queue the rest."""
    drawn = job(total=data.draw(st.integers(1, 12)), chunk_size=data.draw(st.integers(1, 5)))
    messages, done = drawn.chunks(), dict[int, Span]()
    while messages:
        message = data.draw(st.sampled_from(messages))
        if data.draw(st.booleans(), label="is redelivered"):
            messages.append(message)
        messages.remove(message)
        rest = remaining_span(message, done.values())
        if not len(rest):
            continue
        written = Span(rest.start, data.draw(st.integers(rest.start + 1, rest.stop)))
        late = remaining_span(written, done.values())  # another worker may store results meanwhile, but none does here
        assert late == written
        assert written.start not in done
        done[written.start] = written
        if written.stop < rest.stop:
            messages.append(Span(written.stop, rest.stop))
        if len(messages) > 50:
            messages = list(dict.fromkeys(messages))
    in_order = sorted(done.values(), key=lambda span: span.start)
    assert [in_order[0].start, in_order[-1].stop] == [0, drawn.total]
    assert all(one.stop == other.start for one, other in pairwise(in_order))


def test_an_ended_job_is_due_when_its_notification_or_its_webhook_is() -> None:
    hook = Webhook("https://example.com")
    end = replace(in_status(JobStatus.PROCESSING), webhook=hook).canceled(NOW)
    assert end.due_at == NOW + LEASE_S

    published = end.with_notification_claimed(NOW).with_notification_published()
    assert published.due_at == NOW + LEASE_S, "the first attempt of its webhook"
    attempted = published.with_webhook(replace(hook, due_at=NOW + 30))
    assert attempted.due_at == NOW + 30
    assert attempted.with_webhook(replace(hook, status=DeliveryStatus.DELIVERED)).due_at is None
    assert end.with_webhook(replace(hook, status=DeliveryStatus.DELIVERED)).due_at == NOW + LEASE_S, "it isn't published yet"


def test_the_pauses_before_redeliveries_double_up_to_a_bound() -> None:
    end = in_status(JobStatus.CANCELED)

    assert [end.retry_at(NOW + waited) - NOW - waited for waited in (0, 60, 120, 240, 3_600, 80_000)] == [
        LEASE_S,
        60,
        120,
        240,
        3_600,
        MAX_BACKOFF_S,
    ]


def test_a_key_of_this_service_is_never_a_callers_key() -> None:
    keys = [IdempotencyKey(namespace, "k", b"body") for namespace in ("caller", "redrive", "uploads")]

    assert len({key.key_hash for key in keys}) == 3
    assert len({key.body_hash for key in keys}) == 1


def test_keys_that_were_claimed_before_an_upgrade_are_found_after_it() -> None:
    """A claim lives for a day, so these digests must not change."""

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    assert IdempotencyKey("caller", "key-1", b"").key_hash == digest("key-1")
    assert IdempotencyKey("redrive", "key-1", b"").key_hash == digest("redrive\nkey-1")
    assert IdempotencyKey("uploads", "key-1", b"").key_hash == digest("uploads\nkey-1")
