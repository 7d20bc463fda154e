"""LabelSetStore: the fake and DynamoDB's adapter behave alike."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pigeonhole.aws.dynamodb.label_sets import DynamoLabelSetStore
from pigeonhole.label_sets.label_set import LabelSet
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.ports import Page
from support.fakes import FakeLabelSetStore
from support.moto_aws import TABLE, create_table

LABELS = [
    {"type": "text", "value": "größer", "key": 1.5},
    {"type": "image", "value": "s3://jobs/label-sets/acme/pets/1", "key": "x"},
]
PETS = LabelSet("acme", "pets", 1, created_at=1_000.5, updated_at=1_000.5, options={"labels": LABELS, "threshold": 0.25})


@pytest.fixture
def store(is_real: bool) -> LabelSetStore:
    return DynamoLabelSetStore(create_table(), TABLE) if is_real else FakeLabelSetStore()


def test_an_empty_store_finds_nothing(store: LabelSetStore) -> None:
    assert store.get("acme", "pets") is None
    assert store.last_version("acme", "pets") == 0
    assert store.page("acme", 10, None) == Page([], None)


def test_a_set_is_read_as_it_was_written(store: LabelSetStore) -> None:
    assert store.save(PETS, None)
    assert store.get("acme", "pets") == PETS
    second = replace(PETS, version=2, updated_at=2_000.25, options={"labels": LABELS[:1]})
    assert store.save(second, 1)
    assert store.get("acme", "pets") == second


def test_a_tenant_has_no_set_of_another(store: LabelSetStore) -> None:
    store.save(PETS, None)

    assert store.get("zeta", "pets") is None
    assert store.page("zeta", 10, None).items == []


def test_a_set_that_was_changed_meanwhile_is_not_replaced(store: LabelSetStore) -> None:
    store.save(PETS, None)

    assert not store.save(replace(PETS, options={"labels": []}), None), "there is one already"
    assert not store.save(replace(PETS, version=3), 2), "it has another version"
    assert store.get("acme", "pets") == PETS


def test_a_repeated_write_succeeds(store: LabelSetStore) -> None:
    """boto3 repeats a call whose answer was lost."""
    store.save(PETS, None)

    assert store.save(PETS, None)


def test_a_deleted_set_leaves_its_version(store: LabelSetStore) -> None:
    store.save(PETS, None)

    assert not store.delete(replace(PETS, version=2))
    assert store.get("acme", "pets") == PETS
    assert store.delete(PETS)
    assert store.get("acme", "pets") is None
    assert store.last_version("acme", "pets") == 1
    assert store.page("acme", 10, None).items == []
    assert not store.delete(PETS)


def test_a_version_is_used_once_whatever_other_callers_do_meanwhile(store: LabelSetStore) -> None:
    """Between the choice of a version and its write, another caller may create and delete a set of that name."""
    store.save(PETS, None)
    store.delete(PETS)

    assert not store.save(replace(PETS, updated_at=2_000.5), None), "version 1 was used by another caller"
    assert not store.save(replace(PETS, version=3), None)
    assert store.save(replace(PETS, version=2), None)
    assert store.last_version("acme", "pets") == 1


def test_sets_are_counted_up_to_a_limit(store: LabelSetStore) -> None:
    for number in range(5):
        store.save(replace(PETS, name=f"n{number}"), None)

    assert [store.count("acme", most) for most in (1, 4, 5, 6, 100)] == [1, 4, 5, 5, 5]
    assert store.count("zeta", 10) == 0


def test_sets_are_listed_by_name_page_by_page(store: LabelSetStore) -> None:
    names = ["a", "b", "c-1", "d_2", "e"]
    for name in reversed(names):
        store.save(replace(PETS, name=name), None)

    first = store.page("acme", 2, None)
    second = store.page("acme", 3, first.next)

    assert [label_set.name for label_set in first.items + second.items] == names
    assert (first.next, second.next) == ("b", None)


@pytest.mark.usefixtures("aws")
def test_large_sets_are_listed_over_several_pages() -> None:
    store = DynamoLabelSetStore(create_table(), TABLE)
    for number in range(8):
        store.save(replace(PETS, name=f"n{number}", options={"labels": [], "instruction": "x" * 300_000}), None)

    assert store.count("acme", 100) == 8
    names, start = [], None
    for _ in range(8):
        page = store.page("acme", 5, start)
        names += [label_set.name for label_set in page.items]
        start = page.next
        if start is None:
            break
    assert names == [f"n{number}" for number in range(8)]
