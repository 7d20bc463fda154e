"""SpanStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

import pytest

from pigeonhole.aws.dynamodb.spans import SHARDS, DynamoSpanStore
from pigeonhole.bulk.ports import CompletedSpan, SpanCounts, SpanStore
from pigeonhole.contract.bulk_results import PartFile
from support.fakes.bulk import FakeSpanStore
from support.job_fixtures import job, job_id
from support.moto_aws import TABLE, create_table

JOB = job()


@pytest.fixture
def store(is_real: bool) -> SpanStore:
    return DynamoSpanStore(create_table(), TABLE) if is_real else FakeSpanStore()


def span(number: int, *, rows: int = 3, failed: int = 0) -> CompletedSpan:
    file = PartFile(name=f"part-{number:05d}.jsonl", rows=rows, bytes=10, sha256="0" * 64)
    errors = PartFile(name=f"errors-{number:05d}.jsonl", rows=failed, bytes=5, sha256="1" * 64) if failed else None
    return CompletedSpan(number, file, errors, "tiny", "abc", ("a warning",) if failed else ())


def test_a_job_without_a_complete_span_has_no_counts(store: SpanStore) -> None:
    assert store.count(JOB) == SpanCounts()
    assert list(store.list_complete(JOB)) == []
    assert not store.is_complete(JOB, 0)


def test_complete_spans_are_read_as_they_were_written_and_counted(store: SpanStore) -> None:
    spans = [span(number, failed=number % 3) for number in range(2 * SHARDS + 1)]

    assert all(store.complete(JOB, one, 1_000.5 + one.number) for one in spans)

    assert sorted(store.list_complete(JOB), key=lambda one: one.number) == spans
    assert store.is_complete(JOB, 2 * SHARDS)
    assert not store.is_complete(JOB, 2 * SHARDS + 1)
    failed = sum(number % 3 for number in range(2 * SHARDS + 1))
    assert store.count(JOB) == SpanCounts(2 * SHARDS + 1, 3 * (2 * SHARDS + 1), failed, 1_000.5 + 2 * SHARDS)


def test_a_span_is_recorded_and_counted_once(store: SpanStore) -> None:
    assert store.complete(JOB, span(0), 1_000)

    assert not store.complete(JOB, span(0, rows=2, failed=1), 2_000)

    assert list(store.list_complete(JOB)) == [span(0)]
    assert store.count(JOB) == SpanCounts(1, 3, 0, 1_000)


def test_a_span_may_be_the_last_one_if_all_that_are_counted_with_it_are_complete(store: SpanStore) -> None:
    spans = (
        2 * SHARDS + 1
    )  # span 0 is counted with SHARDS and 2 * SHARDS, span 1 with SHARDS + 1, whatever a store's shards are
    for number in range(0, spans, 2):
        store.complete(JOB, span(number), 1_000)
    assert store.may_be_last(JOB, 0, spans)

    store.complete(JOB, span(1), 1_000)
    assert not store.may_be_last(JOB, 1, spans)
    for number in range(3, spans, 2):
        store.complete(JOB, span(number), 1_000)

    assert all(store.may_be_last(JOB, number, spans) for number in range(spans))
    assert not store.may_be_last(JOB, 0, spans + SHARDS)


def test_jobs_are_apart(store: SpanStore) -> None:
    other = job(id=job_id(5))
    store.complete(JOB, span(0), 1_000)
    store.add_attempt(JOB, 0)

    assert store.count(other) == SpanCounts()
    assert not store.is_complete(other, 0)
    assert store.count_attempts(other, 0) == 0


def test_attempts_are_counted_for_each_span(store: SpanStore) -> None:
    assert store.count_attempts(JOB, 3) == 0

    assert [store.add_attempt(JOB, 3), store.add_attempt(JOB, 3), store.add_attempt(JOB, 4)] == [1, 2, 1]

    assert store.count_attempts(JOB, 3) == 2
