"""Publishing a job's end: one event, the first attempt of its webhook, and again after a crash."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pigeonhole.contract.messages import JobEnded
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import LEASE_S, MAX_BACKOFF_S, Job, NotificationStatus
from pigeonhole.jobs.sweep import SweepSummary
from support.job_fixtures import ACME, HOOK, Jobs


def busy() -> None:
    raise Overloaded("busy")


def ended(jobs: Jobs, **more: object) -> Job:
    job = jobs.submitted(4, **more)  # type: ignore[arg-type]
    jobs.work()
    return jobs.job(job)


def test_an_end_is_published_once_with_the_counts_of_the_job() -> None:
    jobs = Jobs()
    job = ended(jobs)

    jobs.notify()

    assert jobs.bus.events == [
        JobEnded(
            tenant_id="acme",
            job_id=job.id,
            status=job.status,
            total=4,
            succeeded=4,
            failed=0,
            created_at="1970-01-01T00:16:40Z",
            finished_at="1970-01-01T00:16:40Z",
        )
    ]
    assert (jobs.job(job).notification, jobs.job(job).due_at) == (NotificationStatus.PUBLISHED, None)
    assert jobs.webhooks.sent == []


@pytest.mark.parametrize("status", ["canceled", "failed"])
def test_every_end_is_published(status: str) -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    if status == "canceled":
        jobs.canceler.cancel(ACME, job.id)
    else:
        jobs.abandon(jobs.take())

    jobs.notify()

    assert [event.status for event in jobs.bus.events] == [status]


def test_a_redelivered_record_publishes_nothing() -> None:
    jobs = Jobs()
    job = ended(jobs)
    jobs.notify()

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert len(jobs.bus.events) == 1


def test_a_job_that_has_not_ended_or_is_absent_is_not_published() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert jobs.notifier.notify("acme", "0" * 32) is None
    assert jobs.bus.events == []


def test_only_one_of_two_concurrent_notifiers_publishes() -> None:
    jobs = Jobs()
    job = ended(jobs)
    inside = Jobs(store=jobs.store, bus=jobs.bus, webhooks=jobs.webhooks)

    def other() -> None:
        jobs.store.before = lambda: None
        inside.notifier.notify(job.tenant_id, job.id)

    jobs.store.before = other

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert len(jobs.bus.events) == 1


def test_an_end_whose_record_was_lost_is_published_after_the_sweep() -> None:
    jobs = Jobs()
    ended(jobs)
    jobs.store.stream.clear()  # the record was lost

    assert jobs.sweeper.sweep() == SweepSummary(due=0)
    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, notified=1)
    jobs.notify()

    assert len(jobs.bus.events) == 1
    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=0)


def test_an_end_that_a_busy_bus_refused_is_published_after_the_sweep() -> None:
    jobs = Jobs()
    ended(jobs)
    jobs.bus.before = busy
    with pytest.raises(Overloaded):
        jobs.notify()
    jobs.bus.before = lambda: None
    jobs.notify()
    assert jobs.bus.events == [], "the notifier that claimed the end may still publish it"

    jobs.now += LEASE_S
    jobs.sweeper.sweep()
    jobs.notify()

    assert len(jobs.bus.events) == 1


def test_the_first_attempt_of_a_webhook_is_requested() -> None:
    jobs = Jobs()
    job = ended(jobs, webhook_url=HOOK)

    jobs.notify()

    assert [(message.job_id, message.attempt) for message in jobs.webhooks.sent] == [(job.id, 1)]
    assert jobs.job(job).due_at == jobs.now + LEASE_S, "in case the message is lost"


def test_a_first_attempt_whose_message_was_lost_is_requested_by_the_sweep() -> None:
    jobs = Jobs()
    ended(jobs, webhook_url=HOOK)
    jobs.webhooks.before = busy
    jobs.notify()
    jobs.webhooks.before = lambda: None

    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, webhooks=1)

    assert [message.attempt for message in jobs.webhooks.sent] == [1]
    assert len(jobs.bus.events) == 1


def test_a_bus_that_refuses_for_a_day_delays_no_webhook_and_is_tried_after_growing_pauses() -> None:
    jobs = Jobs()
    job = ended(jobs, webhook_url=HOOK)
    jobs.bus.before = busy
    started, redeliveries = jobs.now, 0
    while jobs.now < started + 24 * 3600:
        while jobs.store.stream:
            with suppress(Overloaded):
                jobs.notifier.notify(*jobs.store.stream.pop())
        while jobs.webhooks.sent:
            jobs.deliverer.deliver(jobs.webhooks.sent.pop())
        jobs.now += 60
        redeliveries += jobs.sweeper.sweep().notified

    assert [url for url, _, _ in jobs.poster.posted] == [HOOK]
    assert 20 < redeliveries < 40
    assert jobs.job(job).notification is not NotificationStatus.PUBLISHED
    jobs.bus.before = lambda: None
    jobs.now += MAX_BACKOFF_S
    jobs.sweeper.sweep()
    jobs.notify()
    assert len(jobs.bus.events) == 1
    assert jobs.job(job).due_at is None


def test_an_end_is_not_published_twice_because_the_table_was_busy() -> None:
    jobs = Jobs()
    job = ended(jobs)
    failures = iter([None, busy, busy, busy])

    def busy_after_the_event() -> None:
        if trouble := next(failures, None):
            trouble()

    jobs.store.before = busy_after_the_event
    jobs.notify()

    assert jobs.job(job).due_at is None
    assert len(jobs.bus.events) == 1
