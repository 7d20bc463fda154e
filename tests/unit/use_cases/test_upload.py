"""Forms for uploads: of the tenant's own prefix, of one type, within the size."""

from __future__ import annotations

import pytest

from fakes import FakeUploadForms
from jobs_made import ACME, ZETA
from pigeonhole.contract import RequestLimits
from pigeonhole.contract_uploads import MAX_FILENAME
from pigeonhole.errors import InvalidRequest
from pigeonhole.uploads import grant_of
from pigeonhole.use_cases.upload import MakeUpload


def make(forms: FakeUploadForms, **limits: int) -> MakeUpload:
    return MakeUpload(forms, RequestLimits(**limits), "bucket", form_s=60, keep_s=3_600, clock=lambda: 1_000.5)


def test_a_form_is_of_the_tenants_prefix_and_says_what_it_takes() -> None:
    forms = FakeUploadForms()

    made = make(forms)({"content_type": "image/png", "size": 5, "filename": "shelf 7/ü.png"}, ACME)

    ((key, content_type, least, most, seconds),) = forms.asked
    assert (content_type, least, most, seconds) == ("image/png", 5, 5, 60)
    assert key.startswith(grant_of("acme", "bucket").prefix)
    assert key.endswith("-shelf-7-.png")
    assert key.count("/") == 2
    assert made.model_dump() == {
        "url": "https://uploads.example",
        "fields": {"key": key, "Content-Type": "image/png"},
        "s3_uri": f"s3://bucket/{key}",
        "max_bytes": 5,
        "expires_at": "1970-01-01T00:17:40Z",
        "kept_until": "1970-01-01T01:16:40Z",
    }


def test_without_a_size_a_form_takes_up_to_the_limit() -> None:
    forms = FakeUploadForms()

    assert make(forms, max_upload_bytes=50)({"content_type": "image/jpeg"}, ACME).max_bytes == 50
    assert forms.asked[0][2:4] == (1, 50)


def test_no_two_forms_are_of_one_key_nor_two_tenants_of_one_prefix() -> None:
    forms = FakeUploadForms()
    for tenant in (ACME, ACME, ZETA):
        make(forms)({"content_type": "image/jpeg", "filename": "../../zeta/x"}, tenant)

    keys = [key for key, *_ in forms.asked]
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
        ({"content_type": "image/png", "filename": "x" * (MAX_FILENAME + 1)}, "filename"),
        (None, ""),
    ],
)
def test_what_could_not_be_classified_is_refused(body: object, path: str) -> None:
    forms = FakeUploadForms()
    with pytest.raises(InvalidRequest) as refused:
        make(forms, max_upload_bytes=100)(body, ACME)

    assert [fault.path for fault in refused.value.details] == [path]
    assert forms.asked == []
