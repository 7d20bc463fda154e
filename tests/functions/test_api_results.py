"""functions/api answers calls about dropped files' results as the contract says, and tells each tenant its own."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import pytest

from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.uploads.upload_result import UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer
from support.api_calls import Api, api_with_fakes
from support.handlers import event

RESULTS = "/v1/results"
CAT, DOG, BIRD = (f"incoming/acme/pets/{name}" for name in ("a cat+ü.jpg", "dog.jpg", "bird.txt"))
OTHERS = "incoming/zeta/pets/cat.jpg"


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
    set_used = LabelSetRef(name="pets", version=2)
    fault = UploadFault("unreadable_image", "It is cut off.")
    for each in (
        result(CAT, 600.0, prediction="cat", version_id="v1", job_id="1" * 32, label_set=set_used),
        result(DOG, 700.0, fault=fault),
        result(BIRD, 800.5, prediction=["bird"]),
        result(OTHERS, 900.0, tenant_id="zeta", prediction="cat"),
    ):
        api.jobs.results.save(each)
    return api


def keys(answer: Any) -> list[str]:
    assert answer.status == 200, answer.text
    return [each["key"] for each in answer.json["results"]]


def ask(api: Api, **query: str) -> Any:
    """Call with a query as the gateway hands it on: decoded."""
    return api.send(event("GET", RESULTS) | {"queryStringParameters": query or None})


@pytest.mark.parametrize("key", [CAT, f"s3://uploads/{CAT}"])
def test_one_objects_result_is_told_by_its_key_or_address(api: Api, key: str) -> None:
    answer = ask(api, key=key)

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


def test_an_error_is_told_as_a_result(api: Api) -> None:
    (shown,) = ask(api, key=DOG).json["results"]

    assert (shown["status"], shown["error"]) == ("failed", {"code": "unreadable_image", "message": "It is cut off."})


@pytest.mark.parametrize("key", ["incoming/acme/pets/none.jpg", OTHERS, "", "x" * 1_025])
def test_what_has_no_result_or_is_anothers_is_not_found(api: Api, key: str) -> None:
    answer = ask(api, key=key)

    assert (answer.status, answer.code) == (404, "not_found")


def test_results_are_listed_newest_first_or_by_key(api: Api) -> None:
    assert keys(ask(api)) == [BIRD, DOG, CAT]
    assert keys(ask(api, prefix="incoming/acme/pets/")) == [CAT, BIRD, DOG]
    assert keys(ask(api, prefix="s3://uploads/incoming/acme/pets/d")) == [DOG]
    assert keys(ask(api, prefix="incoming/zeta/")) == []


def test_a_span_of_time_is_given_in_iso_8601_with_or_without_an_offset(api: Api) -> None:
    assert keys(ask(api, since="1970-01-01T00:11:40Z")) == [BIRD, DOG]
    assert keys(ask(api, since="1970-01-01T02:11:40+02:00", until="1970-01-01T00:13:20")) == [DOG]
    assert keys(ask(api, until="1970-01-01T00:11:39.999Z")) == [CAT]
    assert keys(ask(api, since="0001-01-01", until="9999-12-31T23:59:59Z")) == [BIRD, DOG, CAT]


@pytest.mark.parametrize("query", [{}, {"prefix": "incoming/"}, {"since": "1970-01-01", "until": "1970-01-02"}])
def test_a_page_names_the_next_until_the_end(api: Api, query: dict[str, str]) -> None:
    found, cursors = list[str](), list[str]()
    answer = ask(api, limit="1", **query)
    while True:
        found += keys(answer)
        cursor = answer.json.get("cursor")
        if cursor is None:
            break
        assert quote(cursor, safe="") == cursor, "it may stand in an address"
        cursors.append(cursor)
        answer = ask(api, limit="1", cursor=cursor, **query)

    assert found == keys(ask(api, **query))
    assert len(cursors) == 2


def packed(text: str | bytes) -> str:
    data = text if isinstance(text, bytes) else text.encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"since": "yesterday"}, "since: must be a time in ISO 8601"),
        ({"until": "1795718960"}, "until: must be a time in ISO 8601"),
        ({"since": ""}, "since: must be a time in ISO 8601"),
        ({"since": "1970-01-02", "until": "1970-01-01"}, "since: must not be after until"),
        ({"key": CAT, "prefix": "incoming/"}, "prefix: can't be combined with"),
        ({"key": CAT, "cursor": "x"}, "cursor: can't be combined with"),
        *(({"cursor": cursor}, "cursor") for cursor in ("", "x", "ü", "a b", "=", packed(b"\xff"), packed(CAT))),
        *(({"cursor": packed(text)}, "cursor") for text in ("nan k", "inf k", "1e3 k", f"600 {'k' * 1_025}", "600 ")),
        ({"cursor": packed("incoming/acme/dogs/a"), "prefix": "incoming/acme/pets/"}, "cursor"),
    ],
)
def test_what_cannot_be_is_told(api: Api, query: dict[str, str], said: str) -> None:
    answer = ask(api, **query)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.json["message"].startswith(said)


def test_a_limit_above_the_most_is_the_most(api: Api) -> None:
    assert keys(ask(api, limit="100000")) == [BIRD, DOG, CAT]


def test_a_key_is_needed_and_other_methods_are_refused(api: Api) -> None:
    assert api.call("GET", RESULTS, key=None).code == "invalid_api_key"
    refused = api.call("POST", RESULTS, body={})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, OPTIONS")


def test_no_key_is_in_the_log(api: Api) -> None:
    ask(api, key=CAT)
    ask(api, key="incoming/acme/pets/none.jpg")
    ask(api, prefix="incoming/acme/pets/")

    assert api.log.getvalue()
    assert "incoming/" not in api.log.getvalue()
