"""Jobs under any order of deliveries, crashes and retries that hypothesis thinks of: nothing is lost, nothing counts twice.

Ends are told the same way: each exactly once, unless whoever told it was lost before it had noted that; and each webhook is
delivered, each of its tries being made at most once.

Every call to a port may be the last thing that its process does (before it, or after it, when the caller doesn't learn that
it was done), may be refused as too busy, or may come after another worker's whole work, between reading and writing. Messages
come in any order, again, to two workers at once, too late or never.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.messages import ChunkMessage, ChunkResult, ClassifyCommand
from pigeonhole.errors import JobFinished, NotFound, Overloaded, UnfetchableUrl
from pigeonhole.jobs.job import ENDED, IdempotencyKey, Job
from support.fakes import FakeChunkQueue, FakeEventBus, FakeJobStore, FakeObjectStore, FakePoster, FakeWebhookQueue
from support.job_fixtures import ACME, BAD, HOOK, Jobs, even_or_odd, request

HISTORIES = 1_000
RECEIVES = 3  # the template's maxReceiveCount


class Crash(Exception):
    """The process that made the call is gone."""


class Fate:
    """What happens to a process at one of its calls to a port. `other`: what another does in between."""

    def __init__(self, other: Callable[[], None]) -> None:
        self.other = other
        self.at, self.how, self.calls = 0, "", 0

    def set(self, at: int, how: str) -> None:
        self.at, self.how, self.calls = at, how, 0


class Faulty:
    """A port some of whose calls end as `fate` says."""

    def __init__(self, port: Any, fate: Fate) -> None:
        self._port, self._fate = port, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._faulty(found) if callable(found) else found

    def _faulty(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def method(*arguments: Any, **named: Any) -> Any:
            self._fate.calls += 1
            if self._fate.calls != self._fate.at:
                return call(*arguments, **named)
            if self._fate.how == "overtaken":
                self._fate.other()
                return call(*arguments, **named)
            if self._fate.how == "busy":
                raise Overloaded("busy")
            if self._fate.how == "after":
                call(*arguments, **named)
            raise Crash

        return method


BAD_PLACES = st.sets(st.integers(0, 8), max_size=2)
HOOKS = st.sampled_from([None, HOOK])
FATES = st.tuples(st.integers(0, 9), st.sampled_from(["before", "after", "busy", "overtaken"]))  # 0: nothing happens


class Histories(RuleBasedStateMachine):
    """One history: jobs are sent, messages are worked on, things go wrong."""

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
        self.inside: list[int] = []  # the message that another worker does meanwhile
        self.received: dict[int, int] = {}
        self.dead: list[ChunkMessage] = []
        self.ended: dict[str, Job] = {}
        self.bad: dict[str, set[int]] = {}
        self.buried: dict[str, set[int]] = {}
        self.of_key: dict[str, str] = {}
        self.tellers_lost: Counter[str] = Counter()
        self.told_by: list[bool] = []

    @initialize(count=st.integers(1, 9), bad=BAD_PLACES, hook=HOOKS, inline=st.booleans())
    def begin(self, count: int, bad: set[int], hook: str | None, inline: bool) -> None:
        """Each history has a job. `inline`: parts lie in the table; else each is an object."""
        if not inline:
            self.jobs.inline_bytes = 0
        self.fate.set(0, "")
        self.submit(count, bad, None, hook, (0, "before"))

    def run(self, command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        """Each sample's label is its own value, so that none can be taken for another."""
        if self.inside:
            self.overtake()
        result = even_or_odd(command, should_continue=should_continue)
        samples = zip(result.predictions, command.request.dataset, strict=False)
        return result.model_copy(update={"predictions": [row and [sample.value] for row, sample in samples]})

    def overtake(self) -> None:
        self.telling()
        if self.queue.sent:
            place = (self.inside.pop() if self.inside else 0) % len(self.queue.sent)
            self.jobs.worker.process(self.queue.sent[place], lambda: 10 if place % 2 else 100)

    def telling(self) -> None:
        """What other functions do meanwhile with the ends and tries that wait."""
        for record in list(self.store.stream):
            self.tell(record)
        for message in list(self.webhooks.sent):
            self.jobs.deliverer.deliver(message)

    def tell(self, record: tuple[str, str]) -> None:
        """Tell an end, and note it if the teller is lost after the event is out."""
        self.told_by.append(False)
        try:
            self.jobs.notifier.notify(*record)
        except (Crash, Overloaded):
            self.tellers_lost[record[1]] += self.told_by[-1]
            raise
        finally:
            self.told_by.pop()

    def note_event(self) -> None:
        """The innermost of those who are telling ends has put an event on the bus."""
        self.told_by[-1] = True

    def survive(self, step: Callable[[], Any], fate: tuple[int, str] = (0, "")) -> Any:
        """Run what a process does; what it gives, or the error that ended it."""
        self.fate.set(*fate)
        try:
            return step()
        except (Crash, Overloaded) as error:
            return error
        finally:
            self.fate.set(0, "")

    @rule(
        count=st.integers(1, 9),
        bad=BAD_PLACES,
        key=st.sampled_from([None, "a", "b"]),
        hook=HOOKS,
        fate=FATES,
    )
    def submit(self, count: int, bad: set[int], key: str | None, hook: str | None, fate: tuple[int, str]) -> None:
        dataset = [{"type": "text", "value": BAD if place in bad else str(place)} for place in range(count)]
        asked = request(1, dataset=dataset)
        claim = IdempotencyKey("caller", key, b"the same") if key else None
        known = set(self.store.jobs)

        def send() -> Any:
            return self.jobs.submitter.submit(asked, tenant=ACME, log_id="l", idempotency_key=claim, webhook_url=hook)

        told = self.survive(send, fate)
        made = set(self.store.jobs) - known
        assert len(made) <= 1
        for _, job_id in made:
            self.bad[job_id], self.buried[job_id] = {place for place in bad if place < count}, set()
        if isinstance(told, Job):
            assert key is None or self.of_key.setdefault(key, told.id) == told.id, "one key, one job"
            assert (ACME.id, told.id) in self.store.jobs, "who is given a job can ask for it"

    @precondition(lambda self: self.queue.sent)
    @rule(
        place=st.integers(0, 99),
        fate=FATES,
        time_left_s=st.sampled_from([10, 100]),
        inside=st.one_of(st.none(), st.integers(0, 99)),
        stays=st.booleans(),
    )
    def work(self, place: int, fate: tuple[int, str], time_left_s: int, inside: int | None, stays: bool) -> None:
        message = self.queue.sent[place % len(self.queue.sent)]
        self.inside = [] if inside is None else [inside]
        count = self.received[id(message)] = self.received.get(id(message), 0) + 1

        def process() -> Any:
            return self.jobs.worker.process(message, lambda: time_left_s, attempt=count, is_last_attempt=count >= RECEIVES)

        failed = isinstance(self.survive(process, fate), Exception)
        if failed and count >= RECEIVES:
            self.dead.append(message)
        if (failed and count >= RECEIVES) or (not failed and not stays):
            self.delete(message)

    @precondition(lambda self: self.dead)
    @rule(place=st.integers(0, 99), fate=FATES)
    def bury(self, place: int, fate: tuple[int, str]) -> None:
        message = self.dead[place % len(self.dead)]
        if not isinstance(self.survive(lambda: self.fail_dead(message), fate), Exception):
            self.dead.remove(message)

    def fail_dead(self, message: ChunkMessage) -> None:
        self.buried[message.job_id].update(range(message.start, message.stop))
        self.jobs.dead_letters.fail(message)

    @precondition(lambda self: self.queue.sent)
    @rule(place=st.integers(0, 99))
    def lose(self, place: int) -> None:
        self.delete(self.queue.sent[place % len(self.queue.sent)])

    def delete(self, message: ChunkMessage) -> None:
        """Take this very message, of several that are alike, off the queue."""
        self.queue.sent[:] = [other for other in self.queue.sent if other is not message]
        self.received.pop(id(message), None)

    @precondition(lambda self: self.store.jobs)
    @rule(place=st.integers(0, 99), fate=FATES)
    def cancel(self, place: int, fate: tuple[int, str]) -> None:
        _, job_id = list(self.store.jobs)[place % len(self.store.jobs)]
        try:
            self.survive(lambda: self.jobs.canceler.cancel(ACME, job_id), fate)
        except (JobFinished, NotFound):
            assert self.store.jobs[ACME.id, job_id].has_ended

    @rule(seconds=st.sampled_from([0, 60, 300]), fate=FATES)
    def sweep(self, seconds: int, fate: tuple[int, str]) -> None:
        if self.jobs.now + seconds < 1_700:  # jobs are kept for 1,000 s
            self.jobs.now += seconds
        self.survive(self.jobs.sweeper.sweep, fate)

    @precondition(lambda self: self.store.stream)
    @rule(place=st.integers(0, 99), fate=FATES, stays=st.booleans())
    def notify(self, place: int, fate: tuple[int, str], stays: bool) -> None:
        record = self.store.stream[place % len(self.store.stream)]
        self.survive(lambda: self.tell(record), fate)
        if not stays:  # a record that failed comes again, and at last is dropped
            self.store.stream.remove(record)

    @precondition(lambda self: self.webhooks.sent)
    @rule(place=st.integers(0, 99), fate=FATES, stays=st.booleans(), answer=st.sampled_from([204, 500, UnfetchableUrl("no")]))
    def deliver(self, place: int, fate: tuple[int, str], stays: bool, answer: int | Exception) -> None:
        message = self.webhooks.sent[place % len(self.webhooks.sent)]
        self.poster.answers = [answer]
        self.survive(lambda: self.jobs.deliverer.deliver(message), fate)
        if not stays:
            self.webhooks.sent.remove(message)

    @invariant()
    def an_end_is_told_once_unless_its_teller_was_lost(self) -> None:
        told = Counter(event.job_id for event in self.bus.events)
        for job_id, count in told.items():
            assert count <= 1 + self.tellers_lost[job_id]
            job = self.store.jobs[ACME.id, job_id]
            assert [event.status for event in self.bus.events if event.job_id == job_id] == [job.status] * count

    @invariant()
    def a_try_is_made_at_most_once(self) -> None:
        posts = Counter(headers["webhook-id"] for _, _, headers in self.poster.posted)
        for job in self.store.jobs.values():
            assert posts[f"job_{job.id}"] <= (len(job.webhook.attempts) if job.webhook else 0)

    @invariant()
    def counters_match_and_ends_are_final(self) -> None:
        for job in self.store.jobs.values():
            parts = self.store.list_parts(job.tenant_id, job.id)
            assert job.succeeded == sum(part.succeeded for part in parts)
            assert job.failed == sum(part.failed for part in parts)
            samples = [place for part in parts for place in range(part.span.start, part.span.stop)]
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
        """Once nothing goes wrong any more, every job ends, and every sample has exactly one result or one error."""
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
            self.telling()
            self.store.stream.clear()
            self.webhooks.sent.clear()
            self.jobs.now += 600
            self.jobs.sweeper.sweep()
        told = Counter(event.job_id for event in self.bus.events)
        self.an_end_is_told_once_unless_its_teller_was_lost()
        self.a_try_is_made_at_most_once()
        for job in self.store.jobs.values():
            assert job.status in ENDED
            assert job.due_at is None, "nothing is left to do"
            assert told[job.id] >= 1
            assert job.webhook is None or job.webhook.status is DeliveryStatus.DELIVERED
            if job.status is not JobStatus.CANCELED:
                self.results_are_right(job)

    def results_are_right(self, job: Job) -> None:
        answer = self.jobs.responder.respond(job, "l")
        assert answer.predictions is not None
        assert answer.errors is not None
        faulty = [fault.index for fault in answer.errors]
        assert len(faulty) == len(set(faulty)) == job.failed
        for place, prediction in enumerate(answer.predictions):
            assert (prediction is None) == (place in faulty)
            assert prediction in (None, str(place))
        assert self.bad[job.id] <= set(faulty) <= self.bad[job.id] | self.buried[job.id]


Histories.TestCase.settings = settings(
    max_examples=HISTORIES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = pytest.mark.slow(Histories.TestCase)
