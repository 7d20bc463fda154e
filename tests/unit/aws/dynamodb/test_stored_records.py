"""Items that the first release wrote are read, and are written as that release reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pigeonhole.aws.dynamodb.items import StoredRecord, from_tagged, to_tagged
from pigeonhole.aws.dynamodb.job_records import StoredClaim, StoredJob, StoredPart
from pigeonhole.aws.dynamodb.label_sets import StoredLabelSet
from pigeonhole.aws.dynamodb.tenants import StoredApiKey, StoredTenant
from pigeonhole.aws.dynamodb.upload_results import StoredUploadResult
from pigeonhole.aws.dynamodb.webhook_secrets import StoredSecrets
from pigeonhole.contract.commands import S3Grant
from pigeonhole.contract.jobs import DeliveryStatus, JobStatus
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.spans import Span
from pigeonhole.jobs.job import IdempotencyClaim, Job, NotificationStatus, Part
from pigeonhole.jobs.webhook import Attempt, Webhook
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, WebhookSecret

JOB: dict[str, Any] = {
    "pk": {"S": "JOBS#acme"},
    "sk": {"S": "0190a8f5c0deabababababababababab"},
    "tenant_status": {"S": "acme#succeeded"},
    "tenant_id": {"S": "acme"},
    "status": {"S": "succeeded"},
    "total": {"N": "5"},
    "chunk_size": {"N": "2"},
    "multiple_labels": {"BOOL": True},
    "created_at": {"N": "1700000000.123"},
    "updated_at": {"N": "1700000012.5"},
    "expires_at": {"N": "1700604800"},
    "succeeded": {"N": "4"},
    "failed": {"N": "1"},
    "version": {"N": "7"},
    "agenda": {"S": "JOBS#3"},
    "label_set": {"M": {"name": {"S": "animals"}, "version": {"N": "3"}}},
    "has_whole": {"BOOL": True},
    "has_objects": {"BOOL": True},
    "announcement": {"S": "waiting"},
    "webhook": {
        "M": {
            "url": {"S": "https://example.com/hook"},
            "status": {"S": "pending"},
            "attempts": {
                "L": [
                    {"M": {"at": {"N": "1700000013.25"}, "status": {"N": "503"}}},
                    {"M": {"at": {"N": "1700000043.5"}, "error": {"S": "timeout"}}},
                ]
            },
            "due_at": {"N": "1700000103.5"},
        }
    },
    "queued_at": {"N": "1700000001.5"},
    "started_at": {"N": "1700000002.75"},
    "finished_at": {"N": "1700000012.5"},
    "due_at": {"N": "1700000072.5"},
    "announce_at": {"N": "1700000072.5"},
}
LEAST_JOB: dict[str, Any] = {
    "pk": {"S": "JOBS#acme"},
    "sk": {"S": "0190a8f5c0deabababababababababab"},
    "tenant_status": {"S": "acme#canceled"},
    "tenant_id": {"S": "acme"},
    "status": {"S": "canceled"},
    "total": {"N": "1"},
    "chunk_size": {"N": "1"},
    "multiple_labels": {"BOOL": False},
    "created_at": {"N": "1700000000.0"},
    "updated_at": {"N": "1700000000.0"},
    "expires_at": {"N": "1700604800"},
    "succeeded": {"N": "0"},
    "failed": {"N": "0"},
    "version": {"N": "1"},
}
PART: dict[str, Any] = {
    "pk": {"S": "PARTS#acme#0190a8f5c0deabababababababababab"},
    "sk": {"S": "000002"},
    "stop": {"N": "4"},
    "succeeded": {"N": "1"},
    "failed": {"N": "1"},
    "expires_at": {"N": "1700604800"},
    "data": {"B": b"\x1f\x8bpacked"},
}
LARGE_PART: dict[str, Any] = {
    "pk": {"S": "PARTS#acme#0190a8f5c0deabababababababababab"},
    "sk": {"S": "000000"},
    "stop": {"N": "2"},
    "succeeded": {"N": "2"},
    "failed": {"N": "0"},
    "expires_at": {"N": "1700604800"},
    "object_key": {"S": "results/acme/x.json.gz"},
}
CLAIM: dict[str, Any] = {
    "pk": {"S": "CLAIMS#acme"},
    "sk": {"S": "0000000000000000000000000000000000000000000000000000000000000000"},
    "tenant_id": {"S": "acme"},
    "body_hash": {"S": "1111111111111111111111111111111111111111111111111111111111111111"},
    "job_id": {"S": "0190a8f5c0deabababababababababab"},
    "expires_at": {"N": "1700086400"},
}
LABEL_SET: dict[str, Any] = {
    "pk": {"S": "LABELSETS#acme"},
    "sk": {"S": "animals"},
    "tenant_id": {"S": "acme"},
    "version": {"N": "3"},
    "created_at": {"N": "1700000000.5"},
    "updated_at": {"N": "1700000100.0"},
    "options": {"S": '{"labels": [{"type": "text", "value": "café"}], "threshold": 0.25}'},
}
API_KEY: dict[str, Any] = {
    "pk": {"S": "KEY#2222222222222222222222222222222222222222222222222222222222222222"},
    "sk": {"S": "KEY"},
    "key_id": {"S": "abc123"},
    "key_hash": {"S": "2222222222222222222222222222222222222222222222222222222222222222"},
    "tenant_id": {"S": "acme"},
    "name": {"S": "laptop"},
    "created_at": {"N": "1700000000"},
    "ends_at": {"N": "1700003600"},
}
TENANT: dict[str, Any] = {
    "pk": {"S": "TENANT#acme"},
    "sk": {"S": "TENANT"},
    "tenant_id": {"S": "acme"},
    "created_at": {"N": "1700000000"},
    "grants": {"L": [{"M": {"bucket": {"S": "photos"}, "prefix": {"S": "acme/"}}}]},
    "newest_key": {"S": "abc123"},
}
SECRETS: dict[str, Any] = {
    "pk": {"S": "SECRETS#acme"},
    "sk": {"S": "SECRETS"},
    "tenant_id": {"S": "acme"},
    "secrets": {
        "L": [
            {"M": {"value": {"S": "whsec_new"}, "created_at": {"N": "1700000100"}}},
            {"M": {"value": {"S": "whsec_old"}, "created_at": {"N": "1700000000"}, "ends_at": {"N": "1700086500"}}},
        ]
    },
}
UPLOAD_RESULT: dict[str, Any] = {
    "pk": {"S": "OBJECTS#acme"},
    "sk": {"S": "incoming/acme/animals/cat.jpg"},
    "tenant_id": {"S": "acme"},
    "timeline": {"S": "acme"},
    "at": {"N": "1700000000.25"},
    "sequencer": {"S": "00000000000000000000000000000000000000000000000000000000000000A1"},
    "job_id": {"S": "0190a8f5c0deabababababababababab"},
    "status": {"S": "succeeded"},
    "expires_at": {"N": "1700604800"},
    "told": {
        "S": (
            '{"key":"incoming/acme/animals/cat.jpg","version_id":"v1","status":"succeeded",'
            '"label_set":{"name":"animals","version":3},"job_id":"0190a8f5c0deabababababababababab",'
            '"classified_at":"2023-11-14T22:13:20.250Z","expires_at":"2023-11-21T22:13:20Z","prediction":"cat",'
            '"scores":[{"label":"cat","probability":0.9,"similarity":0.3}],'
            '"results_uri":"s3://uploads/results/acme/animals/cat.jpg.json"}'
        )
    },
}
FAILED_UPLOAD: dict[str, Any] = {
    "pk": {"S": "OBJECTS#acme"},
    "sk": {"S": "incoming/acme/animals/cat.jpg"},
    "tenant_id": {"S": "acme"},
    "timeline": {"S": "acme"},
    "at": {"N": "1700000000.25"},
    "sequencer": {"S": "00000000000000000000000000000000000000000000000000000000000000A1"},
    "job_id": {"S": ""},
    "status": {"S": "failed"},
    "expires_at": {"N": "1700604800"},
    "told": {
        "S": (
            '{"key":"incoming/acme/animals/cat.jpg","status":"failed","classified_at":"2023-11-14T22:13:20.250Z",'
            '"expires_at":"2023-11-21T22:13:20Z","error":{"code":"too_large","message":"too large"},'
            '"results_uri":"s3://uploads/results/acme/animals/cat.jpg.json"}'
        )
    },
}
JOB_ID = "0190a8f5c0deabababababababababab"
FULL_JOB = Job(
    tenant_id="acme",
    id=JOB_ID,
    total=5,
    chunk_size=2,
    multiple_labels=True,
    created_at=1700000000.123,
    updated_at=1700000012.5,
    expires_at=1700604800,
    due_at=1700000072.5,
    status=JobStatus.SUCCEEDED,
    queued_at=1700000001.5,
    started_at=1700000002.75,
    finished_at=1700000012.5,
    succeeded=4,
    failed=1,
    label_set=LabelSetRef(name="animals", version=3),
    has_results_object=True,
    has_uploads=True,
    notification=NotificationStatus.PENDING,
    notify_at=1700000072.5,
    webhook=Webhook(
        "https://example.com/hook",
        DeliveryStatus.PENDING,
        (Attempt(1700000013.25, 503), Attempt(1700000043.5, None, "timeout")),
        1700000103.5,
    ),
    version=7,
)


@pytest.mark.parametrize(
    ("stored", "item"),
    [
        (StoredJob, JOB),
        (StoredJob, LEAST_JOB),
        (StoredPart, PART),
        (StoredPart, LARGE_PART),
        (StoredClaim, CLAIM),
        (StoredTenant, TENANT),
        (StoredSecrets, SECRETS),
        (StoredUploadResult, UPLOAD_RESULT),
        (StoredUploadResult, FAILED_UPLOAD),
    ],
)
def test_an_item_is_written_as_it_was_read_but_for_its_version(stored: type[StoredRecord], item: dict[str, Any]) -> None:
    assert to_tagged(stored.read(from_tagged(item)).to_item()) == {**item, "record_version": {"N": "1"}}


def test_an_api_keys_items_are_written_as_they_were_read_but_for_their_version() -> None:
    keys = {name: API_KEY[name] for name in ("pk", "sk")}

    assert {**keys, **to_tagged(StoredApiKey.read(from_tagged(API_KEY)).to_item())} == {**API_KEY, "record_version": {"N": "1"}}


def test_a_job_is_read_with_all_that_was_stored_of_it() -> None:
    job = StoredJob.read(from_tagged(JOB)).to_job()

    assert job == FULL_JOB
    assert to_tagged(StoredJob.from_job(job).to_item()) == {**JOB, "record_version": {"N": "1"}}


def test_a_job_says_whether_the_caller_named_its_samples() -> None:
    job = replace(FULL_JOB, has_names=True)

    assert StoredJob.read(StoredJob.from_job(job).to_item()).to_job() == job


def test_a_job_is_read_without_what_was_not_stored_of_it() -> None:
    job = StoredJob.read(from_tagged(LEAST_JOB)).to_job()

    assert (job.due_at, job.label_set, job.webhook, job.has_results_object, job.has_uploads) == (None, None, None, False, False)
    assert to_tagged(StoredJob.from_job(job).to_item()) == {**LEAST_JOB, "record_version": {"N": "1"}}


def test_parts_are_read() -> None:
    assert StoredPart.read(from_tagged(PART)).to_part() == Part(Span(2, 4), 1, 1, data=b"\x1f\x8bpacked")
    assert StoredPart.read(from_tagged(LARGE_PART)).to_part() == Part(Span(0, 2), 2, 0, object_key="results/acme/x.json.gz")


def test_a_claim_is_read() -> None:
    claim = StoredClaim.read(from_tagged(CLAIM)).to_claim()

    assert claim == IdempotencyClaim("acme", "0" * 64, "1" * 64, JOB_ID, 1700086400)


def test_a_label_set_is_read() -> None:
    options = {"labels": [{"type": "text", "value": "café"}], "threshold": 0.25}

    label_set = StoredLabelSet.read(from_tagged(LABEL_SET)).to_label_set()

    assert label_set == LabelSet("acme", "animals", 3, 1700000000.5, 1700000100.0, options)


def test_a_tenant_its_api_key_and_its_secrets_are_read() -> None:
    tenant = StoredTenant.read(from_tagged(TENANT)).to_tenant()
    api_key = StoredApiKey.read(from_tagged(API_KEY)).to_api_key()
    secrets = StoredSecrets.read(from_tagged(SECRETS)).to_secrets()

    assert tenant == Tenant("acme", 1700000000, (S3Grant(bucket="photos", prefix="acme/"),))
    assert api_key == ApiKeyRecord("abc123", "2" * 64, "acme", "laptop", 1700000000, 1700003600)
    assert secrets == (WebhookSecret("whsec_new", 1700000100), WebhookSecret("whsec_old", 1700000000, 1700086500))


def test_an_uploads_result_is_read() -> None:
    result = StoredUploadResult.read(from_tagged(UPLOAD_RESULT)).to_result()

    assert (result.tenant_id, result.object_key, result.classified_at, result.expires_at) == (
        "acme",
        "incoming/acme/animals/cat.jpg",
        1700000000.25,
        1700604800,
    )
    stored = to_tagged(StoredUploadResult.from_result(result).to_item())
    versioned = UPLOAD_RESULT["told"]["S"].replace("{", '{"version":1,', 1)
    assert stored == {**UPLOAD_RESULT, "told": {"S": versioned}, "record_version": {"N": "1"}}
