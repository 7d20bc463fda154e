"""Forms: for the tenant's own folders, of one type, within the limits, and for a label set if one is named."""

from __future__ import annotations

import pytest

from pigeonhole.api.answers import to_upload_response
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.contract.bulk import BulkInput
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import MAX_FILENAME_CHARS, MAX_MANIFEST_BYTES, FileKind
from pigeonhole.errors import InvalidRequest
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.object_keys import UploadLocation, incoming_grant, uploads_grant
from pigeonhole.uploads.create import UploadFormCreator
from pigeonhole.uploads.uploaded_file import to_file_kind
from support.fakes import FakeLabelSetStore, FakeUploadForms
from support.job_fixtures import ACME, ZETA

PETS = LabelSet("acme", "pets", 1, created_at=0, updated_at=0, options={"labels": []})


def create_service(forms: FakeUploadForms, **limits: int) -> UploadFormCreator:
    sets = FakeLabelSetStore({("acme", "pets"): PETS})
    return UploadFormCreator(
        forms=forms,
        label_sets=sets,
        limits=RequestLimits(**limits),
        bucket="bucket",
        form_s=60,
        keep_s=3_600,
        clock=lambda: 1_000.5,
    )


def test_a_form_has_a_key_of_the_tenants_folder_and_states_its_limits() -> None:
    forms = FakeUploadForms()

    form = create_service(forms).create({"content_type": "image/png", "size": 5, "filename": "shelf 7/ü.png"}, ACME)

    ((key, content_type, least, most, seconds),) = forms.requests
    assert (content_type, least, most, seconds) == ("image/png", 5, 5, 60)
    assert key.startswith(uploads_grant("acme", "bucket").prefix)
    assert key.endswith("-shelf-7-.png")
    assert key.count("/") == 2
    assert to_upload_response(form, "log-1").upload.model_dump() == {
        "url": "https://uploads.example",
        "fields": {"key": key, "Content-Type": "image/png"},
        "s3_uri": f"s3://bucket/{key}",
        "key": key,
        "id": None,
        "max_bytes": 5,
        "expires_at": "1970-01-01T00:17:40Z",
        "kept_until": "1970-01-01T01:16:40Z",
    }


def test_without_a_size_a_form_takes_up_to_the_limit() -> None:
    forms = FakeUploadForms()

    assert create_service(forms, max_upload_bytes=50).create({"content_type": "image/jpeg"}, ACME).max_bytes == 50
    assert forms.requests[0][2:4] == (1, 50)


def test_each_form_has_its_own_key_and_each_tenant_its_own_folder() -> None:
    forms = FakeUploadForms()
    for tenant in (ACME, ACME, ZETA):
        create_service(forms).create({"content_type": "image/jpeg", "filename": "../../zeta/x"}, tenant)

    keys = [key for key, *_ in forms.requests]
    assert len(set(keys)) == 3
    assert [key.split("/")[:2] for key in keys] == [["uploads", "acme"], ["uploads", "acme"], ["uploads", "zeta"]]
    assert all(len(key.split("/")) == 3 for key in keys)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "content_type"),
        ({"content_type": "text/html"}, "content_type"),
        ({"content_type": "image/svg+xml"}, "content_type"),
        ({"content_type": "image/png", "size": 0}, "size"),
        ({"content_type": "image/png", "size": 101}, "size"),
        ({"content_type": "image/png", "size": "5"}, "size"),
        ({"content_type": "image/png", "filename": "x" * (MAX_FILENAME_CHARS + 1)}, "filename"),
        ({"content_type": "image/png", "label_set": "No Name"}, "label_set"),
        ({"content_type": "image/png", "label_set": "../pets"}, "label_set"),
        ({"content_type": "image/png", "label_set": "dogs"}, "label_set"),
        ({"content_type": "text/plain", "label_set": "pets", "size": 1_041}, "size"),
        ({"content_type": "application/jsonl", "label_set": "pets", "size": MAX_MANIFEST_BYTES + 1}, "size"),
        ({"content_type": "text/plain"}, ""),
        ({"content_type": "application/jsonl", "size": 5_000_000_001}, "size"),
        ({"content_type": "application/gzip", "label_set": "pets"}, ""),
        ({"content_type": "application/vnd.apache.parquet", "label_set": "pets"}, ""),
        ({"content_type": "application/json", "label_set": "pets"}, "content_type"),
        (None, ""),
    ],
)
def test_a_request_for_a_file_that_cannot_be_classified_is_refused(body: object, path: str) -> None:
    forms = FakeUploadForms()
    with pytest.raises(InvalidRequest) as refused:
        create_service(forms, max_upload_bytes=100, max_body_bytes=50, max_text_chars=10).create(body, ACME)

    assert [fault.path for fault in refused.value.details] == [path]
    assert forms.requests == []


@pytest.mark.parametrize(
    ("content_type", "filename", "ending", "kind"),
    [
        ("application/jsonl", "reviews.jsonl", "-reviews.jsonl", InputKind.LINES),
        ("application/x-ndjson", None, ".ndjson", InputKind.LINES),
        ("application/jsonl", "reviews.gz", "-reviews.gz.jsonl", InputKind.LINES),
        ("application/gzip", "reviews.jsonl.gz", "-reviews.jsonl.gz", InputKind.GZIP),
        ("application/gzip", "reviews", "-reviews.jsonl.gz", InputKind.GZIP),
        ("application/vnd.apache.parquet", "reviews.PARQUET", "-reviews.PARQUET", InputKind.PARQUET),
        ("application/vnd.apache.parquet", "reviews.pq", "-reviews.pq.parquet", InputKind.PARQUET),
    ],
)
def test_the_form_of_a_manifest_has_an_id_that_a_bulk_job_names(
    content_type: str, filename: str | None, ending: str, kind: InputKind
) -> None:
    form = create_service(FakeUploadForms()).create({"content_type": content_type, "filename": filename}, ACME)

    upload = to_upload_response(form, "log-1").upload
    assert upload.id is not None
    assert upload.id.endswith(ending)
    assert upload.key == uploads_grant("acme", "bucket").prefix + upload.id
    assert (upload.max_bytes, InputKind.from_name(upload.id)) == (5_000_000_000, kind)
    assert BulkInput.model_validate({"upload_id": upload.id}).upload_id == upload.id


# --- for a label set ---------------------------------------------------------------------------------------------------------


def test_the_form_of_a_label_set_has_a_key_under_incoming() -> None:
    forms = FakeUploadForms()

    form = create_service(forms).create({"content_type": "image/png", "label_set": "pets", "filename": "shelf/7.png"}, ACME)

    ((key, *_),) = forms.requests
    assert key.startswith(incoming_grant("acme", "bucket").prefix + "pets/")
    assert key.endswith("-shelf-7.png")
    assert UploadLocation.parse(key) == UploadLocation("acme", "pets")
    assert (form.object_key, form.bucket) == (key, "bucket")


def test_another_tenants_label_set_is_unknown() -> None:
    forms = FakeUploadForms()

    with pytest.raises(InvalidRequest, match="there is none called 'pets'"):
        create_service(forms).create({"content_type": "image/png", "label_set": "pets"}, ZETA)
    assert forms.requests == []


@pytest.mark.parametrize(
    ("content_type", "filename", "ending", "kind"),
    [
        ("text/plain", None, ".txt", FileKind.TEXT),
        ("text/plain", "notes", "-notes.txt", FileKind.TEXT),
        ("text/plain", "notes.TXT", "-notes.TXT", FileKind.TEXT),
        ("text/plain", "notes.jsonl", "-notes.jsonl.txt", FileKind.TEXT),
        ("application/jsonl", None, ".jsonl", FileKind.LINES),
        ("application/jsonl", "a.jsonl", "-a.jsonl", FileKind.LINES),
        ("application/jsonl", "a.txt", "-a.txt.jsonl", FileKind.LINES),
        ("application/jsonl", "a.ndjson", "-a.ndjson", FileKind.LINES),
        ("application/x-ndjson", "a.ndjson", "-a.ndjson", FileKind.LINES),
        ("image/png", "x.ndjson", "-x.ndjson.image", FileKind.IMAGE),
        ("image/png", None, "", FileKind.IMAGE),
        ("image/png", "x.txt", "-x.txt.image", FileKind.IMAGE),
        ("image/png", "x.JSONL", "-x.JSONL.image", FileKind.IMAGE),
        ("application/octet-stream", "cat.jpg", "-cat.jpg", FileKind.IMAGE),
    ],
)
def test_a_file_is_read_by_its_content_type_whatever_its_name(
    content_type: str, filename: str | None, ending: str, kind: FileKind
) -> None:
    forms = FakeUploadForms()

    create_service(forms).create({"content_type": content_type, "label_set": "pets", "filename": filename}, ACME)

    ((key, form_type, *_),) = forms.requests
    assert form_type == content_type
    assert to_file_kind(key) is kind
    assert key.endswith(ending)
    assert len(key) == len("incoming/acme/pets/") + 32 + len(ending), "nothing else is added"


@pytest.mark.parametrize(
    ("content_type", "most"), [("text/plain", 1_040), ("application/jsonl", MAX_MANIFEST_BYTES), ("image/png", 100)]
)
def test_a_form_takes_no_more_than_can_be_classified(content_type: str, most: int) -> None:
    forms = FakeUploadForms()
    limited = create_service(forms, max_upload_bytes=100, max_body_bytes=50, max_text_chars=10)

    form = limited.create({"content_type": content_type, "label_set": "pets"}, ACME)

    assert form.max_bytes == most
    assert forms.requests[0][2:4] == (1, most)
