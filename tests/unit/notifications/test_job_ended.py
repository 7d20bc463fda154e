"""A job's end is told: one event, a webhook's first try, and again by the sweep if whoever told it was lost."""

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


def test_an_end_is_told_once_with_what_became_of_the_job() -> None:
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


@pytest.mark.parametrize("how", ["canceled", "failed"])
def test_every_end_is_told(how: str) -> None:
    jobs = Jobs()
    job = jobs.submitted(4)
    if how == "canceled":
        jobs.canceler.cancel(ACME, job.id)
    else:
        jobs.dead_letters.fail(jobs.take())

    jobs.notify()

    assert [event.status for event in jobs.bus.events] == [how]


def test_a_record_that_comes_again_tells_nothing() -> None:
    jobs = Jobs()
    job = ended(jobs)
    jobs.notify()

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert len(jobs.bus.events) == 1


def test_what_has_not_ended_or_is_not_there_is_not_told() -> None:
    jobs = Jobs()
    job = jobs.submitted(4)

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert jobs.notifier.notify("acme", "0" * 32) is None
    assert jobs.bus.events == []


def test_of_two_at_once_one_tells() -> None:
    jobs = Jobs()
    job = ended(jobs)
    inside = Jobs(store=jobs.store, bus=jobs.bus, webhooks=jobs.webhooks)

    def other() -> None:
        jobs.store.before = lambda: None
        inside.notifier.notify(job.tenant_id, job.id)

    jobs.store.before = other

    assert jobs.notifier.notify(job.tenant_id, job.id) is None
    assert len(jobs.bus.events) == 1


def test_an_end_that_nobody_told_is_told_after_the_sweep() -> None:
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


def test_a_bus_that_is_busy_is_asked_again_by_the_sweep() -> None:
    jobs = Jobs()
    ended(jobs)
    jobs.bus.before = busy
    with pytest.raises(Overloaded):
        jobs.notify()
    jobs.bus.before = lambda: None
    jobs.notify()
    assert jobs.bus.events == [], "who took it up may still be at it"

    jobs.now += LEASE_S
    jobs.sweeper.sweep()
    jobs.notify()

    assert len(jobs.bus.events) == 1


def test_a_webhooks_first_try_is_asked_for() -> None:
    jobs = Jobs()
    job = ended(jobs, webhook_url=HOOK)

    jobs.notify()

    assert [(it.job_id, it.attempt) for it in jobs.webhooks.sent] == [(job.id, 1)]
    assert jobs.job(job).due_at == jobs.now + LEASE_S, "should the message be lost"


def test_a_first_try_that_was_lost_is_asked_for_by_the_sweep() -> None:
    jobs = Jobs()
    ended(jobs, webhook_url=HOOK)
    jobs.webhooks.before = busy
    jobs.notify()
    jobs.webhooks.before = lambda: None

    jobs.now += LEASE_S
    assert jobs.sweeper.sweep() == SweepSummary(due=1, webhooks=1)

    assert [it.attempt for it in jobs.webhooks.sent] == [1]
    assert len(jobs.bus.events) == 1


def test_a_bus_that_refuses_for_a_day_holds_up_no_webhook_and_is_asked_ever_less_often() -> None:
    jobs = Jobs()
    job = ended(jobs, webhook_url=HOOK)
    jobs.bus.before = busy
    started, asked = jobs.now, 0
    while jobs.now < started + 24 * 3600:
        while jobs.store.stream:
            with suppress(Overloaded):
                jobs.notifier.notify(*jobs.store.stream.pop())
        while jobs.webhooks.sent:
            jobs.deliverer.deliver(jobs.webhooks.sent.pop())
        jobs.now += 60
        asked += jobs.sweeper.sweep().notified

    assert [url for url, _, _ in jobs.poster.posted] == [HOOK]
    assert 20 < asked < 40
    assert jobs.job(job).notification is not NotificationStatus.PUBLISHED
    jobs.bus.before = lambda: None
    jobs.now += MAX_BACKOFF_S
    jobs.sweeper.sweep()
    jobs.notify()
    assert len(jobs.bus.events) == 1
    assert jobs.job(job).due_at is None


def test_an_end_that_is_out_is_not_told_again_because_the_table_was_busy() -> None:
    jobs = Jobs()
    job = ended(jobs)
    tries = iter([None, busy, busy, busy])

    def busy_after_the_event() -> None:
        if trouble := next(tries, None):
            trouble()

    jobs.store.before = busy_after_the_event
    jobs.notify()

    assert jobs.job(job).due_at is None
    assert len(jobs.bus.events) == 1
