"""Parts of a job: each sample is stored once, whatever two workers store at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pigeonhole.contract.classification import LabelScore
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.questions import QuestionsRequest
from pigeonhole.contract.spans import Span
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Part
from pigeonhole.jobs.parts import INLINE_BYTES
from pigeonhole.object_keys import part_key
from support.job_fixtures import ACME, BAD, Jobs, even_or_odd


def predictions(jobs: Jobs, of: Any) -> list[Any]:
    answer = jobs.responder.respond(jobs.job(of), "l")
    assert answer.predictions is not None
    return answer.predictions


EVEN_ODD = ["even", "odd"] * 5


def test_two_workers_on_one_chunk_store_it_once() -> None:
    jobs, late = Jobs(), list[list[Part]]()
    job = jobs.submitted(4)
    chunk = jobs.take()

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if not late:
            late.append([])
            late[0] = Jobs.worker.fget(jobs).process(chunk, lambda: 100)  # type: ignore[attr-defined]
        return even_or_odd(command, should_continue=should_continue)

    jobs.run = run
    assert jobs.worker.process(chunk, lambda: 100) == []
    assert [part.span for part in late[0]] == [Span(0, 4)]
    assert (jobs.job(job).succeeded, len(jobs.store.list_parts("acme", job.id))) == (4, 1)


def test_the_later_of_two_workers_stores_the_samples_that_the_earlier_left() -> None:
    jobs, first = Jobs(), list[list[Part]]()
    job = jobs.submitted(4)
    chunk = jobs.take()

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if not first:
            first.append([])
            first[0] = Jobs.worker.fget(jobs).process(chunk, lambda: 10)  # type: ignore[attr-defined]
        return even_or_odd(command, should_continue=should_continue)

    jobs.run = run
    parts = jobs.worker.process(chunk, lambda: 100)

    assert [part.span for part in (*first[0], *parts)] == [Span(0, 2), Span(2, 4)]
    assert predictions(jobs, job) == EVEN_ODD[:4]
    jobs.work()  # the rest that the first one sent on
    assert jobs.job(job).succeeded == 4


def test_the_later_of_two_workers_leaves_out_exactly_the_stored_samples() -> None:
    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if not first:
            first.append(True)
            Jobs.worker.fget(jobs).process(chunk, lambda: 10)  # type: ignore[attr-defined]
        result = even_or_odd(command, should_continue=should_continue)
        chosen = [row and [f"label {command.first_index + offset}"] for offset, row in enumerate(result.predictions)]
        scores = [row and [LabelScore(label=row[0], probability=1.0, similarity=1.0)] for row in chosen]
        return result.model_copy(update={"predictions": chosen, "scores": scores})

    jobs, first = Jobs(run=run), list[bool]()
    dataset = [{"type": "text", "value": value} for value in (BAD, "1", "2", BAD)]
    job = jobs.submitted(0, dataset=dataset)
    chunk = jobs.take()
    jobs.worker.process(chunk, lambda: 100)
    jobs.work()

    answer = jobs.responder.respond(jobs.job(job), "l")
    assert answer.predictions == [None, "label 1", "label 2", None]
    assert answer.scores is not None
    assert [row and row[0].label for row in answer.scores] == answer.predictions
    assert answer.errors is not None
    assert [fault.index for fault in answer.errors] == [0, 3]


def test_a_lost_race_is_retried() -> None:
    jobs = Jobs()
    job = jobs.submitted(8)
    first, second = jobs.take(), jobs.take()
    races = iter([False, True])  # not where it begins the job, but where it writes its part

    def other_is_faster() -> None:
        if next(races, False):
            jobs.worker.process(second, lambda: 100)

    jobs.store.before = other_is_faster
    (part,) = jobs.worker.process(first, lambda: 100)

    assert (part.span, jobs.job(job).status, jobs.job(job).succeeded) == (Span(0, 4), JobStatus.SUCCEEDED, 8)


def test_a_worker_that_loses_every_race_returns_the_message() -> None:
    jobs = Jobs()
    jobs.submitted(4)
    chunk = jobs.take()
    real = jobs.store.save
    jobs.store.save = lambda job, part=None: part is None and real(job)  # type: ignore[method-assign]

    with pytest.raises(Overloaded):
        jobs.worker.process(chunk, lambda: 100)


def test_results_that_are_too_large_for_an_item_become_an_object() -> None:
    def run(command: ClassifyCommand, **_: Any) -> ChunkResult:
        # Nothing that could be packed into less.
        labels = [[f"{pow(7, 40 * index + offset, 2**61 - 1):x}" for offset in range(20_000)] for index in range(4)]
        return ChunkResult(predictions=labels, input_tokens=1, output_tokens=1, inference_ms=1)

    jobs = Jobs(run=run)
    job = jobs.submitted(4, multiple_labels=True)
    jobs.work()

    (part,) = jobs.store.list_parts("acme", job.id)
    assert (part.data, part.object_key is not None) == (None, True)
    assert len(jobs.objects.objects[str(part.object_key)]) > INLINE_BYTES
    assert part.object_key != part_key("acme", job.id, part.span), "of two writers neither replaces the other's"
    part_results = jobs.reader.read_part_results(jobs.job(job))
    assert len(part_results[0][1].results[0].predictions[3] or ()) == 20_000


def test_usage_counts_a_sample_once_that_two_workers_classified() -> None:
    jobs, first = Jobs(), [True]
    job = jobs.submitted(4)
    chunk = jobs.take()

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> ChunkResult:
        if first and first.pop():
            Jobs.worker.fget(jobs).process(chunk, lambda: 10)  # type: ignore[attr-defined]
        return even_or_odd(command, should_continue=should_continue).model_copy(update={"inference_ms": 4})

    jobs.run = run
    jobs.worker.process(chunk, lambda: 100)

    usage = jobs.responder.respond(jobs.job(job), "l").usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.inference_time_tokens) == (14, 4, 6)


def test_the_answers_to_all_questions_are_stored_once_by_two_workers() -> None:
    labels = {"labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}]}
    dataset = [{"type": "text", "value": str(number)} for number in range(4)]
    asked = QuestionsRequest.model_validate({"dataset": dataset, "questions": {"a": labels, "b": labels}})
    jobs, first = Jobs(), [True]
    job = jobs.submitter.submit(asked, tenant=ACME, log_id="l")
    chunk = jobs.take()

    def run(command: ClassifyCommand, *, should_continue: Callable[[], bool]) -> list[ChunkResult]:
        if first and first.pop():
            Jobs.worker.fget(jobs).process(chunk, lambda: 10)  # type: ignore[attr-defined]
        return [even_or_odd(command, should_continue=should_continue)] * 2

    jobs.run = run
    jobs.worker.process(chunk, lambda: 100)

    response = jobs.responder.respond(jobs.job(job), "l")
    assert [(part.span.start, part.span.stop) for part in jobs.store.list_parts("acme", job.id)] == [(0, 2), (2, 4)]
    assert response.predictions == {"a": ["even", "odd"] * 2, "b": ["even", "odd"] * 2}
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (4 + 10 + 10, 8)
