"""Label sets, models and the account."""

from __future__ import annotations

from typing import Any

import pytest

from support.client_api import Call, FakeApi, respond, upload_answer

SET = {
    "name": "topics",
    "version": 1,
    "created_at": "2026-11-30T06:03:41Z",
    "updated_at": "2026-11-30T06:03:41Z",
    "labels": [{"type": "text", "value": "billing"}],
}


def answer(**fields: Any) -> Any:
    return respond({"success": True, "log_id": "1", **fields})


def test_a_label_set_is_saved(api: FakeApi, call: Call) -> None:
    api.prepare(answer(label_set=SET))

    assert (
        call("put_label_set", "topics", {"billing": ["money", "invoices"], "bug": "a crash"}, multiple_labels=True).version == 1
    )
    assert api.calls == [("PUT", "/prod/v1/label-sets/topics")]
    assert api.bodies == [
        {
            "labels": [
                {"key": "billing", "type": "text", "value": "money"},
                {"key": "billing", "type": "text", "value": "invoices"},
                {"key": "bug", "type": "text", "value": "a crash"},
            ],
            "multiple_labels": True,
        }
    ]


def test_a_large_example_image_is_uploaded(api: FakeApi, call: Call) -> None:
    api.prepare(respond(upload_answer()), respond(status=204), answer(label_set=SET))

    call("put_label_set", "topics", {"cat": b"x" * 300_000, "dog": "a dog"})

    assert api.requests[-1].content.count(b"s3://bucket/uploads/1") == 1


def test_label_sets_are_listed_page_by_page(api: FakeApi, call: Call) -> None:
    api.prepare(answer(label_sets=[SET], cursor="next"), answer(label_sets=[SET]))

    assert [label_set.name for label_set in call("list_label_sets")] == ["topics", "topics"]
    assert api.requests[1].url.params["cursor"] == "next"


@pytest.mark.parametrize("name", ["topics", "../account", "a?b"])
def test_a_name_stays_within_its_path(api: FakeApi, call: Call, name: str) -> None:
    api.prepare(answer(label_set=SET))

    call("get_label_set", name)

    assert api.requests[0].url.path == f"/prod/v1/label-sets/{name}"
    assert api.requests[0].url.raw_path.count(b"/") == 4


def test_a_label_set_is_deleted(api: FakeApi, call: Call) -> None:
    api.prepare(answer())

    assert call("delete_label_set", "topics") is None
    assert api.calls == [("DELETE", "/prod/v1/label-sets/topics")]
