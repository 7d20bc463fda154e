"""Where objects lie: the folders of an uploaded file, the keys of results, and what a tenant's grants cover."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.object_keys import UploadLocation, incoming_grant, upload_results_key

KEY = "incoming/acme/pets/cat.jpg"


@pytest.mark.parametrize(
    ("key", "location"),
    [
        (KEY, UploadLocation("acme", "pets")),
        ("incoming/acme/pets/2026/11/cat.jpg", UploadLocation("acme", "pets")),
        ("incoming/acme/pets//cat.jpg", UploadLocation("acme", "pets")),
        ("incoming/acme/pets/ ", UploadLocation("acme", "pets")),
        ("incoming/acme/No Set!/猫.jpg", UploadLocation("acme", "No Set!")),
        ("incoming/acme/cat.jpg", UploadLocation("acme", "")),
        ("incoming/acme/pets", UploadLocation("acme", "")),
        ("incoming/acme//cat.jpg", UploadLocation("acme", "")),
    ],
)
def test_the_folders_of_a_file_name_its_tenant_and_label_set(key: str, location: UploadLocation) -> None:
    assert UploadLocation.parse(key) == location


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "incoming", "incoming/", "incoming/acme", "incoming/acme/"),
        *("incoming/acme/pets/", "incoming/acme/pets/2026/", "incoming/acme/pets//"),
        *("incoming/größe/pets/cat.jpg", "incoming/ACME/pets/cat.jpg", "incoming/-acme/pets/cat.jpg"),  # no tenant's
        *("incoming//pets/cat.jpg", "incoming///cat.jpg", "/incoming/acme/pets/cat.jpg"),
        *("uploads/acme/pets/cat.jpg", "results/acme/pets/cat.jpg", "Incoming/acme/pets/cat.jpg", "incoming2/acme/pets/cat"),
    ],
)
def test_a_folder_and_a_key_elsewhere_are_no_tenants_file(key: str) -> None:
    assert UploadLocation.parse(key) is None


@given(st.text(alphabet="incomg/acets.ü\n", max_size=30))
def test_a_location_is_part_of_its_key(rest: str) -> None:
    key = "incoming/" + rest
    if location := UploadLocation.parse(key):
        assert key.startswith(f"incoming/{location.tenant_id}/{location.label_set}")
        assert location.tenant_id


def test_a_grant_covers_the_tenants_folder() -> None:
    grant = incoming_grant("acme", "uploads")

    assert grant.bucket == "uploads"
    assert KEY.startswith(grant.prefix)
    assert not "incoming/acme-2/pets/cat.jpg".startswith(grant.prefix)


def test_the_results_of_a_job_lie_in_the_folder_of_the_tenant_and_the_label_set() -> None:
    key = upload_results_key("acme", "pets", "1" * 32)

    assert key == f"results/acme/pets/{'1' * 32}.jsonl"
    assert UploadLocation.parse(key) is None, "it is no upload"
