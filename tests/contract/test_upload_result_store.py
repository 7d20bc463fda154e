"""ports.UploadResultStore: the fake and DynamoDB's adapter behave alike."""

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
    """The keys of all pages, none of which is longer than `limit`."""
    found: list[str] = []
    start: str | None = None
    for _ in range(100):
        part = page(start)
        assert len(part.items) <= limit
        found += [each.object_key for each in part.items]
        start = part.next
        if start is None:
            return found
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
    kept = result(at=1_795_718_960.7918432, **fields)

    assert store.save(kept)
    assert store.get("acme", kept.object_key) == kept


def test_a_key_is_taken_byte_for_byte(store: UploadResultStore) -> None:
    for key in (*ODD, *LONGEST):
        assert store.save(result(key))

    for key in (*ODD, *LONGEST):
        found = store.get("acme", key)
        assert found is not None
        assert found.object_key == key
        assert store.sequencers("acme", [key]) == {key: to_sortable_sequencer("5")}
        assert [each.object_key for each in store.page("acme", key, 10, None).items] == [key]
        assert [each.object_key for each in store.newest("acme", key, 0.0, 2_000.0, 10, None).items] == [key]


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


def test_a_result_takes_the_place_of_one_that_it_may_replace_and_of_no_other(store: UploadResultStore) -> None:
    for number, (known, then, is_kept) in enumerate(CASES):
        before, after = (replace(each, object_key=f"{PETS}{number}") for each in (known, then))
        store.save(before)

        assert store.save(after) is is_kept is after.may_replace(before), number
        assert store.get("acme", before.object_key) == (after if is_kept else before), number


def test_a_tenant_has_no_result_of_another(store: UploadResultStore) -> None:
    kept = result()
    store.save(kept)

    assert store.get("zeta", kept.object_key) is None
    assert store.sequencers("zeta", [kept.object_key]) == {}
    assert store.page("zeta", "", 10, None).items == []
    assert store.newest("zeta", "", 0.0, 2_000.0, 10, None).items == []
    assert store.save(result(tenant_id="zeta", sequencer="1")), "nor does it mind that one"


def test_of_many_objects_those_with_a_jobs_result_are_known(store: UploadResultStore) -> None:
    keys = [f"{PETS}{number}" for number in range(2 * MAX_BATCH_KEYS + 5)]
    for number, key in enumerate(keys[::2]):
        store.save(result(key, sequencer=f"{number:x}", job_id=None if number % 5 == 0 else "1" * 32))

    found = store.sequencers("acme", [*keys, *keys[:3]])

    assert found == {key: to_sortable_sequencer(f"{number:x}") for number, key in enumerate(keys[::2]) if number % 5}


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


def kept(store: UploadResultStore) -> None:
    """Eight results, a second apart, every other one a dog's."""
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
    kept(store)

    for prefix, since, until, numbers in SPANS:
        for limit in (1, 2, 3, 8, 100):
            found = all_pages(partial(store.newest, "acme", prefix, since, until, limit), limit)
            assert "".join(key[-1] for key in found) == numbers


def test_a_result_that_was_written_over_is_listed_at_its_last_time(store: UploadResultStore) -> None:
    kept(store)
    store.save(result(f"{PETS}0", at=1_050.0, sequencer="6"))

    found = store.newest("acme", "", 1_005.0, 2_000.0, 10, None).items
    assert [(each.object_key[-1], each.classified_at) for each in found] == [
        ("0", 1_050.0),
        ("7", 1_007.0),
        ("6", 1_006.0),
        ("5", 1_005.0),
    ]


def test_results_of_one_moment_are_all_listed(store: UploadResultStore) -> None:
    for number in range(5):
        store.save(result(f"{PETS}{number}"))

    found = all_pages(partial(store.newest, "acme", "", 0.0, 2_000.0, 2), 2)

    assert sorted(found) == [f"{PETS}{number}" for number in range(5)]


def test_a_prefix_of_few_is_found_among_many_though_some_pages_are_empty(
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


def test_keys_that_the_table_had_no_time_for_are_asked_for_again() -> None:
    def item(key: str) -> dict[str, Any]:
        return {"sk": {"S": key}, "sequencer": {"S": to_sortable_sequencer("1")}, "job_id": {"S": "1"}}

    def asked(*keys: str) -> dict[str, Any]:
        places = [{"pk": {"S": "OBJECTS#acme"}, "sk": {"S": key}} for key in keys]
        return {TABLE: {"Keys": places, "ConsistentRead": True, "ProjectionExpression": "sk, sequencer, job_id"}}

    client = unconnected_client("dynamodb")
    with Stubber(client) as stub:
        answer = {"Responses": {TABLE: [item("a")]}, "UnprocessedKeys": asked("b")}
        stub.add_response("batch_get_item", answer, {"RequestItems": asked("a", "b")})
        stub.add_response("batch_get_item", {"Responses": {TABLE: [item("b")]}}, {"RequestItems": asked("b")})

        assert set(DynamoUploadResultStore(client, TABLE).sequencers("acme", ["a", "b"])) == {"a", "b"}
        stub.assert_no_pending_responses()


def test_a_table_that_never_has_time_for_a_key_is_an_overload(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(dynamodb_table.time, "sleep", pauses.append)
    client = unconnected_client("dynamodb")
    left = {TABLE: {"Keys": [{"pk": {"S": "OBJECTS#acme"}, "sk": {"S": "a"}}]}}
    with Stubber(client) as stub:
        for _ in range(MAX_BATCH_ATTEMPTS):
            stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": left})
        with pytest.raises(Overloaded):
            DynamoUploadResultStore(client, TABLE).sequencers("acme", ["a"])
        stub.assert_no_pending_responses()
    assert len(pauses) == MAX_BATCH_ATTEMPTS - 1
