"""functions/api stores label sets, applies them to requests, and creates upload forms."""

from __future__ import annotations

import pytest

from support.api_calls import Api, api_with_fakes

SETS = "/v1/label-sets"
PETS = {"labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}], "threshold": 0.5}
DATASET = [{"type": "text", "value": "meow"}]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def put(api: Api, name: str = "pets", **headers: str) -> None:
    answer = api.call("PUT", f"{SETS}/{name}", body=PETS, **headers)
    assert answer.status == 200, answer.text


def test_a_label_set_is_stored_read_listed_and_deleted(api: Api) -> None:
    response = api.call("PUT", f"{SETS}/pets", body=PETS)
    put(api, "animals")

    assert (response.status, response.headers["etag"]) == (200, '"1"')
    assert response.json["label_set"] == {
        "name": "pets",
        "version": 1,
        "created_at": "1970-01-01T00:16:40Z",
        "updated_at": "1970-01-01T00:16:40Z",
        "multiple_labels": False,
        **PETS,
    }
    read = api.call("GET", f"{SETS}/pets")
    assert (read.json["label_set"], read.headers["etag"]) == (response.json["label_set"], '"1"')
    first = api.call("GET", f"{SETS}?limit=1").json
    second = api.call("GET", f"{SETS}?limit=1&cursor={first['cursor']}").json
    assert [label_set["name"] for label_set in first["label_sets"] + second["label_sets"]] == ["animals", "pets"]
    assert "cursor" not in second
    assert api.call("DELETE", f"{SETS}/pets").json == {"success": True, "log_id": read.json["log_id"]}
    assert api.call("GET", f"{SETS}/pets").json["error"]["code"] == "not_found"


def test_a_precondition_that_does_not_hold_is_412(api: Api) -> None:
    put(api, if_none_match="*")

    for method, headers in (
        ("PUT", {"if_none_match": "*"}),
        ("PUT", {"if_match": '"7"'}),
        ("DELETE", {"if_match": '"7", "8"'}),
    ):
        answer = api.call(method, f"{SETS}/pets", body=PETS, **headers)
        assert (answer.status, answer.json["error"]["code"]) == (412, "precondition_failed")
    odd = api.call("PUT", f"{SETS}/pets", body=PETS, if_none_match='"1"')
    assert (odd.status, odd.json["error"]["code"]) == (400, "invalid_request")
    put(api, if_match='"7", W/"1"')
    assert api.call("DELETE", f"{SETS}/pets", if_match="*").status == 200


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PUT", f"{SETS}/Not a name", "invalid_request"),
        ("GET", f"{SETS}/Not-a-name", "not_found"),
        ("GET", f"{SETS}?cursor=No!", "invalid_request"),
    ],
)
def test_an_invalid_name_or_cursor_is_an_error(api: Api, method: str, path: str, code: str) -> None:
    answer = api.call(method, path, body=PETS if method == "PUT" else None)

    assert answer.json["error"]["code"] == code, answer.text


def test_the_answer_names_the_version_of_the_label_set_that_was_used(api: Api) -> None:
    put(api)
    put(api)

    answer = api.call("POST", "/v1/classification", body={"dataset": DATASET, "label_set": "pets"})

    assert answer.json["predictions"] == ["cat"]
    assert answer.json["label_set"] == {"name": "pets", "version": 2}
    plain = api.call("POST", "/v1/classification", body={"dataset": DATASET, "labels": PETS["labels"]})
    assert "label_set" not in plain.json


def test_a_job_names_the_version_of_its_label_set(api: Api) -> None:
    put(api)

    for path, headers in (("/v1/classification/jobs", {}), ("/v1/classification", {"prefer": "respond-async"})):
        answer = api.call("POST", path, body={"dataset": DATASET, "label_set": "pets"}, **headers)
        assert (answer.status, answer.json["job"]["label_set"]) == (202, {"name": "pets", "version": 1})


def test_a_label_set_that_does_not_exist_is_a_fault_of_the_request(api: Api) -> None:
    answer = api.call("POST", "/v1/classification", body={"dataset": DATASET, "label_set": "pets"})

    assert answer.status == 400
    assert [fault["path"] for fault in answer.json["error"]["details"]] == ["label_set"]


def test_an_upload_form_is_created(api: Api) -> None:
    answer = api.call("POST", "/v1/uploads", body={"content_type": "image/png"})

    assert answer.status == 200
    assert set(answer.json["upload"]) == {"url", "fields", "s3_uri", "key", "max_bytes", "expires_at", "kept_until"}
    assert answer.json["upload"]["key"] == answer.json["upload"]["fields"]["key"]
    assert answer.json["upload"]["s3_uri"] == f"s3://uploads/{answer.json['upload']['key']}"
    assert api.call("POST", "/v1/uploads", body={}).json["error"]["code"] == "invalid_request"


def test_the_form_for_a_label_set_uploads_to_its_folder(api: Api) -> None:
    body = {"content_type": "text/plain", "label_set": "pets"}
    refused = api.call("POST", "/v1/uploads", body=body)
    assert [fault["path"] for fault in refused.json["error"]["details"]] == ["label_set"]
    put(api)

    key = api.call("POST", "/v1/uploads", body=body).json["upload"]["key"]

    assert key.startswith("incoming/acme/pets/")
    assert key.endswith(".txt")
