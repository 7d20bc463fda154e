"""`pigeonhole jobs submit`: what it sends of what was named, what it prints, and how it refuses."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.cli.api_server import KEY, Answer, refusal
from support.cli.job_api import ID, JobApi, told

LABELS = ("--label", "cat", "--label", "dog")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs: a folder of images beside what is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.jpg"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
    return tmp_path


def data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def values(api: JobApi) -> list[str]:
    (request,) = api.requests
    dataset = request.json()["dataset"]
    return [sample["value"] for sample in dataset]


def test_the_id_is_all_that_goes_to_standard_output(api: JobApi, files: Path) -> None:
    api.says(Answer(told("queued"), 202))

    result = api.run("submit", "photos/a.jpg", *LABELS)

    assert result.stdout == f"{ID}\n"
    assert result.stderr == f"Its results: pigeonhole jobs wait {ID}\n"
    (request,) = api.requests
    assert (request.method, request.path) == ("POST", "/prod/v1/classification/jobs")
    assert request.headers["x-api-key"] == KEY
    assert request.json() == {
        "dataset": [{"type": "image", "value": data_url("image/jpeg", b"a.jpg")}],
        "labels": [{"type": "text", "value": "cat"}, {"type": "text", "value": "dog"}],
    }


def test_a_folder_means_its_images_by_name_and_their_order_is_told(api: JobApi, files: Path) -> None:
    api.says(told("queued"))

    result = api.run("submit", "s3://bucket/key.jpg", "photos", "https://example.com/c", *LABELS)

    inline = [data_url("image/jpeg", b"a.jpg"), data_url("image/png", b"b.PNG")]
    assert values(api) == ["s3://bucket/key.jpg", *inline, "https://example.com/c"]
    order = "0\ts3://bucket/key.jpg\n1\tphotos/a.jpg\n2\tphotos/b.PNG\n3\thttps://example.com/c\n"
    assert result.stderr.startswith(order)


def test_a_file_that_was_named_is_sent_whatever_it_is_called(api: JobApi, files: Path) -> None:
    api.says(told("queued"))

    api.run("submit", "photos/notes.txt", *LABELS)

    assert values(api) == [data_url("application/octet-stream", b"notes.txt")]


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_texts_are_lines_and_blank_ones_are_skipped(api: JobApi, files: Path, way: str) -> None:
    api.says(told("queued"))
    text = "\ufeffI love it\r\n\n  \n größer \u2028 als\nlast"
    (files / "t.txt").write_bytes(text.encode())

    api.run("submit", "--texts", "t.txt" if way == "file" else "-", *LABELS, input=text.encode() if way != "file" else None)

    assert values(api) == ["I love it", " größer \u2028 als", "last"]
    assert {sample["type"] for sample in api.requests[0].json()["dataset"]} == {"text"}


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_whole_body_is_sent_byte_for_byte(api: JobApi, files: Path, way: str) -> None:
    api.says(told("queued"))
    body = b'{"dataset": [],\n "labels": [], "anything": 1.50}'
    (files / "b.json").write_bytes(body)

    api.run("submit", "--body", "b.json" if way == "file" else "-", input=body if way != "file" else None)

    assert api.requests[0].body == body


def test_a_label_set_stands_in_place_of_labels(api: JobApi, files: Path) -> None:
    api.says(told("queued"))

    api.run("submit", "--texts", "-", "--label-set", "pets", input="one\n")

    assert api.requests[0].json() == {"dataset": [{"type": "text", "value": "one"}], "label_set": "pets"}


@pytest.mark.parametrize("beside", [("photos", *LABELS), ("--body", "-"), ("photos", "--label", "cat")])
def test_a_label_set_stands_beside_no_labels(api: JobApi, files: Path, beside: tuple[str, ...]) -> None:
    api.run("submit", *beside, "--label-set", "pets", input="{}", exit_code=2)

    assert api.requests == []


@pytest.mark.parametrize("name", ["", "Pets", "a b"])
def test_what_is_no_label_sets_name_is_not_sent(api: JobApi, files: Path, name: str) -> None:
    assert "lower-case letters" in api.run("submit", "photos", "--label-set", name, exit_code=2).stderr
    assert api.requests == []


def test_options_are_sent(api: JobApi, files: Path) -> None:
    api.says(told("queued"))

    api.run(
        *("submit", "--texts", "-", *LABELS, "--multiple", "--scores", "--webhook-url", "https://example.com/hook"),
        input="one\n",
    )

    sent = api.requests[0].json()
    assert (sent["multiple_labels"], sent["scores"], sent["webhook_url"]) == (True, True, "https://example.com/hook")


def test_each_command_has_an_idempotency_key_of_its_own_unless_it_is_given(api: JobApi, files: Path) -> None:
    api.says(told("queued"))
    for _ in range(2):
        api.run("submit", "photos", *LABELS)
    api.run("submit", "photos", *LABELS, "--idempotency-key", "monday")

    first, second, third = (request.headers["idempotency-key"] for request in api.requests)
    assert re.fullmatch(r"[0-9a-f-]{36}", first)
    assert first != second
    assert third == "monday"


def test_a_try_that_was_lost_is_made_again_with_the_same_key(api: JobApi, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.FIRST_PAUSE_S", 0.01)
    api.says(Answer(refusal("overloaded", "Busy."), 503), Answer("<html>", 502), told("queued"))

    assert api.run("submit", "photos", *LABELS).stdout == f"{ID}\n"

    assert len({(request.headers["idempotency-key"], request.body) for request in api.requests}) == 1
    assert len(api.requests) == 3


def test_who_does_not_know_whether_a_job_was_taken_is_told_how_to_find_out(
    api: JobApi, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.http_client.FIRST_PAUSE_S", 0.01)
    api.says(Answer(refusal("internal_error", "Something went wrong."), 500))

    result = api.run("submit", "photos", *LABELS, exit_code=1)

    assert "error: Something went wrong. (internal_error, log_id log-1)\n" in result.stderr
    assert f"--idempotency-key {api.requests[0].headers['idempotency-key']}" in result.stderr


def test_json_prints_the_whole_answer(api: JobApi, files: Path) -> None:
    answer = told("queued") | {"something": "new"}
    api.says(answer)

    assert json.loads(api.run("submit", "photos", *LABELS, "--json").stdout) == answer


def test_waiting_prints_results_in_place_of_the_id(api: JobApi, files: Path) -> None:
    api.says(told("queued"), told("processing"), told(predictions=["cat", "dog"]))

    result = api.run("submit", "photos", *LABELS, "--wait")

    assert result.stdout == "0\tcat\n1\tdog\n"
    assert f"Job {ID} has 2 samples.\n" in result.stderr


def test_waiting_ends_with_the_jobs_exit_code(api: JobApi, files: Path) -> None:
    errors = [{"index": 0, "code": "unreadable_image", "message": "cut off"}]
    api.says(told("queued"), told(predictions=[None, "dog"], succeeded=1, failed=1, errors=errors))

    result = api.run("submit", "photos", *LABELS, "--wait", exit_code=4)

    assert result.stdout == "0\t\tunreadable_image: cut off\n1\tdog\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (LABELS, "in one way"),
        (("photos", "--texts", "-", *LABELS), "in one way"),
        (("photos", "--body", "-"), "in one way"),
        (("--texts", "-", "--body", "-"), "in one way"),
        (("--body", "-", "--label", "cat"), "--body is the whole request"),
        (("--body", "-", "--scores"), "--body is the whole request"),
        (("--body", "-", "--webhook-url", "https://example.com"), "--body is the whole request"),
        (("photos",), "at least two different labels"),
        (("photos", "--label", "cat", "--label", "cat"), "at least two different labels"),
        (("photos", *LABELS, "--idempotency-key", "a b"), "no spaces"),
    ],
)
def test_a_wrong_call_sends_nothing(api: JobApi, files: Path, arguments: tuple[str, ...], why: str) -> None:
    assert why in api.run("submit", *arguments, exit_code=2, input="x").stderr
    assert api.requests == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("gone.jpg",),
            "error: gone.jpg can't be read: No such file or directory. Samples are image files; for texts use --texts.",
        ),
        (("--texts", "gone.txt"), "error: gone.txt can't be read: No such file or directory."),
        (("--texts", "photos"), "error: photos can't be read: Is a directory."),
        (("--texts", "latin.txt"), "error: latin.txt is not UTF-8 text. Convert it first: iconv -f latin1 -t utf-8"),
        (("--texts", "blank.txt"), "error: blank.txt has no text: one per line is taken."),
        (("empty",), "error: empty has no image files (.avif, .bmp, .gif, .jpeg, .jpg, .png, .tif, .tiff, .webp)."),
    ],
)
def test_what_cannot_be_sent_is_told_in_a_line(api: JobApi, files: Path, arguments: tuple[str, ...], why: str) -> None:
    (files / "latin.txt").write_bytes("größer".encode("latin1"))
    (files / "blank.txt").write_text("\n \n")
    (files / "empty").mkdir()

    stderr = api.run("submit", *arguments, *LABELS, exit_code=1).stderr

    assert stderr.startswith(why)
    assert stderr.count("\n") == 1
    assert api.requests == []


@pytest.mark.parametrize(("body", "why"), [("{", "is not JSON"), ("[]", "is no request"), ("\udcff", "is not JSON")])
def test_a_body_that_is_no_request_is_told(api: JobApi, body: str, why: str) -> None:
    stderr = api.run("submit", "--body", "-", input=body.encode("utf-8", "surrogateescape"), exit_code=1).stderr

    assert stderr.startswith(f"error: standard input {why}")
    assert api.requests == []


def form(api: JobApi, name: str) -> dict[str, Any]:
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


def test_images_that_are_too_large_together_are_uploaded_first(
    api: JobApi, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.file_upload.AT_ONCE", 1)  # the answers come in turn
    for name in ("a.png", "b.jpg"):
        (files / name).write_bytes(name.encode() * 500_000)
    taken = Answer("", status=204)
    api.says(form(api, "a"), taken, form(api, "b"), taken, told("queued"))

    result = api.run("submit", "a.png", "https://example.com/c.png", "b.jpg", *LABELS)

    assert "Uploading 2 images" in result.stderr
    asked, first, _, second, job = api.requests
    assert (asked.path, asked.json()) == (
        "/prod/v1/uploads",
        {"content_type": "image/png", "size": 2_500_000, "filename": "a.png"},
    )
    for sent, name in ((first, b"a.png"), (second, b"b.jpg")):
        assert (sent.method, sent.path) == ("POST", "/bucket")
        assert b"signed" in sent.body
        assert name * 500_000 in sent.body
        assert KEY not in str(sent.headers)
    assert [sample["value"] for sample in job.json()["dataset"]] == [
        "s3://bucket/uploads/acme/a",
        "https://example.com/c.png",
        "s3://bucket/uploads/acme/b",
    ]


def test_a_file_that_is_too_large_is_told_before_it_is_read(api: JobApi, files: Path) -> None:
    with (files / "photos" / "huge.png").open("wb") as file:
        file.truncate(1 << 40)  # a hole: reading it would end this process
    message = "size: at most 20000000 bytes are taken"
    api.says(Answer(refusal("invalid_request", message, ("size", message)), status=400))

    stderr = api.run("submit", "photos/huge.png", *LABELS, exit_code=1).stderr

    assert f"error: photos/huge.png: {message}" in stderr
    assert {request.path for request in api.requests} == {"/prod/v1/uploads"}


def test_a_bucket_that_does_not_take_a_file_is_told(api: JobApi, files: Path) -> None:
    (files / "a.png").write_bytes(b"x" * 4_000_000)
    api.says(form(api, "a"), Answer("<Error/>", status=403))

    stderr = api.run("submit", "a.png", *LABELS, exit_code=1).stderr

    assert "a.png: S3 did not take it (HTTP 403)" in stderr
    assert len(api.requests) == 2


def test_a_job_of_uploads_whose_answer_was_lost_is_to_be_looked_for(api: JobApi, files: Path) -> None:
    (files / "a.png").write_bytes(b"x" * 4_000_000)
    lost = Answer(refusal("internal_error", "Oops."), status=500)
    api.says(form(api, "a"), Answer("", status=204), lost)

    stderr = api.run("submit", "a.png", *LABELS, exit_code=1).stderr

    assert "`pigeonhole jobs list` shows it" in stderr
    assert "--idempotency-key" not in stderr


@pytest.mark.parametrize("option", ["--texts", "--body"])
def test_what_is_too_large_is_told_before_it_is_sent(api: JobApi, option: str) -> None:
    text = "x" * 4_000_001
    arguments = ("--texts", "-", *LABELS) if option == "--texts" else ("--body", "-")

    stderr = api.run("submit", *arguments, input=text if option == "--texts" else json.dumps({"a": text}), exit_code=1).stderr

    assert stderr.startswith(
        "error: the request is larger than the 4 MB that are taken. Submit fewer at a time; `split -l 5000`"
    )
    assert api.requests == []


def test_just_as_much_as_is_taken_is_sent(api: JobApi) -> None:
    api.says(told("queued"))
    body = json.dumps({"a": ""}).encode()

    api.run("submit", "--body", "-", input=json.dumps({"a": "x" * (4_000_000 - len(body))}))

    assert len(api.requests[0].body) == 4_000_000


def test_a_refusal_is_told_with_each_fault_at_its_path(api: JobApi) -> None:
    faults = ("labels.0.value", "must not be empty"), ("dataset.1", "must be an object")
    api.says(Answer(refusal("invalid_request", "labels.0.value: must not be empty (and 1 more)", *faults), 400))

    stderr = api.run("submit", "--body", "-", input="{}", exit_code=1).stderr

    assert stderr == (
        "error: labels.0.value: must not be empty (and 1 more)\n"
        "  labels.0.value: must not be empty\n"
        "  dataset.1: must be an object\n"
    )
    assert len(api.requests) == 1, "a fault of the request is no better next time"


def test_a_single_fault_is_told_once(api: JobApi) -> None:
    message = "labels: at least 2 distinct labels are needed, got 1"
    api.says(Answer(refusal("invalid_request", message, ("labels", message.removeprefix("labels: "))), 400))

    assert api.run("submit", "--body", "-", input="{}", exit_code=1).stderr == f"error: {message}\n"
