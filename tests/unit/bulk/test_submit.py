"""A bulk job is stored before it is planned, and its tenant must be granted the manifest."""

from __future__ import annotations

from typing import Any

import pytest

from pigeonhole.bulk.spec import decode_spec
from pigeonhole.contract.bulk import OutputFormat
from pigeonhole.contract.messages import PlanMessage, S3Grant
from pigeonhole.errors import ForbiddenUrl, IdempotencyMismatch, InvalidRequest, Overloaded
from pigeonhole.jobs.job import BulkPlan, IdempotencyKey, Job
from pigeonhole.tenants.tenant import Tenant
from support.job_fixtures import ACME, Jobs

GRANTED = Tenant("acme", created_at=0, grants=(S3Grant(bucket="data", prefix="acme/"),))
LABELS = [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}]
BODY = {"input": {"s3_uri": "s3://data/acme/in.jsonl"}, "labels": LABELS}


def submit(jobs: Jobs, body: Any = BODY, tenant: Tenant = GRANTED, key: str | None = None) -> Job:
    idempotency_key = IdempotencyKey("caller", key, repr(body).encode()) if key else None
    return jobs.bulk_submitter.submit(body, tenant=tenant, log_id="log", idempotency_key=idempotency_key)


def test_a_bulk_job_is_stored_and_its_planner_gets_a_message() -> None:
    jobs = Jobs()

    job = submit(jobs, BODY | {"output": {"format": "parquet"}, "scores": True})

    assert jobs.store.get("acme", job.id) == job
    assert (job.total, job.bulk, job.status) == (0, BulkPlan(), "queued")
    assert jobs.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]
    spec = decode_spec(jobs.objects.objects[f"bulk/acme/{job.id}/spec.json"])
    assert (spec.manifest.bucket, spec.manifest.object_key) == ("data", "acme/in.jsonl")
    assert (spec.output, spec.options.scores, spec.span_limits.samples) == (OutputFormat.PARQUET, True, 2)
    assert [label.value for label in spec.options.labels] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("address", "tenant"),
    [
        ("s3://data/acme/in.jsonl", ACME),
        ("s3://data/other/in.jsonl", GRANTED),
        ("s3://data/acmeother/in.jsonl", GRANTED),
        ("s3://elsewhere/acme/in.jsonl", GRANTED),
        ("s3://uploads/uploads/zeta/in.jsonl", GRANTED),
        ("s3://data/../acme/in.jsonl", GRANTED),
    ],
)
def test_a_manifest_that_is_not_the_tenants_is_refused(address: str, tenant: Tenant) -> None:
    jobs = Jobs()

    with pytest.raises(ForbiddenUrl, match=r"^input\.s3_uri: "):
        submit(jobs, BODY | {"input": {"s3_uri": address}}, tenant)

    assert (jobs.store.jobs, jobs.objects.objects, jobs.plan_queue.sent) == ({}, {}, [])


def test_a_tenant_may_name_a_manifest_that_it_uploaded() -> None:
    assert submit(Jobs(), BODY | {"input": {"s3_uri": "s3://uploads/uploads/acme/in.jsonl"}}, ACME).bulk


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"input": {"s3_uri": "https://example.com/in.jsonl"}}, "input.s3_uri"),
        ({"input": {"s3_uri": "s3://data"}}, "input.s3_uri"),
        ({"input": "s3://data/acme/in.jsonl"}, "input"),
        ({"labels": LABELS[:1]}, "labels"),
        ({"compute": "gpu"}, "compute"),
        ({"output": {"format": "csv"}}, "output.format"),
        ({"dry_run": True}, "dry_run"),
        ({"dataset": [{"type": "text", "value": "a"}]}, "dataset"),
        ({"webhook_url": "http://example.com"}, "webhook_url"),
        ({"labels": None, "label_set": "missing"}, "label_set"),
        ({"threshold": 2}, "threshold"),
    ],
)
def test_a_fault_is_named_by_its_path(change: dict[str, Any], path: str) -> None:
    jobs = Jobs()

    with pytest.raises(InvalidRequest) as caught:
        submit(jobs, BODY | change)

    assert [fault.path for fault in caught.value.details] == [path]
    assert jobs.store.jobs == {}


def test_an_idempotency_key_stands_for_one_bulk_job() -> None:
    jobs = Jobs()
    first = submit(jobs, key="a")

    assert submit(jobs, key="a").id == first.id
    assert len(jobs.plan_queue.sent) == 1
    with pytest.raises(IdempotencyMismatch):
        submit(jobs, BODY | {"scores": True}, key="a")


def test_a_job_whose_planner_gets_no_message_is_stored_and_swept() -> None:
    jobs = Jobs()

    def busy(messages: object) -> None:
        raise Overloaded("busy")

    send, jobs.plan_queue.send = jobs.plan_queue.send, busy
    job = submit(jobs)
    jobs.plan_queue.send = send
    jobs.now += 100
    jobs.sweeper.sweep()

    assert jobs.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]
