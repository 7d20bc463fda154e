"""functions/api stores, reads and deletes files, as the reference's clients call it."""

from __future__ import annotations

import base64

import pytest

from support.api_calls import Answer, Api, api_with_fakes
from support.handlers import event

DATA = bytes(range(256))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def store(api: Api, path: str = "/v1/store/file?key=cat.jpg", data: bytes = DATA, **headers: str) -> Answer:
    raw = event("POST", path, body=base64.b64encode(data).decode(), **headers)
    return api.send(raw | {"isBase64Encoded": True})


def test_a_file_is_stored_and_read_as_it_was_sent(api: Api) -> None:
    stored = store(api, content_type="image/jpeg")

    assert stored.status == 200
    assert stored.json["success"] is True
    assert (stored.json["key"], stored.json["size"]) == ("cat.jpg", 256)
    assert stored.json["url"] == "s3://uploads/uploads/acme/files/cat.jpg"
    assert stored.json["temp_public_url"].startswith("https://")
    read = api.call("GET", "/v1/store/file/read/cat.jpg")
    assert (read.status, read.data, read.headers["content-type"]) == (200, DATA, "image/jpeg")
    assert (read.headers["content-security-policy"], read.headers["x-content-type-options"]) == ("sandbox", "nosniff")


def test_the_head_of_a_file_has_no_body(api: Api) -> None:
    store(api)

    assert (api.call("HEAD", "/v1/store/file/read/cat.jpg").status, api.call("HEAD", "/v1/store/file/read/dog.jpg").status) == (
        200,
        404,
    )
    assert api.call("HEAD", "/v1/store/file/read/cat.jpg").data == b""


def test_the_options_of_the_query_are_those_of_the_clients(api: Api) -> None:
    path = "/v1/store/file?key=cat.jpg&overwrite=false&content_type=image/png&temp_public_url=false"

    assert "temp_public_url" not in store(api, path, content_type="application/octet-stream").json
    assert api.call("GET", "/v1/store/file/read/cat.jpg").headers["content-type"] == "image/png"
    assert (store(api, path).status, store(api, path).code) == (412, "precondition_failed")


def test_a_form_is_stored_as_its_file(api: Api) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="blob"\r\n\r\n' + DATA + b"\r\n--b\r\n"
        b'Content-Disposition: form-data; name="body"\r\n\r\n{"key": "cat.png", "content_type": "image/png"}\r\n--b--\r\n'
    )

    stored = store(api, "/v1/store/file", form, content_type="multipart/form-data; boundary=b")

    assert (stored.status, stored.json["key"], stored.json["size"]) == (200, "cat.png", 256)
    read = api.call("GET", "/v1/store/file/read/cat.png")
    assert (read.data, read.headers["content-type"]) == (DATA, "image/png")


def test_a_deleted_file_is_404(api: Api) -> None:
    store(api)

    # The Python client sends the key as the query, too.
    deleted = api.call("DELETE", "/v1/store/file/read/cat.jpg?cat.jpg=")

    assert (deleted.status, deleted.json["success"]) == (200, True)
    assert api.call("GET", "/v1/store/file/read/cat.jpg").status == 404


def test_a_file_of_4_mb_is_stored_and_fits_into_lambdas_answer(api: Api) -> None:
    data = b"x" * 4_000_000

    assert store(api, data=data).json["size"] == 4_000_000
    assert len(base64.b64encode(api.call("GET", "/v1/store/file/read/cat.jpg").data)) < 6_291_556 - 10_000
    larger = store(api, data=data + b"x")
    assert (larger.status, larger.code) == (413, "too_large")
    assert "POST /v1/uploads" in larger.json["message"]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("/v1/store/file?key=a/b", "key"),
        ("/v1/store/file?overwrite=maybe", "overwrite"),
        ("/v1/store/file?content_type=image", "content_type"),
        ("/v1/store/file?name=cat", "name"),
    ],
)
def test_a_fault_of_the_query_is_named(api: Api, path: str, fault: str) -> None:
    answer = store(api, path)

    assert answer.status == 400
    assert [detail["path"] for detail in answer.json["error"]["details"]] == [fault]


def test_a_file_without_a_body_is_400(api: Api) -> None:
    assert api.call("POST", "/v1/store/file").status == 400
