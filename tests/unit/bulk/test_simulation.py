"""Bulk jobs under any order of deliveries, crashes and retries that hypothesis generates: no line is lost or counted twice.

A process may crash before any call to a port, or after the call and before its result arrives. A port may refuse a call as
too busy. Another worker or planner may do all its work between a read and a write. Messages are delivered in any order, twice,
late or never. A line may crash each worker that classifies it, or have an error in one worker and a result in the other.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pigeonhole.bulk.gpu.failures import GpuFailure
from pigeonhole.bulk.gpu.run_name import RunName
from pigeonhole.bulk.ports import GpuRun
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.errors import JobFinished, NotFound
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import Bulk, to_line
from support.fakes import FakeJobStore, FakeObjectStore
from support.fakes.bulk import (
    FakeFailedSpanQueue,
    FakeJobRunner,
    FakeManifestStore,
    FakePlanQueue,
    FakeSpanQueue,
    FakeSpanStore,
)
from support.faults import Crash, Fate, Faulty
from support.job_fixtures import ACME, BAD, even_or_odd

HISTORIES = int(os.environ.get("HISTORIES", "1000"))
RECEIVES = 5  # the template's maxReceiveCount
MAX_JOBS = 3
POISON = "666"  # crashes its worker
FLAKY = "777"  # has a result in every other worker

KINDS = st.sampled_from(["text", "text", "text", BAD, "nonsense", "blank", "long blank", POISON, FLAKY])
FATES = st.tuples(st.integers(0, 12), st.sampled_from(["before", "after", "busy", "overtaken"]))  # 0: nothing happens
FORMS = st.sampled_from([".jsonl", ".jsonl", ".jsonl.gz", ".parquet"])
COMPUTES = st.sampled_from([Compute.LAMBDA, Compute.LAMBDA, Compute.GPU])
TIMES_LEFT = st.sampled_from([10, 100, 100])
INSIDE = st.one_of(st.none(), st.integers(0, 99))


class Histories(RuleBasedStateMachine):
    """One history: jobs are submitted, messages are processed, calls fail."""

    def __init__(self) -> None:
        super().__init__()
        self.fate = Fate(self.overtake)
        self.store, self.spans, self.objects = FakeJobStore(), FakeSpanStore(), FakeObjectStore()
        self.plan_queue, self.span_queue, self.runner = FakePlanQueue(), FakeSpanQueue(), FakeJobRunner()
        self.failed_spans = FakeFailedSpanQueue()
        self.bulk = Bulk(
            store=Faulty(self.store, self.fate),
            spans=Faulty(self.spans, self.fate),
            objects=Faulty(self.objects, self.fate),
            manifests=FakeManifestStore(),
            plan_queue=Faulty(self.plan_queue, self.fate),
            span_queue=Faulty(self.span_queue, self.fate),
            runner=Faulty(self.runner, self.fate),
            failed_spans=Faulty(self.failed_spans, self.fate),
            run=self.run,
        )
        self.gpu_worker = replace(self.bulk.worker, span_queue=FakeSpanQueue())  # it leaves its spans to its next attempt
        self.received: dict[int, int] = {}
        self.dead: list[SpanMessage] = []
        self.contents: dict[str, list[list[str]]] = {}  # of each job's manifest, the first content and its replacements
        self.manifest_of: dict[str, tuple[str, str]] = {}
        self.ended: dict[str, Job] = {}
        self.inside: list[int] = []
        self.is_calm = False
        self.runs = 0

    def run(self, command: ClassifyCommand, **options: Any) -> ChunkResult:
        if self.inside:
            self.overtake()
        if not self.is_calm and any(sample.value == POISON for sample in command.request.dataset):
            raise Crash
        self.runs += 1
        samples = [
            sample.model_copy(update={"value": BAD}) if sample.value == FLAKY and self.runs % 2 else sample
            for sample in command.request.dataset
        ]
        request = command.request.model_copy(update={"dataset": samples})
        return even_or_odd(command.model_copy(update={"request": request}))

    def overtake(self) -> None:
        """Another worker does its work, and another planner."""
        index = self.inside.pop() if self.inside else 0
        try:
            if self.span_queue.sent:
                self.bulk.worker.process(self.span_queue.sent[index % len(self.span_queue.sent)], lambda: 100)
            if self.plan_queue.sent:
                self.bulk.planner.advance(self.plan_queue.sent[index % len(self.plan_queue.sent)], lambda: 100)
        except Crash:
            pass  # the other one has crashed

    @initialize(
        kinds=st.lists(KINDS, max_size=14),
        span_samples=st.integers(1, 4),
        is_planned=st.integers(0, 3),
        form=FORMS,
        compute=COMPUTES,
    )
    def begin(self, kinds: list[str], span_samples: int, is_planned: int, form: str, compute: Compute) -> None:
        """Submit the first job. In most histories it is planned at once, so that there is work for workers."""
        self.submit(kinds, span_samples, form, compute)
        if is_planned:
            self.bulk.sweeper.sweep()
            self.bulk.planner.advance(self.plan_queue.sent[0], lambda: 100)

    @precondition(lambda self: len(self.store.jobs) < MAX_JOBS)
    @rule(kinds=st.lists(KINDS, max_size=14), span_samples=st.integers(1, 5), form=FORMS, compute=COMPUTES)
    def submit(self, kinds: list[str], span_samples: int, form: str, compute: Compute) -> None:
        values = [str(number) if kind == "text" else kind for number, kind in enumerate(kinds)]
        if form == ".parquet":
            values = [value for value in values if not value.endswith("blank")]  # a row is never blank
        self.fate.set(0, "")
        job = self.bulk.submit(to_manifest(values, form), span_samples=span_samples, name=f"{{number}}{form}", compute=compute)
        self.contents[job.id] = [values]
        self.manifest_of[job.id] = [*self.bulk.manifests.objects][-1]

    @rule(seconds=st.sampled_from([0, 60, 300]), fate=FATES)
    def sweep(self, seconds: int, fate: tuple[int, str]) -> None:
        if self.bulk.now + seconds < 1_700:  # jobs expire after 1,000 s
            self.bulk.now += seconds
        self.fate.survive(self.bulk.sweeper.sweep, fate)

    @precondition(lambda self: self.plan_queue.sent)
    @rule(index=st.integers(0, 99), fate=FATES, time_left_s=st.sampled_from([10, 100]), stays=st.booleans())
    def plan(self, index: int, fate: tuple[int, str], time_left_s: int, stays: bool) -> None:
        message = self.plan_queue.sent[index % len(self.plan_queue.sent)]
        failed = isinstance(self.fate.survive(lambda: self.bulk.planner.advance(message, lambda: time_left_s), fate), Exception)
        if not failed and not stays:
            self.plan_queue.sent[:] = [other for other in self.plan_queue.sent if other is not message]

    @precondition(lambda self: self.span_queue.sent)
    @rule(deliveries=st.lists(st.tuples(st.integers(0, 99), FATES, TIMES_LEFT, INSIDE, st.booleans()), min_size=1, max_size=6))
    def work(self, deliveries: list[tuple[int, tuple[int, str], int, int | None, bool]]) -> None:
        for delivery in deliveries:
            if self.span_queue.sent:
                self.deliver(*delivery)

    def deliver(self, index: int, fate: tuple[int, str], time_left_s: int, inside: int | None, stays: bool) -> None:
        """Deliver a message to a worker, which is overtaken while it classifies if `inside` is a message's index."""
        message = self.span_queue.sent[index % len(self.span_queue.sent)]
        self.inside = [] if inside is None else [inside]
        count = self.received[id(message)] = self.received.get(id(message), 0) + 1

        def process() -> Any:
            return self.bulk.worker.process(message, lambda: time_left_s, deliveries=count, is_last_delivery=count >= RECEIVES)

        failed = isinstance(self.fate.survive(process, fate), Exception)
        self.inside = []
        if failed and count >= RECEIVES:
            self.dead.append(message)
        if (failed and count >= RECEIVES) or (not failed and not stays):
            self.delete(message)

    @precondition(lambda self: self.runner.runs)
    @rule(index=st.integers(0, 99), task=st.integers(0, 9), fate=FATES, time_left_s=TIMES_LEFT)
    def work_on_gpu(self, index: int, task: int, fate: tuple[int, str], time_left_s: int) -> None:
        """A GPU worker begins with a task. It may be killed, or have no time left, in the middle of it."""
        run_id = list(self.runner.runs)[index % len(self.runner.runs)]
        run = self.runner.runs[run_id]
        self.fate.survive(lambda: self.do_task(run, task % run.tasks, time_left_s), fate)

    def do_task(self, run: GpuRun, task: int, time_left_s: float) -> None:
        for message in self.bulk.tasks.read(run.tenant_id, run.job_id, run.number, task):
            self.gpu_worker.process(message, lambda: time_left_s, deliveries=2)

    @precondition(lambda self: self.runner.runs)
    @rule(index=st.integers(0, 99))
    def end_run(self, index: int) -> None:
        """A run ends, whatever is left of its tasks. The events of its failures are lost, or come later."""
        self.runner.ended.add(list(self.runner.runs)[index % len(self.runner.runs)])

    @precondition(lambda self: self.runner.runs)
    @rule(index=st.integers(0, 99), task=st.integers(-1, 9), attempts=st.integers(0, 3), fate=FATES)
    def fail_task(self, index: int, task: int, attempts: int, fate: tuple[int, str]) -> None:
        """The event that a task failed, or a whole run, arrives: for the first time, again, or late. Most had a machine."""
        run_id = list(self.runner.runs)[index % len(self.runner.runs)]
        run = self.runner.runs[run_id]
        failure = GpuFailure(
            name=RunName.of(run),
            run_id=run_id,
            index=None if task < 0 else task % run.tasks,
            was_attempted=bool(attempts),
            reason="Host EC2 (instance i-1) terminated.",
        )
        self.fate.survive(lambda: self.bulk.gpu_failures.handle(failure), fate)

    @precondition(lambda self: self.failed_spans.sent)
    @rule(index=st.integers(0, 99), fate=FATES, stays=st.booleans())
    def fail_span(self, index: int, fate: tuple[int, str], stays: bool) -> None:
        message = self.failed_spans.sent[index % len(self.failed_spans.sent)]
        failed = isinstance(self.fate.survive(lambda: self.bulk.abandoner.fail(message), fate), Exception)
        if not failed and not stays:
            self.failed_spans.sent.remove(message)

    @precondition(lambda self: self.dead)
    @rule(index=st.integers(0, 99), fate=FATES)
    def bury(self, index: int, fate: tuple[int, str]) -> None:
        message = self.dead[index % len(self.dead)]
        if not isinstance(self.fate.survive(lambda: self.bulk.abandoner.abandon(message), fate), Exception):
            self.dead.remove(message)

    @precondition(lambda self: self.span_queue.sent)
    @rule(index=st.integers(0, 99))
    def lose(self, index: int) -> None:
        self.delete(self.span_queue.sent[index % len(self.span_queue.sent)])

    @precondition(lambda self: self.store.jobs)
    @rule(index=st.integers(0, 99), wants=st.integers(0, 9))
    def replace_manifest(self, index: int, wants: int) -> None:
        """Replace the manifest of a job, which must then fail, or have begun after the replacement."""
        if wants:
            return  # most manifests stay
        _, job_id = list(self.store.jobs)[index % len(self.store.jobs)]
        key = self.manifest_of[job_id]
        values = ["1000", "1001", "1002"]
        form = key[1].lstrip("acme/0123456789")
        etag = f"replaced-{self.bulk.now}-{len(self.contents[job_id])}"
        self.bulk.manifests.objects[key] = (to_manifest(values, form), etag)
        self.contents[job_id].append(values)

    @rule(index=st.integers(0, 99), fate=FATES, wants=st.integers(0, 9))
    def cancel(self, index: int, fate: tuple[int, str], wants: int) -> None:
        if wants:
            return  # most jobs are never canceled
        _, job_id = list(self.store.jobs)[index % len(self.store.jobs)]
        canceler = self.bulk.canceler
        try:
            self.fate.survive(lambda: canceler.cancel(ACME, job_id), fate)
        except (JobFinished, NotFound):
            assert self.store.jobs[ACME.id, job_id].has_ended

    def delete(self, message: SpanMessage) -> None:
        self.span_queue.sent[:] = [other for other in self.span_queue.sent if other is not message]
        self.received.pop(id(message), None)

    @invariant()
    def counts_match_the_spans_and_ends_are_final(self) -> None:
        for job in self.store.jobs.values():
            spans, counts = list(self.spans.list_complete(job)), self.spans.count(job)
            assert counts.spans == len(spans)
            assert counts.succeeded == sum(span.results.rows for span in spans)
            assert counts.failed == sum(span.failed for span in spans)
            for span in spans:
                for part in (span.results, span.errors):
                    assert part is None or self.digest(job, part.name) == part.sha256, "a counted part never changes"
            if job.id in self.ended:
                before = self.ended[job.id]
                assert (job.status, job.succeeded, job.failed) == (before.status, before.succeeded, before.failed)
            if job.has_ended:
                self.ended.setdefault(job.id, job)

    def digest(self, job: Job, name: str) -> str:
        return hashlib.sha256(self.objects.objects[f"bulk/{job.tenant_id}/{job.id}/results/{name}"]).hexdigest()

    def teardown(self) -> None:
        """Without further faults, every job ends, and every line has exactly one result or one error."""
        self.is_calm = True
        for _ in range(20):
            for message in [*self.plan_queue.sent]:
                self.bulk.planner.advance(message, lambda: 100)
            self.plan_queue.sent.clear()
            for run_id, run in self.runner.runs.items():
                for task in range(run.tasks if self.runner.is_active(run_id) else 0):
                    self.do_task(run, task, 100)
                self.runner.ended.add(run_id)
            for span_message in [*self.span_queue.sent]:
                self.bulk.worker.process(span_message, lambda: 100)
                self.delete(span_message)
            while self.dead:
                self.bulk.abandoner.abandon(self.dead.pop())
            while self.failed_spans.sent:
                self.bulk.abandoner.fail(self.failed_spans.sent.pop())
            if all(job.has_ended for job in self.store.jobs.values()):
                break
            self.bulk.now += self.bulk.rules.stuck_s
            self.bulk.sweeper.sweep()
        for job in self.store.jobs.values():
            assert job.has_ended
            if job.status is not JobStatus.CANCELED:
                self.results_are_right(job)

    def results_are_right(self, job: Job) -> None:
        """The results are those of one content of the manifest. A job whose manifest was replaced may have failed."""
        contents = self.contents[job.id]
        if job.error and job.error.message.startswith("The job was stopped before a GPU machine"):
            return  # no span was complete
        if job.error and job.error.code == "unfetchable_url":
            assert len(contents) > 1, "the manifest was replaced"
            return
        assert any(self.are_results_of(job, values) for values in contents)

    def are_results_of(self, job: Job, contents: list[str]) -> bool:
        values = {line: value for line, value in enumerate(contents, 1) if not value.endswith("blank")}
        if job.error:
            return not values and job.error.message == "The manifest has no samples."
        files = self.bulk.results(job)
        manifest = files["_manifest.json"]
        rows = [row for part in manifest["results"] for row in files[part["name"]]]
        errors = [row for part in manifest["errors"] for row in files[part["name"]]]
        assert set(files) == {part["name"] for part in (*manifest["results"], *manifest["errors"])} | {"_manifest.json"}
        assert [row["line"] for row in rows] == sorted(row["line"] for row in rows)
        assert (job.total, job.succeeded, job.failed) == (len(rows) + len(errors), len(rows), len(errors))
        assert manifest["counts"] == {"total": job.total, "succeeded": job.succeeded, "failed": job.failed}
        has_error = {line for line, value in values.items() if value in (BAD, "nonsense")}
        return (
            Counter(row["line"] for row in (*rows, *errors)) == Counter(values.keys())
            and all(row["custom_id"] == values[row["line"]] for row in rows)
            and all(row["prediction"] == ("even", "odd")[int(row["custom_id"]) % 2] for row in rows)
            and has_error <= {row["line"] for row in errors}
        )


def to_manifest(values: list[str], form: str) -> bytes:
    """Return a manifest as a file with this ending."""
    if form == ".parquet":
        rows = [{"type": "sound" if value == "nonsense" else "text", "value": value, "custom_id": value} for value in values]
        columns = pa.schema([(name, pa.string()) for name in ("type", "value", "custom_id")])
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, columns), buffer, row_group_size=4)
        return buffer.getvalue()
    contents = {"nonsense": b"nonsense\n", "blank": b" \n", "long blank": b" " * 1_500 + b"\n"}
    lines = b"".join(contents.get(value) or to_line(value) for value in values)
    return gzip.compress(lines) if form.endswith(".gz") else lines


Histories.TestCase.settings = settings(
    max_examples=HISTORIES, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = pytest.mark.slow(Histories.TestCase)
