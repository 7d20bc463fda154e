"""Jobs under any order of deliveries, crashes and retries that hypothesis generates: nothing is lost or counted twice.

Each end is published exactly once, unless a notifier crashed before it recorded that. Each webhook is delivered, and each of
its attempts is made at most once.

A process may crash before any call to a port, or after the call and before its result arrives. A port may refuse a call as
too busy. Another worker may do all its work between a read and a write. Messages are delivered in any order, twice, to two
workers at once, late or never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.messages import ChunkMessage
from pigeonhole.errors import JobFinished, NotFound, Overloaded, UnfetchableUrl
from pigeonhole.jobs.job import ENDED, IdempotencyKey, Job
from support.fakes import FakeChunkQueue, FakeEventBus, FakeJobStore, FakeObjectStore, FakePoster, FakeWebhookQueue
from support.faults import Crash, Fate, Faulty
from support.job_fixtures import ACME, BAD, HOOK, Jobs, even_or_odd, request

HISTORIES = 1_000
RECEIVES = 5  # the template's maxReceiveCount


BAD_INDICES = st.sets(st.integers(0, 8), max_size=2)
HOOKS = st.sampled_from([None, HOOK])
FATES = st.tuples(st.integers(0, 9), st.sampled_from(["before", "after", "busy", "overtaken"]))  # 0: nothing happens


class Histories(RuleBasedStateMachine):
    """One history: jobs are submitted, messages are processed, calls fail."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = Fate(self.overtake)
        self.store, self.queue = FakeJobStore(), FakeChunkQueue()
        self.bus, self.webhooks, self.poster = FakeEventBus(before=self.note_event), FakeWebhookQueue(), FakePoster()
        self.jobs = Jobs(
            Faulty(self.store, self.fate),
            Faulty(FakeObjectStore(), self.fate),
            Faulty(self.queue, self.fate),
            Faulty(self.webhooks, self.fate),
            Faulty(self.bus, self.fate),
            poster=Faulty(self.poster, self.fate),
        )
        self.jobs.run = self.run
        self.inside: list[int] = []  # the message that another worker processes meanwhile
        self.received: dict[int, int] = {}
        self.dead: list[ChunkMessage] = []
        self.ended: dict[str, Job] = {}
        self.bad: dict[str, set[int]] = {}
        self.buried: dict[str, set[int]] = {}
        self.jobs_by_key: dict[str, str] = {}
        self.crashed_after_publishing: Counter[str] = Counter()
        self.has_published: list[bool] = []

    @initialize(count=st.integers(1, 9), bad=BAD_INDICES, hook=HOOKS, inline=st.booleans())
    def begin(self, count: int, bad: set[int], hook: str | None, inline: bool) -> None:
        """Submit the first job. Parts are stored in the table if `inline`, else each is an object."""
        if not inline:
            self.jobs.inline_bytes = 0
        self.fate.set(0, "")
        self.submit(count, bad, None, hook, (0, "before"))

    def run(self, command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        """Classify each sample by its own value, so that no sample can be taken for another."""
        if self.inside:
            self.overtake()
        result = even_or_odd(command, should_continue=should_continue)
        samples = zip(result.predictions, command.request.dataset, strict=False)
        return result.model_copy(update={"predictions": [row and [sample.value] for row, sample in samples]})

    def overtake(self) -> None:
        self.run_notifiers()
        if self.queue.sent:
            index = (self.inside.pop() if self.inside else 0) % len(self.queue.sent)
            self.jobs.worker.process(self.queue.sent[index], lambda: 10 if index % 2 else 100)

    def run_notifiers(self) -> None:
        """Publish the pending ends and make the requested attempts, as other functions do meanwhile."""
        for record in list(self.store.stream):
            self.publish(record)
        for message in list(self.webhooks.sent):
            self.jobs.deliverer.deliver(message)

    def publish(self, record: tuple[str, str]) -> None:
        """Publish an end, and count a crash after the event was published."""
        self.has_published.append(False)
        try:
            self.jobs.notifier.notify(*record)
        except (Crash, Overloaded):
            self.crashed_after_publishing[record[1]] += self.has_published[-1]
            raise
        finally:
            self.has_published.pop()

    def note_event(self) -> None:
        """Note that the innermost running notifier has put an event on the bus."""
        self.has_published[-1] = True

    @rule(
        count=st.integers(1, 9),
        bad=BAD_INDICES,
        key=st.sampled_from([None, "a", "b"]),
        hook=HOOKS,
        fate=FATES,
    )
    def submit(self, count: int, bad: set[int], key: str | None, hook: str | None, fate: tuple[int, str]) -> None:
        dataset = [{"type": "text", "value": BAD if index in bad else str(index)} for index in range(count)]
        classification_request = request(1, dataset=dataset)
        claim = IdempotencyKey("caller", key, b"the same") if key else None
        known = set(self.store.jobs)

        def send() -> Any:
            return self.jobs.submitter.submit(
                classification_request, tenant=ACME, log_id="l", idempotency_key=claim, webhook_url=hook
            )

        result = self.fate.survive(send, fate)
        new_ids = set(self.store.jobs) - known
        assert len(new_ids) <= 1
        for _, job_id in new_ids:
            self.bad[job_id], self.buried[job_id] = {index for index in bad if index < count}, set()
        if isinstance(result, Job):
            assert key is None or self.jobs_by_key.setdefault(key, result.id) == result.id, "one key, one job"
            assert (ACME.id, result.id) in self.store.jobs, "a job that was returned can be read"

    @precondition(lambda self: self.queue.sent)
    @rule(
        index=st.integers(0, 99),
        fate=FATES,
        time_left_s=st.sampled_from([10, 100]),
        inside=st.one_of(st.none(), st.integers(0, 99)),
        stays=st.booleans(),
    )
    def work(self, index: int, fate: tuple[int, str], time_left_s: int, inside: int | None, stays: bool) -> None:
        message = self.queue.sent[index % len(self.queue.sent)]
        self.inside = [] if inside is None else [inside]
        count = self.received[id(message)] = self.received.get(id(message), 0) + 1

        def process() -> Any:
            return self.jobs.worker.process(message, lambda: time_left_s, deliveries=count, is_last_delivery=count >= RECEIVES)

        failed = isinstance(self.fate.survive(process, fate), Exception)
        if failed and count >= RECEIVES:
            self.dead.append(message)
        if (failed and count >= RECEIVES) or (not failed and not stays):
            self.delete(message)

    @precondition(lambda self: self.dead)
    @rule(index=st.integers(0, 99), fate=FATES)
    def bury(self, index: int, fate: tuple[int, str]) -> None:
        message = self.dead[index % len(self.dead)]
        if not isinstance(self.fate.survive(lambda: self.fail_dead(message), fate), Exception):
            self.dead.remove(message)

    def fail_dead(self, message: ChunkMessage) -> None:
        outcome = self.jobs.dead_letters.handle(message)
        if outcome.part:
            self.buried[message.job_id].update(range(message.start, message.stop))

    @precondition(lambda self: self.queue.sent)
    @rule(index=st.integers(0, 99))
    def lose(self, index: int) -> None:
        self.delete(self.queue.sent[index % len(self.queue.sent)])

    def delete(self, message: ChunkMessage) -> None:
        """Delete this one of several equal messages from the queue."""
        self.queue.sent[:] = [other for other in self.queue.sent if other is not message]
        self.received.pop(id(message), None)

    @precondition(lambda self: self.store.jobs)
    @rule(index=st.integers(0, 99), fate=FATES)
    def cancel(self, index: int, fate: tuple[int, str]) -> None:
        _, job_id = list(self.store.jobs)[index % len(self.store.jobs)]
        try:
            self.fate.survive(lambda: self.jobs.canceler.cancel(ACME, job_id), fate)
        except (JobFinished, NotFound):
            assert self.store.jobs[ACME.id, job_id].has_ended

    @rule(seconds=st.sampled_from([0, 60, 300]), fate=FATES)
    def sweep(self, seconds: int, fate: tuple[int, str]) -> None:
        if self.jobs.now + seconds < 1_700:  # jobs expire after 1,000 s
            self.jobs.now += seconds
        self.fate.survive(self.jobs.sweeper.sweep, fate)

    @precondition(lambda self: self.store.stream)
    @rule(index=st.integers(0, 99), fate=FATES, stays=st.booleans())
    def notify(self, index: int, fate: tuple[int, str], stays: bool) -> None:
        record = self.store.stream[index % len(self.store.stream)]
        self.fate.survive(lambda: self.publish(record), fate)
        if not stays:  # a record that failed is redelivered, and dropped at last
            self.store.stream.remove(record)

    @precondition(lambda self: self.webhooks.sent)
    @rule(index=st.integers(0, 99), fate=FATES, stays=st.booleans(), answer=st.sampled_from([204, 500, UnfetchableUrl("no")]))
    def deliver(self, index: int, fate: tuple[int, str], stays: bool, answer: int | Exception) -> None:
        message = self.webhooks.sent[index % len(self.webhooks.sent)]
        self.poster.answers = [answer]
        self.fate.survive(lambda: self.jobs.deliverer.deliver(message), fate)
        if not stays:
            self.webhooks.sent.remove(message)

    @invariant()
    def an_end_is_published_once_unless_its_notifier_crashed(self) -> None:
        published = Counter(event.job_id for event in self.bus.events)
        for job_id, count in published.items():
            assert count <= 1 + self.crashed_after_publishing[job_id]
            job = self.store.jobs[ACME.id, job_id]
            assert [event.status for event in self.bus.events if event.job_id == job_id] == [job.status] * count

    @invariant()
    def an_attempt_is_made_at_most_once(self) -> None:
        posts = Counter(headers["webhook-id"] for _, _, headers in self.poster.posted)
        for job in self.store.jobs.values():
            assert posts[f"job_{job.id}"] <= (len(job.webhook.attempts) if job.webhook else 0)

    @invariant()
    def counters_match_and_ends_are_final(self) -> None:
        for job in self.store.jobs.values():
            parts = self.store.list_parts(job.tenant_id, job.id)
            assert job.succeeded == sum(part.succeeded for part in parts)
            assert job.failed == sum(part.failed for part in parts)
            samples = [index for part in parts for index in range(part.span.start, part.span.stop)]
            assert len(samples) == len(set(samples)) == job.processed <= job.total
            if job.status in (JobStatus.SUCCEEDED, JobStatus.FAILED):
                assert job.processed == job.total
                assert (job.status is JobStatus.SUCCEEDED) == (job.succeeded > 0)
            if job.id in self.ended:
                before = self.ended[job.id]
                assert (job.status, job.processed, job.finished_at) == (before.status, before.processed, before.finished_at)
            if job.has_ended:
                self.ended.setdefault(job.id, job)

    def teardown(self) -> None:
        """Without further faults, every job ends, and every sample has exactly one result or one error."""
        self.inside = []
        for _ in range(4):
            while self.queue.sent or self.dead:
                for message in list(self.queue.sent):
                    self.jobs.worker.process(message, lambda: 100)
                    self.delete(message)
                while self.dead:
                    self.fail_dead(self.dead.pop())
            self.jobs.now += self.jobs.rules.stuck_s
            self.jobs.sweeper.sweep()
        self.poster.answers = []
        for _ in range(100):
            if all(job.due_at is None for job in self.store.jobs.values()):
                break
            self.run_notifiers()
            self.store.stream.clear()
            self.webhooks.sent.clear()
            self.jobs.now += 600
            self.jobs.sweeper.sweep()
        published = Counter(event.job_id for event in self.bus.events)
        self.an_end_is_published_once_unless_its_notifier_crashed()
        self.an_attempt_is_made_at_most_once()
        for job in self.store.jobs.values():
            assert job.status in ENDED
            assert job.due_at is None, "nothing is left to do"
            assert published[job.id] >= 1
            assert job.webhook is None or job.webhook.status is DeliveryStatus.DELIVERED
            if job.status is not JobStatus.CANCELED:
                self.results_are_right(job)

    def results_are_right(self, job: Job) -> None:
        answer = self.jobs.responder.respond(job, "l")
        assert answer.predictions is not None
        assert answer.errors is not None
        faulty = [fault.index for fault in answer.errors]
        assert len(faulty) == len(set(faulty)) == job.failed
        for index, prediction in enumerate(answer.predictions):
            assert (prediction is None) == (index in faulty)
            assert prediction in (None, str(index))
        assert self.bad[job.id] <= set(faulty) <= self.bad[job.id] | self.buried[job.id]


Histories.TestCase.settings = settings(
    max_examples=HISTORIES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = pytest.mark.slow(Histories.TestCase)
