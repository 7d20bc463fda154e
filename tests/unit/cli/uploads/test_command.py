"""`pigeonhole upload`: what it sends and prints, and its exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.cli.api_server import API_KEY, Answer, error_body
from support.cli.upload_api import CAT, FOLDER, JOB_ID, UNREADABLE, UploadApi, fault, line_counts, parse_list

PETS = ("--label-set", "pets")
SKIPPED = "Skipped 2 of 6 in in: .hidden.jpg, readme.md.\n"
HEAD = ["FILE", "LABEL", "SCORE", "ERROR"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. It holds the folder `in` with files to upload and other files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pigeonhole_cli.uploads.watch.MIN_PAUSE_S", 0.01)
    monkeypatch.setattr("pigeonhole_cli.http_client.MIN_PAUSE_S", 0.01)
    (tmp_path / "in").mkdir()
    for name in ("b.PNG", "a.jpg", "notes.txt", "many.jsonl", "readme.md", ".hidden.jpg"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    return tmp_path


def stored_key(api: UploadApi, suffix: str) -> str:
    """Return the only object key with this suffix."""
    (object_key,) = [object_key for object_key in api.stored if object_key.endswith(suffix)]
    return object_key


def cells(line: str) -> list[str]:
    """Return the cells of a table row that aren't empty."""
    return [cell.strip() for cell in line.split("  ") if cell]


def test_the_files_of_a_folder_are_uploaded_and_each_object_key_is_printed(upload_api: UploadApi, folder: Path) -> None:
    result = upload_api.run("in", *PETS)

    names = ["a.jpg", "b.PNG", "many.jsonl", "notes.txt"]
    assert result.stdout == "".join(f"in/{name}\t{stored_key(upload_api, name)}\n" for name in names)
    assert all(object_key.startswith(FOLDER) for object_key in upload_api.stored)
    assert sorted(upload_api.stored.values()) == sorted(map(str.encode, names))
    assert result.stderr == SKIPPED + "Uploading 4 files for label set pets.\n4 of 4 files uploaded.\n"
    assert upload_api.listings == [], "results are requested only with --watch"


def test_a_form_is_requested_for_each_file_with_its_type_and_size(upload_api: UploadApi, folder: Path) -> None:
    upload_api.run("in", *PETS)

    media_types = {"a.jpg": "image/jpeg", "b.PNG": "image/png", "many.jsonl": "application/jsonl", "notes.txt": "text/plain"}
    assert sorted(upload_api.form_requests, key=lambda body: str(body["filename"])) == [
        {"content_type": media_type, "size": len(name), "filename": name, "label_set": "pets"}
        for name, media_type in media_types.items()
    ]
    for request in upload_api.requests:
        assert ("x-api-key" in request.headers) == (request.path == "/prod/v1/uploads"), "S3 never receives the API key"
        assert (API_KEY in str(request.headers)) == (request.path == "/prod/v1/uploads")


def test_a_named_file_is_uploaded_whatever_its_suffix(upload_api: UploadApi, folder: Path) -> None:
    upload_api.run("in/readme.md", "in/.hidden.jpg", *PETS)

    assert {body["filename"]: body["content_type"] for body in upload_api.form_requests} == {
        "readme.md": "application/octet-stream",
        ".hidden.jpg": "image/jpeg",
    }


@pytest.mark.parametrize("name", ["größer.jpg", "tab\there.jpg", "x" * 240 + ".jpg", b"latin-\xff.jpg"])
def test_a_file_name_may_have_any_characters(upload_api: UploadApi, folder: Path, name: str | bytes) -> None:
    path = Path(name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name)
    path.write_bytes(b"x")

    result = upload_api.run(str(path), *PETS)

    (line,) = result.stdout.splitlines()
    assert line.split("\t")[1] in upload_api.stored
    assert line.count("\t") == 1


def test_watch_prints_a_table_of_results(upload_api: UploadApi, folder: Path) -> None:
    scores = [{"label": label, "probability": value, "similarity": 0.1} for label, value in (("big", 0.5), ("cat", 0.25))]
    results: dict[str, dict[str, Any]] = {
        "a.jpg": CAT,
        "b.PNG": {"prediction": ["cat", "big"], "scores": scores},
        "many.jsonl": line_counts(100, 100),
        "notes.txt": {"prediction": []},
    }
    upload_api.result_for, upload_api.empty_listings = results.__getitem__, 2

    result = upload_api.run("in", *PETS, "--watch")

    assert [cells(line) for line in result.stdout.splitlines()] == [
        HEAD,
        ["in/a.jpg", "cat", "0.9877"],
        ["in/b.PNG", "cat, big", "0.2500, 0.5000"],
        ["in/many.jsonl", "100 of 100 lines"],
        ["in/notes.txt"],
    ]
    assert result.stderr == (
        SKIPPED + "Uploading 4 files for label set pets.\n"
        "4 of 4 files uploaded.\n"
        f"Line by line, in/many.jsonl: pigeonhole jobs wait {JOB_ID}\n"
        "4 of 4 files classified.\n"
    )


def test_the_lines_of_a_bulk_job_are_fetched_with_its_own_command(upload_api: UploadApi, folder: Path) -> None:
    of_bulk_job = line_counts(2_999_999, 3_000_000, results_line=None)
    upload_api.result_for = lambda name: of_bulk_job

    result = upload_api.run("in/many.jsonl", *PETS, "--watch", exit_code=4)

    assert cells(result.stdout.splitlines()[1]) == ["in/many.jsonl", "2999999 of 3000000 lines", "1 line with an error"]
    assert f"Line by line, in/many.jsonl: pigeonhole bulk fetch {JOB_ID} --out results/\n" in result.stderr


def test_files_with_an_error_show_in_the_table_and_the_exit_code(upload_api: UploadApi, folder: Path) -> None:
    results = {"a.jpg": UNREADABLE, "b.PNG": CAT, "many.jsonl": line_counts(98, 100), "notes.txt": CAT}
    upload_api.result_for = results.__getitem__

    result = upload_api.run("in", *PETS, "--watch", exit_code=4)

    rows = [cells(line) for line in result.stdout.splitlines()]
    assert rows[1] == ["in/a.jpg", "unreadable_image: The image is cut off."]
    assert rows[3] == ["in/many.jsonl", "98 of 100 lines", "2 lines with an error"]
    assert result.stderr.endswith("3 of 4 files classified, 2 with an error.\n")


def test_only_failed_results_have_an_exit_code_of_their_own(upload_api: UploadApi, folder: Path) -> None:
    upload_api.result_for = lambda name: UNREADABLE if name.endswith("jpg") else line_counts(0, 3, **UNREADABLE)

    result = upload_api.run("in/a.jpg", "in/many.jsonl", *PETS, "--watch", exit_code=3)

    assert cells(result.stdout.splitlines()[2]) == [
        "in/many.jsonl",
        "0 of 3 lines",
        "unreadable_image: The image is cut off.",
    ]
    assert "0 of 2 files classified, 2 with an error.\n" in result.stderr


FAULTY = {
    "gone.jpg": "gone.jpg can't be read: No such file or directory.",
    "empty.jpg": "empty.jpg is empty.",
    "large.jpg": "large.jpg: size: must be at most 1000 bytes",
    "refused.jpg": "refused.jpg: S3 refused the upload (HTTP 403). Try again.",
}


@pytest.mark.parametrize("watch", [False, True])
def test_a_file_that_cannot_be_uploaded_does_not_stop_the_others(upload_api: UploadApi, folder: Path, watch: bool) -> None:
    Path("empty.jpg").touch()
    Path("large.jpg").write_bytes(b"x" * 1_001)
    Path("refused.jpg").write_bytes(b"x")
    upload_api.refused.add("refused.jpg")

    result = upload_api.run(*FAULTY, "in/a.jpg", *PETS, *(["--watch"] if watch else []), exit_code=4)

    assert [*upload_api.stored.values()] == [b"a.jpg"]
    lines = result.stderr.splitlines()
    assert set(lines[1:5]) == {f"error: {message}" for message in FAULTY.values()}
    assert lines[5] == "1 of 5 files uploaded."
    if watch:
        rows = [cells(line) for line in result.stdout.splitlines()[1:]]
        assert rows == [*([name, message] for name, message in FAULTY.items()), ["in/a.jpg", "cat", "0.9877"]]
        assert lines[6:] == ["1 of 5 files classified, 4 with an error."]
    else:
        assert result.stdout == f"in/a.jpg\t{stored_key(upload_api, 'a.jpg')}\n"


@pytest.mark.parametrize("watch", [False, True])
def test_if_no_file_can_be_uploaded_the_exit_code_is_that_of_no_result(
    upload_api: UploadApi, folder: Path, watch: bool
) -> None:
    result = upload_api.run("gone.jpg", *PETS, *(["--watch"] if watch else []), exit_code=3)

    assert "error: gone.jpg can't be read" in result.stderr
    assert upload_api.requests == []


def test_a_label_set_that_does_not_exist_stops_the_upload(upload_api: UploadApi, folder: Path) -> None:
    for number in range(50):
        (folder / "in" / f"{number}.jpg").write_bytes(b"x")

    result = upload_api.run("in", "--label-set", "birds", exit_code=1)

    assert result.stdout == ""
    (line,) = result.stderr.splitlines()[2:]
    assert line.startswith("error: label_set: ")
    assert "'birds'" in line
    assert len(upload_api.requests) < 20
    assert upload_api.stored == {}


def test_a_failure_that_would_meet_all_files_stops_the_upload_and_uploaded_files_are_printed(
    upload_api: UploadApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pigeonhole_cli.file_upload.MAX_CONCURRENT", 1)
    upload_api.form_errors["b.PNG"] = Answer(error_body("rate_limited", "The quota is used up."), 429, {"Retry-After": "3600"})

    result = upload_api.run("in", *PETS, exit_code=1)

    object_key = stored_key(upload_api, "a.jpg")
    assert result.stdout.splitlines()[0] == f"in/a.jpg\t{object_key}"
    assert "error: The quota is used up." in result.stderr
    assert "4 files) are classified nevertheless. Ask for the results:\n" in result.stderr


def test_a_fault_that_is_not_the_files_stops_the_upload(upload_api: UploadApi, folder: Path) -> None:
    upload_api.form_errors["a.jpg"] = fault("label_set", "was removed")

    assert "error: label_set: was removed\n" in upload_api.run("in", *PETS, exit_code=1).stderr


@pytest.mark.parametrize("watch", [False, True])
def test_json_is_a_list_of_files(upload_api: UploadApi, folder: Path, watch: bool) -> None:
    result = upload_api.run("in/a.jpg", "gone.jpg", *PETS, "--json", *(["--watch"] if watch else []), exit_code=4)

    uploaded, gone = parse_list(result.stdout)
    object_key = stored_key(upload_api, "a.jpg")
    assert gone == {"file": "gone.jpg", "error": "gone.jpg can't be read: No such file or directory."}
    assert (uploaded["file"], uploaded["key"]) == ("in/a.jpg", object_key)
    assert ("result" in uploaded, "error" in uploaded) == (watch, False)
    if watch:
        assert (uploaded["result"]["key"], uploaded["result"]["prediction"]) == (object_key, "cat")


def test_line_breaks_and_control_characters_are_escaped(upload_api: UploadApi, folder: Path) -> None:
    upload_api.result_for = lambda name: {"prediction": "\x1b[31mred\ncat"}
    Path("a\nb.jpg").write_bytes(b"x")

    result = upload_api.run("a\nb.jpg", "c\x1b.jpg", *PETS, "--watch", exit_code=4)

    assert cells(result.stdout.splitlines()[1]) == ["a\\nb.jpg", "\\x1b[31mred\\ncat"]
    assert "error: c\\x1b.jpg can't be read" in result.stderr


def test_a_folder_without_files_to_upload_is_reported(upload_api: UploadApi, folder: Path) -> None:
    Path("empty").mkdir()
    Path("empty", "readme.md").touch()

    stderr = upload_api.run("in", "empty", *PETS, exit_code=1).stderr

    suffixes = ".avif, .bmp, .gif, .heic, .heif, .jpeg, .jpg, .png, .tif, .tiff, .webp, .txt, .jsonl, .ndjson"
    *_, skipped, error = stderr.splitlines()
    assert skipped == "Skipped 1 of 1 in empty: readme.md."
    assert error.startswith(f"error: empty has no files to upload ({suffixes}).")
    assert upload_api.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (PETS, "Missing argument"),
        (("in",), "--label-set"),
        (("in", "--label-set", "Pets"), "lower-case letters"),
        (("in", *PETS, "--timeout", "-1"), "--timeout"),
    ],
)
def test_wrong_arguments_send_nothing(upload_api: UploadApi, folder: Path, arguments: tuple[str, ...], message: str) -> None:
    assert message in upload_api.run(*arguments, exit_code=2).stderr
    assert upload_api.requests == []
