"""`pigeonhole bulk run` and `bulk plan`: what they send and print."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli.api_server import Answer, error_body
from support.cli.bulk_api import BulkApi
from support.cli.job_api import ID, job_answer

LABELS = ("--label", "cat", "--label", "dog")
LAMBDA, GPU = {"usd": 12.5, "seconds": 400}, {"usd": 0.1234, "seconds": 7_500}
FILES = [
    ("in.jsonl", "application/jsonl"),
    ("IN.NDJSON", "application/x-ndjson"),
    ("in.jsonl.gz", "application/gzip"),
    ("in.parquet", "application/vnd.apache.parquet"),
    ("in.pq", "application/vnd.apache.parquet"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def form_answer(api: BulkApi, **fields: Any) -> dict[str, Any]:
    upload = {
        "id": "0123-in.jsonl",
        "url": f"{api.url}/bucket",
        "fields": {"policy": "signed"},
        "s3_uri": "s3://bucket/uploads/acme/0123-in.jsonl",
        "key": "uploads/acme/0123-in.jsonl",
        "max_bytes": 1_000,
        "expires_at": "2026-05-04T10:35:30Z",
        "kept_until": "2026-05-11T10:20:30Z",
    }
    return {"success": True, "log_id": "log-1", "upload": upload | fields}


def estimate_answer(**fields: Any) -> dict[str, Any]:
    estimate = {
        "samples": 20_000,
        "texts": 19_990,
        "images": 10,
        "spans": 20,
        "is_exact": True,
        "compute": "lambda",
        "lambda": LAMBDA,
        "gpu": None,
    }
    return {"success": True, "log_id": "log-1", "estimate": estimate | fields}


def test_a_manifest_is_submitted_with_labels_and_options(bulk_api: BulkApi) -> None:
    bulk_api.prepare(Answer(job_answer("queued"), status=202))

    result = bulk_api.run(
        *("run", "s3://b/in.jsonl", "--label", "cat", "--label", "dog", "--scores", "--format", "parquet"),
        *("--idempotency-key", "k"),
    )

    (sent,) = bulk_api.requests
    assert (sent.method, sent.path) == ("POST", "/prod/v1/classification/jobs")
    assert sent.headers["idempotency-key"] == "k"
    assert sent.json() == {
        "input": {"s3_uri": "s3://b/in.jsonl"},
        "output": {"format": "parquet"},
        "labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}],
        "scores": True,
    }
    assert result.stdout == f"{ID}\n"
    assert f"pigeonhole bulk fetch {ID}" in result.stderr


def test_a_label_set_takes_the_place_of_labels(bulk_api: BulkApi) -> None:
    bulk_api.prepare(Answer(job_answer("queued"), status=202))

    bulk_api.run("run", "s3://b/in.jsonl", "--label-set", "pets", "--threshold", "0")

    assert bulk_api.requests[0].json() == {
        "input": {"s3_uri": "s3://b/in.jsonl"},
        "output": {"format": "jsonl"},
        "label_set": "pets",
        "threshold": 0,
    }


def test_the_files_of_a_job_that_is_waited_for_are_printed(bulk_api: BulkApi) -> None:
    part, errors = f"{bulk_api.url}/part", f"{bulk_api.url}/errors"
    results = {
        "prefix": "s3://jobs/bulk/acme/1/results/",
        "manifest_url": f"{bulk_api.url}/manifest",
        "parts": [{"name": "part-00000.jsonl", "rows": 1, "url": part}],
        "errors": [{"name": "errors-00000.jsonl", "rows": 1, "url": errors}],
    }
    answer = job_answer(total=2, succeeded=1, failed=1, results=results)
    bulk_api.prepare(Answer(job_answer("queued"), status=202), answer)

    result = bulk_api.run("run", "s3://b/in.jsonl", "--label-set", "pets", "--wait", exit_code=4)

    assert result.stdout == f"part-00000.jsonl\t1\t{part}\nerrors-00000.jsonl\t1\t{errors}\n"


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("arguments", [("--label", "cat"), ("--label", "a", "--label", "b", "--label-set", "pets"), ()])
def test_wrong_labels_are_told(bulk_api: BulkApi, command: str, arguments: tuple[str, ...]) -> None:
    bulk_api.run(command, "s3://b/in.jsonl", *arguments, exit_code=2)

    assert bulk_api.requests == []


def test_an_error_of_the_api_is_printed(bulk_api: BulkApi) -> None:
    error = error_body("forbidden_url", "input.s3_uri: not granted")
    bulk_api.prepare(Answer(error, status=400))

    result = bulk_api.run("run", "s3://b/in.jsonl", "--label-set", "pets", exit_code=1)

    assert "input.s3_uri: not granted" in result.stderr


def test_an_address_that_ends_in_a_slash_is_a_prefix(bulk_api: BulkApi) -> None:
    bulk_api.prepare(Answer(job_answer("queued"), status=202))

    bulk_api.run("run", "s3://b/photos/", *LABELS, "--compute", "gpu")

    body = bulk_api.requests[0].json()
    assert (body["input"], body["compute"]) == ({"s3_prefix": "s3://b/photos/"}, "gpu")


@pytest.mark.parametrize(("name", "content_type"), FILES)
def test_a_file_is_uploaded_first_and_named_by_its_upload(
    bulk_api: BulkApi, folder: Path, name: str, content_type: str
) -> None:
    data = b'{"type": "text", "value": "x"}\n' * 10_000
    (folder / name).write_bytes(data)
    bulk_api.prepare(form_answer(bulk_api), Answer("", status=204), Answer(job_answer("queued"), status=202))

    bulk_api.run("run", name, *LABELS)

    form, post, job = bulk_api.requests
    assert form.json() == {"content_type": content_type, "size": len(data), "filename": name}
    assert post.path == "/bucket"
    assert data in post.body
    assert b"signed" in post.body
    assert job.json()["input"] == {"upload_id": "0123-in.jsonl"}


def test_an_upload_that_is_tried_again_sends_the_whole_file(
    bulk_api: BulkApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    (folder / "in.jsonl").write_bytes(b"x" * 100_000)
    busy = Answer("<Error/>", status=503)
    bulk_api.prepare(form_answer(bulk_api), busy, Answer("", status=204), Answer(job_answer("queued"), status=202))

    bulk_api.run("run", "in.jsonl", *LABELS)

    _, first, second, _ = bulk_api.requests
    assert b"x" * 100_000 in first.body
    assert b"x" * 100_000 in second.body


def test_a_job_that_may_have_been_created_is_found_by_its_idempotency_key(
    bulk_api: BulkApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    bulk_api.prepare(Answer(error_body("internal_error", "Oops."), status=500))

    stderr = bulk_api.run("run", "s3://b/in.jsonl", *LABELS, "--idempotency-key", "k", exit_code=1).stderr

    assert "the same command with --idempotency-key k returns it" in stderr


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("absent.jsonl", "absent.jsonl can't be read: No such file or directory"),
        ("empty.jsonl", "empty.jsonl is empty"),
        ("notes.csv", "notes.csv is no manifest. Name one of these: .jsonl"),
        ("photos", "photos is a folder. Copy it to S3"),
        ("https://example.com/in.jsonl", "the input must be a file, or an address that begins with s3://"),
    ],
)
def test_another_input_is_an_error_that_says_what_is_one(bulk_api: BulkApi, folder: Path, argument: str, message: str) -> None:
    (folder / "empty.jsonl").touch()
    (folder / "notes.csv").write_text("x")
    (folder / "photos").mkdir()

    assert message in bulk_api.run("run", argument, *LABELS, exit_code=1).stderr
    assert bulk_api.requests == []


def test_an_api_that_takes_no_manifests_as_uploads_is_told(bulk_api: BulkApi, folder: Path) -> None:
    (folder / "in.jsonl").write_text("x")
    bulk_api.prepare(form_answer(bulk_api, id=None), Answer("", status=204))

    assert "takes no manifests as uploads" in bulk_api.run("run", "in.jsonl", *LABELS, exit_code=1).stderr


def test_a_plan_prints_counts_costs_and_times_and_starts_nothing(bulk_api: BulkApi) -> None:
    bulk_api.prepare(estimate_answer())

    result = bulk_api.run("plan", "s3://b/in.jsonl", *LABELS)

    (sent,) = bulk_api.requests
    assert (sent.method, sent.path) == ("POST", "/prod/v1/classification/jobs")
    assert sent.json() == {
        "input": {"s3_uri": "s3://b/in.jsonl"},
        "labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}],
        "dry_run": True,
    }
    assert result.stdout.splitlines() == [
        "samples  20,000 (counted)",
        "texts    19,990",
        "images   10",
        "spans    20",
        "",
        "COMPUTE  USD    TIME",
        "lambda   12.50  7 min  chosen",
        "gpu      -      -      not deployed",
    ]


def test_a_plan_says_what_is_estimated_and_what_would_be_chosen(bulk_api: BulkApi) -> None:
    bulk_api.prepare(estimate_answer(is_exact=False, compute="gpu", gpu=GPU))

    lines = bulk_api.run("plan", "s3://b/in.jsonl", "--label-set", "pets").stdout.splitlines()

    assert lines[0] == "samples  20,000 (estimated from the beginning of the input)"
    assert lines[-2:] == ["lambda   12.50  7 min", "gpu      0.12   2 h 5 min  chosen"]


def test_a_plan_is_printed_as_json(bulk_api: BulkApi) -> None:
    bulk_api.prepare(estimate_answer())

    result = bulk_api.run("plan", "s3://b/in.jsonl", *LABELS, "--json")

    assert json.loads(result.stdout) == estimate_answer()
