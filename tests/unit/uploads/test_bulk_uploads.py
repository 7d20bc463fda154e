"""A .jsonl file that no other job can take becomes a bulk job by itself, and gets one result at its end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkSpec, decode_spec
from pigeonhole.contract.bulk_results import Counts, PartFile, ResultsManifest
from pigeonhole.contract.commands import ErrorReply
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.job import Job
from pigeonhole.object_keys import bulk_first_files_key, bulk_spec_key
from pigeonhole.uploads.ingest import IngestSummary
from pigeonhole.uploads.publish_results import PublishSummary
from pigeonhole.uploads.split_results import CANCELED, NO_LINE
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from support.fakes import FailOnce
from support.job_fixtures import ACME, Jobs

LABEL_SET = {
    "labels": [{"type": "text", "value": "even"}, {"type": "text", "value": "odd"}],
    "multiple_labels": True,
    "threshold": 0.25,
}
SMALL = RequestLimits(max_samples=3, max_body_bytes=200, max_result_bytes=100)
NUMBERS = LabelSetRef(name="numbers", version=1)


def to_lines(*types: str) -> bytes:
    return b"".join(json.dumps({"type": name, "value": "7"}).encode() + b"\n" for name in types)


TOO_LARGE = to_lines(*["text"] * 4)


@pytest.fixture
def jobs() -> Jobs:
    jobs = Jobs()
    jobs.tenants.tenants["acme"] = ACME
    jobs.sets.put(LABEL_SET, "numbers", tenant=ACME, log_id="log-0")
    return jobs


def upload_file(jobs: Jobs, data: bytes, *, name: str = "a.jsonl", sequencer: str = "1") -> UploadedFile:
    key, version_id = f"incoming/acme/numbers/{name}", f"v{sequencer}"
    jobs.uploaded.versions[key, version_id] = jobs.uploaded.objects[key] = data
    return UploadedFile(key=key, version_id=version_id, sequencer=sequencer, size=len(data))


def ingest(jobs: Jobs, *uploads: UploadedFile, limits: RequestLimits = SMALL) -> IngestSummary:
    return replace(jobs.ingester, limits=limits).ingest(uploads, log_id="log-1")


def created_job(jobs: Jobs) -> Job:
    (job,) = jobs.store.jobs.values()
    assert isinstance(job, Job)
    return job


def stored_spec(jobs: Jobs, job: Job) -> BulkSpec:
    return decode_spec(jobs.objects.objects[bulk_spec_key(job.tenant_id, job.id)])


def end(jobs: Jobs, job: Job, *, succeeded: int = 0, failed: int = 0, error: ErrorReply | None = None) -> None:
    """End a bulk job as functions/plan does, and publish its end."""
    started = job.started(jobs.now)
    planned = started.with_manifest(jobs.now, "etag", "lambda", 2_000).planned(
        jobs.now, spans=1, total=succeeded + failed, due_at=jobs.now + 60
    )
    ended = (
        started.failed_as_a_whole(jobs.now, error) if error else planned.completed(jobs.now, succeeded=succeeded, failed=failed)
    )
    publish(jobs, ended)


def publish(jobs: Jobs, job: Job) -> PublishSummary:
    jobs.store.jobs[job.tenant_id, job.id] = job
    return jobs.job_results_publisher.publish(job)


def stored_result(jobs: Jobs, upload: UploadedFile) -> UploadResult:
    result: UploadResult = jobs.results.results["acme", upload.key]
    return result


# --- the job -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (to_lines(*["text"] * 4), SMALL),
        (b" " * 201, SMALL),
        (to_lines("text", "image"), SMALL),
        (to_lines("text", "text"), replace(SMALL, max_result_bytes=20)),
    ],
    ids=["many lines", "many bytes", "texts and images", "large results"],
)
def test_a_file_that_no_other_job_can_take_is_the_manifest_of_a_bulk_job(
    jobs: Jobs, data: bytes, limits: RequestLimits
) -> None:
    upload = upload_file(jobs, data)

    assert ingest(jobs, upload, limits=limits) == IngestSummary(jobs=1)

    job = created_job(jobs)
    assert (job.bulk is None, job.has_uploads, job.label_set) == (False, True, NUMBERS)
    spec = stored_spec(jobs, job)
    assert spec.input.location == ManifestLocation("uploads", upload.key, "v1"), "in the version that was uploaded"
    assert spec.upload == upload.model_copy(update={"is_lines": True})
    options = spec.options
    assert ([label.value for label in options.labels], options.multiple_labels, options.threshold, options.scores) == (
        ["even", "odd"],
        True,
        0.25,
        False,
    )
    assert jobs.plan_queue.sent == [PlanMessage(tenant_id="acme", job_id=job.id)]
    assert jobs.results.results == {}, "the result follows at the end of the job"


def test_a_file_that_a_job_can_take_is_no_bulk_job(jobs: Jobs) -> None:
    ingest(jobs, upload_file(jobs, to_lines("text", "text")))

    assert created_job(jobs).bulk is None


def test_an_upload_that_is_notified_twice_is_one_bulk_job(jobs: Jobs) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)
    ingest(jobs, upload)

    assert len(jobs.store.jobs) == len(jobs.plan_queue.sent) == 1
    ingest(jobs, upload_file(jobs, TOO_LARGE, sequencer="2"))
    assert len(jobs.store.jobs) == 2, "a later upload of the key is another job"


@pytest.mark.parametrize("port", ["objects", "store"])
def test_an_error_leaves_the_upload_to_the_next_notification(jobs: Jobs, port: str) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    getattr(jobs, port).before = FailOnce(0, RuntimeError("a fault"))

    assert ingest(jobs, upload).left == {upload}

    assert ingest(jobs, upload).jobs == 1
    assert len(jobs.store.jobs) == 1


def test_a_label_set_above_the_present_limits_is_a_fault_of_its_upload(jobs: Jobs) -> None:
    upload = upload_file(jobs, TOO_LARGE)

    assert ingest(jobs, upload, limits=replace(SMALL, max_labels=1, min_labels=1)) == IngestSummary(refused=1)
    assert "The label set can't be applied: labels: " in getattr(stored_result(jobs, upload).fault, "message", "")


# --- the result --------------------------------------------------------------------------------------------------------------


def test_the_end_of_the_job_is_the_result_of_the_upload(jobs: Jobs) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)
    job = created_job(jobs)

    end(jobs, job, succeeded=3, failed=1)

    result = stored_result(jobs, upload)
    assert (result.status, result.samples) == ("succeeded", Progress(total=4, succeeded=3, failed=1))
    assert (result.version_id, result.label_set, result.job_id, result.expires_at) == ("v1", NUMBERS, job.id, job.expires_at)
    assert result.results_uri == f"s3://jobs/bulk/acme/{job.id}/results/_manifest.json"
    assert result.results_line is None
    (event,) = jobs.bus.upload_events
    assert (event.job_id, event.results_uri, event.label_set) == (job.id, result.results_uri, "numbers")
    assert [(upload.key, upload.status, upload.labels) for upload in event.uploads] == [(upload.key, "succeeded", [])]


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        ({"failed": 4}, NO_LINE),
        ({"error": ErrorReply(code="invalid_request", message="No samples.")}, UploadFault("invalid_request", "No samples.")),
    ],
)
def test_a_job_without_a_classified_line_is_a_failure(jobs: Jobs, outcome: dict[str, Any], fault: UploadFault) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)

    end(jobs, created_job(jobs), **outcome)

    result = stored_result(jobs, upload)
    assert (result.status, result.fault) == ("failed", fault)
    assert (result.results_uri is None) == ("error" in outcome), "a job that failed as a whole has no results"


def test_a_canceled_job_is_a_failure(jobs: Jobs) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)

    publish(jobs, created_job(jobs).canceled(jobs.now))

    assert stored_result(jobs, upload).fault == CANCELED


def test_the_result_of_a_later_upload_stays(jobs: Jobs) -> None:
    older = upload_file(jobs, TOO_LARGE)
    ingest(jobs, older)
    job = created_job(jobs)
    newer = upload_file(jobs, to_lines("image", "text"), sequencer="2")
    ingest(jobs, newer)
    (latest,) = [other for other in jobs.store.jobs.values() if other.id != job.id]
    end(jobs, latest, succeeded=2)

    end(jobs, job, succeeded=4)

    assert stored_result(jobs, newer).job_id == latest.id
    assert [event.job_id for event in jobs.bus.upload_events] == [latest.id]


@pytest.mark.parametrize("stored", [None, b"{}"])
def test_a_job_whose_spec_is_gone_or_unreadable_has_no_upload_result(jobs: Jobs, stored: bytes | None) -> None:
    ingest(jobs, upload_file(jobs, TOO_LARGE))
    job = created_job(jobs)
    key = bulk_spec_key(job.tenant_id, job.id)
    if stored is None:
        del jobs.objects.objects[key]
    else:
        jobs.objects.objects[key] = stored

    assert publish(jobs, job.canceled(jobs.now)) == PublishSummary()


def test_a_callers_bulk_job_has_no_upload_result(jobs: Jobs) -> None:
    body = {"input": {"s3_uri": "s3://uploads/incoming/acme/numbers/a.jsonl"}, "label_set": "numbers"}
    job = jobs.bulk_submitter.submit(body, tenant=ACME, log_id="log")

    assert not job.has_uploads


# --- links -------------------------------------------------------------------------------------------------------------------


def test_the_result_of_the_upload_has_the_links_of_its_job(jobs: Jobs) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)
    job = created_job(jobs)
    end(jobs, job, succeeded=4)
    part = PartFile(name="part-00000.jsonl", rows=4, bytes=9, sha256="0" * 64)
    manifest = ResultsManifest(
        input="s3://uploads/x",
        model_id="m",
        model_revision="r",
        labels=[],
        options={},
        counts=Counts(total=4, succeeded=4, failed=0),
        results=[part],
        errors=[],
    )
    jobs.objects.objects[bulk_first_files_key("acme", job.id)] = manifest.model_dump_json().encode()
    reader = jobs.upload_result_reader

    links = reader.link_lines(reader.get("acme", upload.key))

    assert links is not None
    assert links.prefix == f"s3://jobs/bulk/acme/{job.id}/results/"
    assert [file.name for file in links.parts] == ["part-00000.jsonl"]


@pytest.mark.parametrize(
    "changes",
    [
        {"results_line": 1},
        {"job_id": None},
        {"job_id": "2" * 32},
        {"samples": None},
    ],
    ids=["of another job's object", "of no job", "of a job that has expired", "not a .jsonl file"],
)
def test_other_results_have_no_links(jobs: Jobs, changes: dict[str, Any]) -> None:
    upload = upload_file(jobs, TOO_LARGE)
    ingest(jobs, upload)
    end(jobs, created_job(jobs), succeeded=4)

    assert jobs.upload_result_reader.link_lines(replace(stored_result(jobs, upload), **changes)) is None
