"""A bulk job is stored before it is planned, and its tenant must be granted the manifest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.spec import decode_spec
from pigeonhole.contract.bulk import BulkOptions, BulkQuestions, OutputFormat
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import ForbiddenUrl, IdempotencyMismatch, InvalidRequest, Overloaded
from pigeonhole.jobs.job import BulkPlan, IdempotencyKey, Job
from pigeonhole.tenants.tenant import Tenant
from support.job_fixtures import ACME, Jobs

GRANTED = Tenant("acme", created_at=0, grants=(S3Grant(bucket="data", prefix="acme/"),))
LABELS = [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}]
UPLOAD = "0" * 32
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
    assert (spec.input.location.bucket, spec.input.location.object_key) == ("data", "acme/in.jsonl")
    assert (spec.output, spec.options.scores, spec.input.span_limits.samples) == (OutputFormat.PARQUET, True, 2)
    assert isinstance(spec.options, BulkOptions)
    assert [label.value for label in spec.options.labels] == ["cat", "dog"]


QUESTIONS = {"which": {"labels": LABELS}, "all": {"labels": LABELS, "multiple_labels": True}}


def test_a_bulk_job_may_have_questions() -> None:
    jobs = Jobs()

    job = submit(jobs, {"input": BODY["input"], "questions": QUESTIONS, "scores": True})

    options = decode_spec(jobs.objects.objects[f"bulk/acme/{job.id}/spec.json"]).options
    assert isinstance(options, BulkQuestions)
    assert {name: question.multiple_labels for name, question in options.questions.items()} == {"which": False, "all": True}
    assert options.scores


@pytest.mark.parametrize(
    ("address", "tenant"),
    [
        ("s3://data/acme/in.jsonl", ACME),
        ("s3://data/other/in.jsonl", GRANTED),
        ("s3://data/acmeother/in.jsonl", GRANTED),
        ("s3://elsewhere/acme/in.jsonl", GRANTED),
        ("s3://uploads/uploads/zeta/in.jsonl", GRANTED),
        ("s3://uploads/incoming/zeta/pets/in.jsonl", GRANTED),
        ("s3://data/../acme/in.jsonl", GRANTED),
    ],
)
def test_a_manifest_that_is_not_the_tenants_is_refused(address: str, tenant: Tenant) -> None:
    jobs = Jobs()

    with pytest.raises(ForbiddenUrl, match=r"^input\.s3_uri: "):
        submit(jobs, BODY | {"input": {"s3_uri": address}}, tenant)

    assert (jobs.store.jobs, jobs.objects.objects, jobs.plan_queue.sent) == ({}, {}, [])


@pytest.mark.parametrize("key", ["uploads/acme/in.jsonl", "incoming/acme/pets/in.jsonl"])
def test_a_tenant_may_name_a_manifest_that_it_uploaded(key: str) -> None:
    assert submit(Jobs(), BODY | {"input": {"s3_uri": f"s3://uploads/{key}"}}, ACME).bulk


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"input": {"s3_uri": "https://example.com/in.jsonl"}}, "input.s3_uri"),
        ({"input": {"s3_uri": "s3://data"}}, "input.s3_uri"),
        ({"input": "s3://data/acme/in.jsonl"}, "input"),
        ({"labels": LABELS[:1]}, "labels"),
        ({"compute": "gpu"}, "compute"),
        ({"output": {"format": "csv"}}, "output.format"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"input": {}}, "input"),
        ({"input": {"s3_uri": "s3://data/acme/in.jsonl", "upload_id": "0" * 32}}, "input"),
        ({"input": {"s3_prefix": "s3://data"}}, "input.s3_prefix"),
        ({"input": {"s3_prefix": "data/acme/"}}, "input.s3_prefix"),
        ({"input": {"upload_id": "../zeta/0"}}, "input.upload_id"),
        ({"dataset": [{"type": "text", "value": "a"}]}, "dataset"),
        ({"webhook_url": "http://example.com"}, "webhook_url"),
        ({"labels": None, "label_set": "missing"}, "label_set"),
        ({"threshold": 2}, "threshold"),
        ({"questions": QUESTIONS}, "questions"),
        ({"labels": None, "questions": {}}, "questions"),
        ({"labels": None, "questions": {"which": {"label_set": "missing"}}}, "questions.which.label_set"),
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


@pytest.mark.parametrize(
    ("given", "location", "kind"),
    [
        ({"s3_uri": "s3://data/acme/in.ndjson"}, ("data", "acme/in.ndjson"), InputKind.LINES),
        ({"s3_uri": "s3://data/acme/in"}, ("data", "acme/in"), InputKind.LINES),
        ({"s3_uri": "s3://data/acme/in.jsonl.GZ"}, ("data", "acme/in.jsonl.GZ"), InputKind.GZIP),
        ({"s3_uri": "s3://data/acme/in.parquet"}, ("data", "acme/in.parquet"), InputKind.PARQUET),
        ({"s3_prefix": "s3://data/acme/photos/"}, ("data", "acme/photos/"), InputKind.PREFIX),
        ({"s3_prefix": "s3://data/acme/2024-"}, ("data", "acme/2024-"), InputKind.PREFIX),
        ({"upload_id": f"{UPLOAD}.jsonl"}, ("uploads", f"uploads/acme/{UPLOAD}.jsonl"), InputKind.LINES),
        ({"upload_id": f"{UPLOAD}-my.file.parquet"}, ("uploads", f"uploads/acme/{UPLOAD}-my.file.parquet"), InputKind.PARQUET),
    ],
)
def test_each_input_is_found_and_read_by_its_name(given: Any, location: tuple[str, str], kind: InputKind) -> None:
    jobs = Jobs()

    job = submit(jobs, BODY | {"input": given})

    spec = decode_spec(jobs.objects.objects[f"bulk/acme/{job.id}/spec.json"])
    assert ((spec.input.location.bucket, spec.input.location.object_key), spec.input.kind) == (location, kind)


@pytest.mark.parametrize("prefix", ["s3://data/other/", "s3://data/a", "s3://data/acme", "s3://elsewhere/acme/"])
def test_a_prefix_that_is_not_the_tenants_is_refused(prefix: str) -> None:
    with pytest.raises(ForbiddenUrl, match=r"^input\.s3_prefix: "):
        submit(Jobs(), BODY | {"input": {"s3_prefix": prefix}})


def test_gpu_workers_can_be_asked_for_where_there_are_some() -> None:
    jobs = Jobs()
    submitter = replace(jobs.bulk_submitter, has_gpu=True)

    job = submitter.submit(BODY | {"compute": "gpu"}, tenant=GRANTED, log_id="log")

    assert decode_spec(jobs.objects.objects[f"bulk/acme/{job.id}/spec.json"]).compute == "gpu"


def test_a_dry_run_is_answered_by_the_planner_and_stores_nothing() -> None:
    jobs = Jobs()

    estimate = jobs.bulk_submitter.estimate(BODY | {"dry_run": True}, tenant=GRANTED, log_id="log")

    (command,) = jobs.planner_client.commands
    assert estimate is jobs.planner_client.answer
    assert (command.tenant_id, command.bucket, command.object_key) == ("acme", "data", "acme/in.jsonl")
    assert (command.input_kind, command.span_samples, command.compute) == ("lines", 2, "auto")
    assert (jobs.store.jobs, jobs.objects.objects, jobs.plan_queue.sent) == ({}, {}, [])


def test_a_dry_run_of_what_is_not_the_tenants_is_refused() -> None:
    jobs = Jobs()

    with pytest.raises(ForbiddenUrl):
        jobs.bulk_submitter.estimate(BODY, tenant=ACME, log_id="log")

    assert jobs.planner_client.commands == []
