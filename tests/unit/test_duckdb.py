"""The SQL functions classify columns: each distinct value once, NULL as NULL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from pigeonhole.client import Client
from pigeonhole.duckdb import register
from support.client_api import AT_ONCE, KEY, URL, FakeApi, classify_by_label_set, fail

Sql = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(URL, KEY, retries=AT_ONCE, transport=httpx.MockTransport(api.handle)) as client:
        yield client


@pytest.fixture
def sql(client: Client) -> Iterator[Sql]:
    """Runs a query with the functions that are registered with these options."""
    with duckdb.connect() as con:

        def run(query: str, **options: Any) -> list[tuple[Any, ...]]:
            register(con, client, **options)
            return con.sql(query).fetchall()

        yield run


def sent(api: FakeApi) -> list[list[str]]:
    return [[sample["value"] for sample in body["dataset"]] for body in api.bodies]


def test_a_column_is_classified(api: FakeApi, sql: Sql) -> None:
    rows = sql("SELECT pigeonhole_classify(t, ['a', 'b']) FROM (VALUES ('x'), (NULL), ('y'), ('x')) v(t)")

    assert rows == [("x",), (None,), ("y",), ("x",)]
    assert sent(api) == [["x", "y"]]
    assert api.bodies[0]["labels"] == [{"type": "text", "value": "a"}, {"type": "text", "value": "b"}]


def test_rows_with_other_labels_are_other_requests(api: FakeApi, sql: Sql) -> None:
    rows = sql("SELECT pigeonhole_classify(t, l) FROM (VALUES ('x', ['a', 'b']), ('y', ['c', 'd']), ('z', NULL)) v(t, l)")

    assert rows == [("x",), ("y",), (None,)]
    assert sent(api) == [["x"], ["y"]]


def test_a_score_has_label_probability_and_error(sql: Sql) -> None:
    query = "SELECT unnest(pigeonhole_score_image(t, ['a', 'b'])) FROM (VALUES ('s3://b/k'), ('missing.png'), (NULL)) v(t)"

    assert sql(query) == [
        ("s3://b/k", 0.75, None),
        (None, None, "unreadable_image: missing.png can't be read: No such file or directory"),
        (None, None, None),
    ]


def test_a_score_that_is_used_twice_costs_one_request(api: FakeApi, sql: Sql) -> None:
    sql("SELECT pigeonhole_score(t, ['a', 'b']).label, pigeonhole_score(t, ['a', 'b']).probability FROM (VALUES ('x')) v(t)")

    assert len(api.requests) == 1


def test_images_are_paths_and_files(api: FakeApi, sql: Sql, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"from a path")

    sql(f"SELECT pigeonhole_classify_image('{tmp_path}/a.png', ['a', 'b'])")
    sql("SELECT other_classify_image('from a column'::BLOB, ['a', 'b'])", prefix="other")

    assert [values[0].partition(",")[2] for values in sent(api)] == ["ZnJvbSBhIHBhdGg=", "ZnJvbSBhIGNvbHVtbg=="]


def test_fixed_labels_need_no_second_argument(api: FakeApi, sql: Sql) -> None:
    assert sql("SELECT pigeonhole_classify('x')", labels={"a": "the first", "b": ["the second", b"example"]}) == [("x",)]
    assert [label["key"] for label in api.bodies[0]["labels"]] == ["a", "b", "b"]


def test_a_fixed_label_set_needs_no_second_argument(api: FakeApi, sql: Sql) -> None:
    api.answer = classify_by_label_set(multiple_labels=False)

    assert sql("SELECT pigeonhole_classify('x')", label_set="topics") == [("x",)]
    assert json.loads(api.requests[1].content)["label_set"] == "topics"


def test_a_fixed_label_set_may_give_several_labels(api: FakeApi, sql: Sql) -> None:
    api.answer = classify_by_label_set(multiple_labels=True)

    assert sql("SELECT pigeonhole_classify('x')", label_set="topics") == [(["x", "other"],)]


def test_an_option_overrides_the_label_set(api: FakeApi, sql: Sql) -> None:
    api.answer = classify_by_label_set(multiple_labels=True)

    assert sql("SELECT pigeonhole_classify('x')", label_set="topics", multiple_labels=False) == [("x",)]


def test_multiple_labels_are_lists(sql: Sql) -> None:
    options = {"labels": ["a", "b"], "multiple_labels": True}

    assert sql("SELECT pigeonhole_classify('x'), pigeonhole_score('x').probability", **options) == [(["x"], [0.75])]


def test_many_rows_are_sent_in_batches(api: FakeApi, sql: Sql) -> None:
    rows = sql("SELECT count(DISTINCT pigeonhole_classify('text ' || i, ['a', 'b'])) FROM range(5000) r(i)")

    assert rows == [(5000,)]
    assert max(len(json.loads(request.content)["dataset"]) for request in api.requests) == 32


def test_a_failed_request_ends_the_query_with_its_reason(api: FakeApi, sql: Sql) -> None:
    api.answer = lambda request: fail("invalid_api_key", 401)

    with pytest.raises(duckdb.Error, match="It is invalid_api_key"):
        sql("SELECT pigeonhole_classify('x', ['a', 'b'])")


def test_labels_and_a_label_set_exclude_each_other(sql: Sql) -> None:
    with pytest.raises(ValueError, match="either `labels`"):
        sql("SELECT 1", labels=["a", "b"], label_set="topics")
