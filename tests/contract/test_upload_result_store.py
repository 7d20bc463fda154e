"""UploadResultStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from botocore.stub import Stubber

from pigeonhole.aws.dynamodb import table as dynamodb_table
from pigeonhole.aws.dynamodb import upload_results
from pigeonhole.aws.dynamodb.table import MAX_BATCH_ATTEMPTS, MAX_BATCH_KEYS
from pigeonhole.aws.dynamodb.upload_results import MAX_QUERIES, DynamoUploadResultStore
from pigeonhole.contract.classification import LabelScore
from pigeonhole.contract.jobs import Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.errors import Overloaded
from pigeonhole.object_keys import MAX_KEY_BYTES
from pigeonhole.ports import Page
from pigeonhole.uploads.ports import UploadResultStore
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer
from support.fakes import FakeUploadResultStore
from support.moto_aws import TABLE, create_table, unconnected_client

PETS = "incoming/acme/pets/"
ODD = [f"{PETS}a b?c#d%2Fe+f.jpg", f"{PETS}//x", f"{PETS}ünïcode/猫.jpg", f"{PETS}\n", f"{PETS}{chr(0x1F600)}"]
LONGEST = [PETS + "x" * (MAX_KEY_BYTES - len(PETS)), PETS + "猫" * ((MAX_KEY_BYTES - len(PETS)) // 3)]


@pytest.fixture
def store(is_real: bool) -> UploadResultStore:
    return DynamoUploadResultStore(create_table(), TABLE) if is_real else FakeUploadResultStore()


def result(
    object_key: str = f"{PETS}cat.jpg", *, tenant_id: str = "acme", sequencer: str = "5", at: float = 1_000.5, **changes: Any
) -> UploadResult:
    fields: dict[str, Any] = {
        "job_id": "1" * 32,
        "prediction": "cat",
        "results_uri": "s3://uploads/results/acme/pets/cat.jpg.json",
    }
    return UploadResult(
        tenant_id=tenant_id,
        object_key=object_key,
        sequencer=to_sortable_sequencer(sequencer),
        classified_at=at,
        expires_at=2_000,
        **fields | changes,
    )


def all_pages(page: Callable[[str | None], Page[UploadResult]], limit: int) -> list[str]:
    """Return the object keys of all pages, none of which is longer than `limit`."""
    object_keys: list[str] = []
    start: str | None = None
    for _ in range(100):
        next_page = page(start)
        assert len(next_page.items) <= limit
        object_keys += [upload.object_key for upload in next_page.items]
        start = next_page.next
        if start is None:
            return object_keys
    raise AssertionError("the pages never end")


# --- one by one --------------------------------------------------------------------------------------------------------------


def test_an_empty_store_finds_nothing(store: UploadResultStore) -> None:
    assert store.get("acme", PETS) is None
    assert store.sequencers("acme", []) == store.sequencers("acme", [PETS]) == {}
    assert store.page("acme", "", 10, None) == store.newest("acme", "", 0.0, 9.0, 10, None) == Page([], None)


@pytest.mark.parametrize(
    "fields",
    [
        {"scores": [LabelScore(label="größe", probability=0.1, similarity=-0.2)], "version_id": "v.1"},
        {"prediction": ["a", "b"], "label_set": LabelSetRef(name="pets", version=3)},
        {"prediction": None, "samples": Progress(total=3, succeeded=2, failed=1)},
        {"prediction": None, "job_id": None, "fault": UploadFault("too_large", "it is")},
    ],
)
def test_a_result_is_read_as_it_was_written(store: UploadResultStore, fields: dict[str, Any]) -> None:
    stored = result(at=1_795_718_960.7918432, **fields)

    assert store.save(stored)
    assert store.get("acme", stored.object_key) == stored


def test_an_object_key_is_used_byte_for_byte(store: UploadResultStore) -> None:
    for key in (*ODD, *LONGEST):
        assert store.save(result(key))

    for key in (*ODD, *LONGEST):
        stored = store.get("acme", key)
        assert stored is not None
        assert stored.object_key == key
        assert store.sequencers("acme", [key]) == {key: to_sortable_sequencer("5")}
        assert [upload.object_key for upload in store.page("acme", key, 10, None).items] == [key]
        assert [upload.object_key for upload in store.newest("acme", key, 0.0, 2_000.0, 10, None).items] == [key]


KNOWN = result()
FAULT = UploadFault("too_large", "it is")
FAILED, REFUSED = result(fault=FAULT), result(fault=FAULT, job_id=None)


CASES = [
    (KNOWN, result(sequencer="6", prediction="dog"), True),
    (KNOWN, result(sequencer="51", fault=FAULT), True),
    (KNOWN, result(sequencer="4", prediction="dog"), False),
    (KNOWN, result(sequencer="0004", job_id="2" * 32), False),
    (FAILED, result(sequencer="4"), False),
    (KNOWN, KNOWN, True),
    (KNOWN, replace(KNOWN, classified_at=2_000.25), True),
    (KNOWN, result(job_id="2" * 32), False),
    (KNOWN, REFUSED, False),
    (FAILED, result(job_id="2" * 32), True),
    (FAILED, REFUSED, True),
    (REFUSED, KNOWN, True),
    (REFUSED, REFUSED, True),
]


def test_a_result_replaces_only_one_that_it_may_replace(store: UploadResultStore) -> None:
    for number, (known, following, is_stored) in enumerate(CASES):
        before, after = (replace(case, object_key=f"{PETS}{number}") for case in (known, following))
        store.save(before)

        assert store.save(after) is is_stored is after.may_replace(before), number
        assert store.get("acme", before.object_key) == (after if is_stored else before), number


def test_a_tenant_has_no_result_of_another(store: UploadResultStore) -> None:
    stored = result()
    store.save(stored)

    assert store.get("zeta", stored.object_key) is None
    assert store.sequencers("zeta", [stored.object_key]) == {}
    assert store.page("zeta", "", 10, None).items == []
    assert store.newest("zeta", "", 0.0, 2_000.0, 10, None).items == []
    assert store.save(result(tenant_id="zeta", sequencer="1")), "the other tenant's result prevents nothing"


def test_the_sequencers_of_many_uploads_are_those_with_a_jobs_result(store: UploadResultStore) -> None:
    keys = [f"{PETS}{number}" for number in range(2 * MAX_BATCH_KEYS + 5)]
    for number, key in enumerate(keys[::2]):
        store.save(result(key, sequencer=f"{number:x}", job_id=None if number % 5 == 0 else "1" * 32))

    sequencers = store.sequencers("acme", [*keys, *keys[:3]])

    assert sequencers == {key: to_sortable_sequencer(f"{number:x}") for number, key in enumerate(keys[::2]) if number % 5}


# --- by key ------------------------------------------------------------------------------------------------------------------

NAMES = [f"{PETS}{name}" for name in ("B", "a", "a/b", "a0", "ü", "猫", chr(0x1F600))]  # as their bytes sort


def test_results_are_listed_by_key_page_by_page(store: UploadResultStore) -> None:
    others = ["incoming/acme/dogs/a", "incoming/acme/petsx"]
    for key in (*reversed(NAMES), *others):
        store.save(result(key))

    for prefix in ("", "incoming/", PETS, f"{PETS}a", f"{PETS}猫", f"{PETS}none"):
        wanted = [key for key in (others[0], *NAMES, others[1]) if key.startswith(prefix)]
        for limit in (1, 2, 3, 100):
            assert all_pages(partial(store.page, "acme", prefix, limit), limit) == wanted


def test_a_page_that_ends_the_list_has_no_next(store: UploadResultStore) -> None:
    for key in NAMES[:2]:
        store.save(result(key))

    assert store.page("acme", PETS, 1, None).next == NAMES[0]
    assert store.page("acme", PETS, 2, None).next is None


@pytest.mark.usefixtures("aws")
def test_large_results_are_listed_over_several_pages() -> None:
    store = DynamoUploadResultStore(create_table(), TABLE)
    keys = [f"{PETS}{number}" for number in range(8)]
    for key in keys:
        store.save(result(key, prediction="x" * 300_000))

    assert all_pages(partial(store.page, "acme", PETS, 5), 5) == keys
    assert sorted(all_pages(partial(store.newest, "acme", PETS, 0.0, 2_000.0, 5), 5)) == keys


# --- by time -----------------------------------------------------------------------------------------------------------------


def store_eight(store: UploadResultStore) -> None:
    """Store eight results, a second apart, alternately of pets and of dogs."""
    for number in range(8):
        store.save(result(f"incoming/acme/{('pets', 'dogs')[number % 2]}/{number}", at=1_000.0 + number))


SPANS = [
    ("", 0.0, 2_000.0, "76543210"),
    ("", 1_002.0, 1_005.0, "5432"),
    ("", 1_001.5, 1_002.25, "2"),
    ("", 1_008.0, 2_000.0, ""),
    (PETS, 0.0, 2_000.0, "6420"),
    ("incoming/acme/dogs/", 1_001.0, 1_005.0, "531"),
    ("incoming/zeta/", 0.0, 2_000.0, ""),
    ("", -62_135_596_800.0, 253_402_300_799.999, "76543210"),
]


def test_results_are_listed_newest_first_page_by_page(store: UploadResultStore) -> None:
    store_eight(store)

    for prefix, since, until, numbers in SPANS:
        for limit in (1, 2, 3, 8, 100):
            object_keys = all_pages(partial(store.newest, "acme", prefix, since, until, limit), limit)
            assert "".join(object_key[-1] for object_key in object_keys) == numbers


def test_a_replaced_result_is_listed_at_its_last_time(store: UploadResultStore) -> None:
    store_eight(store)
    store.save(result(f"{PETS}0", at=1_050.0, sequencer="6"))

    uploads = store.newest("acme", "", 1_005.0, 2_000.0, 10, None).items
    assert [(upload.object_key[-1], upload.classified_at) for upload in uploads] == [
        ("0", 1_050.0),
        ("7", 1_007.0),
        ("6", 1_006.0),
        ("5", 1_005.0),
    ]


def test_results_of_one_moment_are_all_listed(store: UploadResultStore) -> None:
    for number in range(5):
        store.save(result(f"{PETS}{number}"))

    object_keys = all_pages(partial(store.newest, "acme", "", 0.0, 2_000.0, 2), 2)

    assert sorted(object_keys) == [f"{PETS}{number}" for number in range(5)]


def test_a_rare_prefix_is_found_among_many_although_some_pages_are_empty(
    store: UploadResultStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_results, "MIN_FILTERED_ITEMS", 3)
    count = 7 * MAX_QUERIES
    for number in range(count):
        store.save(result(f"incoming/acme/dogs/{number}", at=1_001.0 + number))
    store.save(result(f"{PETS}first", at=1_000.0))

    assert all_pages(partial(store.newest, "acme", PETS, 0.0, 2_000.0, 1), 1) == [f"{PETS}first"]


# --- a busy table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "use"),
    [
        ("put_item", lambda store: store.save(KNOWN)),
        ("get_item", lambda store: store.get("acme", PETS)),
        ("batch_get_item", lambda store: store.sequencers("acme", [PETS])),
        ("query", lambda store: store.page("acme", PETS, 10, None)),
        ("query", lambda store: store.newest("acme", PETS, 0.0, 1.0, 10, None)),
    ],
)
def test_a_busy_table_is_an_overload(operation: str, use: Callable[[UploadResultStore], object]) -> None:
    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        stub.add_client_error(operation, "ThrottlingException", http_status_code=400)
        with pytest.raises(Overloaded):
            use(DynamoUploadResultStore(client, TABLE))


def test_keys_that_the_table_left_out_are_requested_again() -> None:
    def item(key: str) -> dict[str, Any]:
        return {"sk": {"S": key}, "sequencer": {"S": to_sortable_sequencer("1")}, "job_id": {"S": "1"}}

    def request(*keys: str) -> dict[str, Any]:
        item_keys = [{"pk": {"S": "OBJECTS#acme"}, "sk": {"S": key}} for key in keys]
        return {TABLE: {"Keys": item_keys, "ConsistentRead": True, "ProjectionExpression": "sk, sequencer, job_id"}}

    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        answer = {"Responses": {TABLE: [item("a")]}, "UnprocessedKeys": request("b")}
        stub.add_response("batch_get_item", answer, {"RequestItems": request("a", "b")})
        stub.add_response("batch_get_item", {"Responses": {TABLE: [item("b")]}}, {"RequestItems": request("b")})

        assert set(DynamoUploadResultStore(client, TABLE).sequencers("acme", ["a", "b"])) == {"a", "b"}
        stub.assert_no_pending_responses()


def test_a_table_that_always_leaves_out_a_key_is_an_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(dynamodb_table.time, "sleep", pauses.append)
    client = unconnected_client("dynamodb")
    unprocessed = {TABLE: {"Keys": [{"pk": {"S": "OBJECTS#acme"}, "sk": {"S": "a"}}]}}
    with Stubber(client) as stub:
        for _ in range(MAX_BATCH_ATTEMPTS):
            stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": unprocessed})
        with pytest.raises(Overloaded):
            DynamoUploadResultStore(client, TABLE).sequencers("acme", ["a"])
        stub.assert_no_pending_responses()
    assert len(pauses) == MAX_BATCH_ATTEMPTS - 1
