"""Where objects lie: the folders of an uploaded file, the keys of results, and what a tenant's grants cover."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.object_keys import MAX_KEY_BYTES, UploadLocation, incoming_grant, upload_result_key

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


def test_the_key_of_a_result_differs_from_its_files_key_by_the_prefix() -> None:
    assert upload_result_key(KEY) == "results/acme/pets/cat.jpg.json"
    assert upload_result_key("incoming/acme/pets/2026/猫") == "results/acme/pets/2026/猫.json"


LONG_KEYS = [
    "incoming/acme/pets/" + "x" * (MAX_KEY_BYTES - len("incoming/acme/pets/")),
    "incoming/acme/pets/" + "猫" * 335,
    "incoming/acme/" + "s" * 1_008 + "/x",
    "incoming/" + "t" * 1_011 + "/s/x",
    "incoming/" + "f" * 1_014 + "/",
]


@pytest.mark.parametrize("key", LONG_KEYS)
def test_the_result_of_the_longest_key_has_a_key_that_s3_takes(key: str) -> None:
    assert len(key.encode()) in (MAX_KEY_BYTES - 1, MAX_KEY_BYTES)

    result_key = upload_result_key(key)

    assert len(result_key.encode()) <= MAX_KEY_BYTES
    assert result_key != upload_result_key(key[:-1] + "y")


def test_the_result_of_a_long_key_stays_in_the_tenants_folder() -> None:
    assert upload_result_key(LONG_KEYS[0]).startswith("results/acme/pets/")
    assert upload_result_key(LONG_KEYS[2]).startswith("results/acme/")


@given(
    st.lists(st.text(alphabet="ab/.ü猫", max_size=12).map(lambda end: end * 40), min_size=2, max_size=2, unique=True),
    st.sampled_from(["incoming/acme/pets/", "incoming/acme/", "incoming/", ""]),
)
def test_results_have_keys_of_their_own_that_are_no_files(ends: list[str], prefix: str) -> None:
    one, other = (upload_result_key(prefix + end) for end in ends)

    assert one != other
    for result_key in (one, other):
        assert UploadLocation.parse(result_key) is None
        assert result_key.startswith("results/")
