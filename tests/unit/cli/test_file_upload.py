"""Images that are too large together for a request are uploaded first, with forms that the API creates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.job_api import JobApi, job_answer

LABELS = ("--label", "cat", "--label", "dog")
STORED = Answer("", status=204)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def form_answer(api: JobApi, name: str) -> dict[str, Any]:
    upload = {
        "url": f"{api.url}/bucket",
        "fields": {"key": f"uploads/acme/{name}", "policy": "signed"},
        "s3_uri": f"s3://bucket/uploads/acme/{name}",
        "key": f"uploads/acme/{name}",
        "max_bytes": 1,
        "expires_at": "2026-05-04T10:35:30Z",
        "kept_until": "2026-05-11T10:20:30Z",
    }
    return {"success": True, "log_id": "log-1", "upload": upload}


def test_images_that_are_too_large_together_are_uploaded_and_named_by_address(
    api: JobApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.file_upload.MAX_CONCURRENT", 1)  # so that the prepared answers fit
    for name in ("a.png", "b.jpg"):
        (folder / name).write_bytes(name.encode() * 500_000)
    api.prepare(form_answer(api, "a"), STORED, form_answer(api, "b"), STORED, job_answer("queued"))

    result = api.run("submit", "a.png", "https://example.com/c.png", "b.jpg", *LABELS)

    assert "Uploading 2 images" in result.stderr
    form_request, first_post, _, second_post, job_request = api.requests
    assert (form_request.path, form_request.json()) == (
        "/prod/v1/uploads",
        {"content_type": "image/png", "size": 2_500_000, "filename": "a.png"},
    )
    for post, name in ((first_post, b"a.png"), (second_post, b"b.jpg")):
        assert (post.method, post.path) == ("POST", "/bucket")
        assert b"signed" in post.body
        assert name * 500_000 in post.body
        assert API_KEY not in str(post.headers)
    assert [sample["value"] for sample in job_request.json()["dataset"]] == [
        "s3://bucket/uploads/acme/a",
        "https://example.com/c.png",
        "s3://bucket/uploads/acme/b",
    ]


def test_a_file_that_is_too_large_is_refused_before_it_is_read(api: JobApi, folder: Path) -> None:
    with (folder / "huge.png").open("wb") as file:
        file.truncate(1 << 40)  # a sparse file: reading it would exhaust the memory
    message = "size: must be at most 20000000 bytes"
    api.prepare(Answer(error_body("invalid_request", message, ("size", message)), status=400))

    stderr = api.run("submit", "huge.png", *LABELS, exit_code=1).stderr

    assert f"error: huge.png: {message}" in stderr
    assert {request.path for request in api.requests} == {"/prod/v1/uploads"}


def test_an_upload_that_s3_refuses_is_reported(api: JobApi, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"x" * 4_000_000)
    api.prepare(form_answer(api, "a"), Answer("<Error/>", status=403))

    stderr = api.run("submit", "a.png", *LABELS, exit_code=1).stderr

    assert "a.png: S3 refused the upload (HTTP 403)" in stderr
    assert len(api.requests) == 2


def test_a_file_is_sent_whole_again_if_s3_was_busy(api: JobApi, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read while it is sent, so a second attempt must begin at its first byte."""
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    data = bytes(range(256)) * 16_000
    (folder / "a.png").write_bytes(data)
    failure = Answer(error_body("internal_error", "Oops."), status=500)
    api.prepare(form_answer(api, "a"), Answer("<Error/>", status=503), STORED, failure)

    api.run("submit", "a.png", *LABELS, exit_code=1)

    first, second = [request for request in api.requests if request.path == "/bucket"]
    assert data in first.body
    assert data in second.body


def test_a_job_of_uploads_that_may_have_been_created_is_found_in_the_list(
    api: JobApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command would upload the files again and send other addresses."""
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    (folder / "a.png").write_bytes(b"x" * 4_000_000)
    api.prepare(form_answer(api, "a"), STORED, Answer(error_body("internal_error", "Oops."), status=500))

    stderr = api.run("submit", "a.png", *LABELS, exit_code=1).stderr

    assert "`pigeonhole jobs list` shows it" in stderr
    assert "--idempotency-key" not in stderr
