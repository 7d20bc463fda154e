"""benchmarks/bulk_scale.py: what a bulk job asks of AWS is counted, and pigeonhole.bulk.costs counts the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import bulk_scale
from counted_aws import TABLE, CountedAws, counted_aws
from pigeonhole.aws.dynamodb.items import to_tagged
from pigeonhole.bulk.costs.compute import BulkSize, count_calls
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import SpanMessage
from simulated_bulk_job import AllComplete, SimulatedJob, to_message


@pytest.fixture
def aws() -> Iterator[CountedAws]:
    with counted_aws() as clients:
        yield clients


def planned_spans(job: SimulatedJob) -> list[SpanMessage]:
    job.plan(job.submit())
    return [SpanMessage.model_validate_json(body) for body in job.aws.sqs.first]


def test_the_calls_of_a_span_are_those_by_which_its_cost_is_estimated(aws: CountedAws) -> None:
    job = SimulatedJob(aws, lines=70_000)  # more spans than there are counts, so that no worker looks for the end
    expected = count_calls(BulkSize(texts=1_000, images=0, spans=1), on_lambda=True)

    span = bulk_scale.count_span(job, planned_spans(job)[:2], sample_s=0.0)

    counted = {name: span.billed[name] for name in ("s3_puts", "s3_gets", "write_units", "read_units", "runs")}
    assert counted == {name: getattr(expected, name) for name in counted}
    # The message is sent with nine others by the planner.
    assert span.billed["sqs_requests"] + 0.1 == pytest.approx(expected.sqs_requests)


def test_a_span_that_takes_longer_than_a_worker_has_two_runs(aws: CountedAws) -> None:
    job = SimulatedJob(aws, lines=1_000)

    span = bulk_scale.count_span(job, planned_spans(job), sample_s=0.1)

    assert span.billed["runs"] == 2


def test_a_job_whose_spans_are_complete_ends(aws: CountedAws) -> None:
    job = SimulatedJob(aws, lines=2_000)
    spans = planned_spans(job)
    job.process(spans[:1])
    message = to_message(job.worker.store.get("acme", spans[0].job_id))  # type: ignore[arg-type]
    planned = job.advance(message)

    ended = job.advance(message, AllComplete(job.complete_spans(planned)[0], 2))

    assert (planned.status, ended.status, ended.succeeded) == (JobStatus.PROCESSING, JobStatus.SUCCEEDED, 2_000)


def test_a_manifest_is_the_same_wherever_it_is_read(aws: CountedAws) -> None:
    job = SimulatedJob(aws, lines=25_000)

    whole = b"".join(job.manifest.read())

    assert len(whole) == 2_500_000
    assert b"".join(job.manifest.read(999_950, 2_000_150)) == whole[999_950:2_000_150]


def item(size: int = 0, **fields: Any) -> dict[str, Any]:
    return to_tagged({"pk": "P", "sk": "S", **({"x": "x" * size} if size else {}), **fields})


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, item(900), 1),
        (None, item(1_100), 2),
        (item(3_000), item(10), 3),  # the larger of the two
        (None, item(agenda="JOBS#0", due_at=1), 1 + 1),  # and into an index
        (item(agenda="JOBS#0", due_at=1), item(agenda="JOBS#0", due_at=1, n=1), 1),
        (item(agenda="JOBS#0", due_at=1), item(agenda="JOBS#0", due_at=2), 1 + 2),  # out of its place, and into another one
        (item(agenda="JOBS#0", due_at=1), item(), 1 + 1),
    ],
)
def test_a_write_costs_a_unit_per_kb_and_the_changes_of_indexes(
    aws: CountedAws, before: dict[str, Any] | None, after: dict[str, Any], units: int
) -> None:
    if before:
        aws.dynamodb.put_item(TableName=TABLE, Item=before)
    earlier = aws.ledger.copy()

    aws.dynamodb.put_item(TableName=TABLE, Item=after)

    assert (aws.ledger - earlier).billed["write_units"] == units


def test_a_transaction_costs_twice_as_much(aws: CountedAws) -> None:
    aws.dynamodb.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": item(1_100)}}])

    assert aws.ledger.written == {("P", "S"): 4}


def test_transactions_that_are_far_apart_never_meet() -> None:
    assert bulk_scale.simulate_conflicts(rate=0.001, transactions=100) == (0, 0)


def test_transactions_meet_more_often_the_more_there_are() -> None:
    few, many = (bulk_scale.simulate_conflicts(rate, transactions=2_000) for rate in (5, 500))

    assert 0 < few[0] < 0.2
    assert many[0] > 1
    assert few[1] == 0
    assert many[1] > 0.5
