"""functions/api shows each tenant the results of its own uploads."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from pigeonhole.api.cursors import encode_cursor
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer
from support.api_calls import Api, api_with_fakes
from support.handlers import event

RESULTS = "/v1/results"
CAT, DOG, BIRD = (f"incoming/acme/pets/{name}" for name in ("a cat+ü.jpg", "dog.jpg", "bird.txt"))
OTHER_TENANTS = "incoming/zeta/pets/cat.jpg"


def result(object_key: str, at: float, tenant_id: str = "acme", **changes: Any) -> UploadResult:
    return UploadResult(
        tenant_id=tenant_id,
        object_key=object_key,
        sequencer=to_sortable_sequencer("1"),
        classified_at=at,
        expires_at=2_000,
        results_uri="s3://uploads/x",
        **changes,
    )


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = api_with_fakes(monkeypatch)
    pets = LabelSetRef(name="pets", version=2)
    fault = UploadFault("unreadable_image", "It is cut off.")
    for upload_result in (
        result(CAT, 600.0, prediction="cat", version_id="v1", job_id="1" * 32, label_set=pets),
        result(DOG, 700.0, fault=fault),
        result(BIRD, 800.5, prediction=["bird"]),
        result(OTHER_TENANTS, 900.0, tenant_id="zeta", prediction="cat"),
    ):
        api.jobs.results.save(upload_result)
    return api


def keys(answer: Any) -> list[str]:
    assert answer.status == 200, answer.text
    return [upload_result["key"] for upload_result in answer.json["results"]]


def read(api: Api, **query: str) -> Any:
    """Send a query as the gateway passes it on: decoded."""
    return api.send(event("GET", RESULTS) | {"queryStringParameters": query or None})


@pytest.mark.parametrize("key", [CAT, f"s3://uploads/{CAT}"])
def test_the_result_of_one_upload_is_read_by_its_key_or_address(api: Api, key: str) -> None:
    answer = read(api, key=key)

    assert answer.status == 200
    assert answer.json == {
        "success": True,
        "log_id": answer.json["log_id"],
        "results": [
            {
                "key": CAT,
                "version_id": "v1",
                "status": "succeeded",
                "label_set": {"name": "pets", "version": 2},
                "job_id": "1" * 32,
                "classified_at": "1970-01-01T00:10:00Z",
                "expires_at": "1970-01-01T00:33:20Z",
                "prediction": "cat",
                "results_uri": "s3://uploads/x",
            }
        ],
    }


def test_an_error_is_part_of_a_result(api: Api) -> None:
    (result,) = read(api, key=DOG).json["results"]

    assert (result["status"], result["error"]) == ("failed", {"code": "unreadable_image", "message": "It is cut off."})


@pytest.mark.parametrize("key", ["incoming/acme/pets/none.jpg", OTHER_TENANTS, "", "x" * 1_025])
def test_an_upload_without_a_result_or_of_another_tenant_is_not_found(api: Api, key: str) -> None:
    answer = read(api, key=key)

    assert (answer.status, answer.code) == (404, "not_found")


def test_results_are_listed_newest_first_or_by_key(api: Api) -> None:
    assert keys(read(api)) == [BIRD, DOG, CAT]
    assert keys(read(api, prefix="incoming/acme/pets/")) == [CAT, BIRD, DOG]
    assert keys(read(api, prefix="s3://uploads/incoming/acme/pets/d")) == [DOG]
    assert keys(read(api, prefix="incoming/zeta/")) == []


def test_a_period_is_given_in_iso_8601_with_or_without_an_offset(api: Api) -> None:
    assert keys(read(api, since="1970-01-01T00:11:40Z")) == [BIRD, DOG]
    assert keys(read(api, since="1970-01-01T02:11:40+02:00", until="1970-01-01T00:13:20")) == [DOG]
    assert keys(read(api, until="1970-01-01T00:11:39.999Z")) == [CAT]
    assert keys(read(api, since="0001-01-01", until="9999-12-31T23:59:59Z")) == [BIRD, DOG, CAT]


@pytest.mark.parametrize("query", [{}, {"prefix": "incoming/"}, {"since": "1970-01-01", "until": "1970-01-02"}])
def test_each_page_names_the_next_one_until_the_end(api: Api, query: dict[str, str]) -> None:
    listed, cursors = list[str](), list[str]()
    answer = read(api, limit="1", **query)
    while True:
        listed += keys(answer)
        cursor = answer.json.get("cursor")
        if cursor is None:
            break
        assert quote(cursor, safe="") == cursor, "a URL can carry it"
        cursors.append(cursor)
        answer = read(api, limit="1", cursor=cursor, **query)

    assert listed == keys(read(api, **query))
    assert len(cursors) == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "0"}, "limit"),
        ({"since": "yesterday"}, "since: must be a time in ISO 8601"),
        ({"since": "1970-01-02", "until": "1970-01-01"}, "since: must not be after until"),
        ({"key": CAT, "prefix": "incoming/"}, "prefix: can't be combined with"),
        ({"key": CAT, "cursor": "x"}, "cursor: can't be combined with"),
        ({"cursor": "x"}, "cursor"),
        ({"cursor": encode_cursor(CAT)}, "cursor"),
    ],
)
def test_an_invalid_query_is_400(api: Api, query: dict[str, str], said: str) -> None:
    answer = read(api, **query)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.json["message"].startswith(said)


def test_no_object_key_is_logged(api: Api) -> None:
    read(api, key=CAT)
    read(api, key="incoming/acme/pets/none.jpg")
    read(api, prefix="incoming/acme/pets/")

    assert api.log.getvalue()
    assert "incoming/" not in api.log.getvalue()
