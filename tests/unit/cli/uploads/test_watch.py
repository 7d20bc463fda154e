"""Waiting for upload results: the pauses, the number of requests, a timeout, an interrupt."""

from __future__ import annotations

import os
import pty
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pigeonhole.object_keys import upload_key
from pigeonhole_cli.http_client import ApiClient, open_client
from pigeonhole_cli.uploads.client import UploadResultsClient
from pigeonhole_cli.uploads.prefixes import common_prefix
from pigeonhole_cli.uploads.tracked_upload import TrackedUpload
from pigeonhole_cli.uploads.watch import watch_results
from support.cli.api_server import API_KEY, Answer, error_body, read_terminal
from support.cli.upload_api import CAT, FOLDER, UNREADABLE, UploadApi, parse_list

PETS = ("--label-set", "pets")
NOW = 0x19E_FFFF_FE00 / 1000  # half a second before many digits of an id change at once


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory. It holds two photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pigeonhole_cli.uploads.watch.MIN_PAUSE_S", 0.01)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


class FakeClock:
    """A clock that only pauses advance."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def __call__(self) -> float:
        return sum(self.pauses)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(upload_api: UploadApi, clock: FakeClock) -> Iterator[ApiClient]:
    with open_client(f"{upload_api.url}/prod", API_KEY) as client:
        client.sleep = clock.sleep
        yield client


def tracked(*object_keys: str) -> list[TrackedUpload]:
    return [TrackedUpload(Path(f"{number}.jpg"), object_key) for number, object_key in enumerate(object_keys)]


def test_pauses_grow_to_five_seconds(upload_api: UploadApi, client: ApiClient, clock: FakeClock) -> None:
    upload_api.add_result(f"{FOLDER}1")
    upload_api.empty_listings = 7
    uploads = tracked(f"{FOLDER}1")

    watch_results(UploadResultsClient(client), uploads, 3600, clock)

    assert uploads[0].result is not None
    assert clock.pauses == [1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0]


def test_waiting_ends_at_the_timeout(upload_api: UploadApi, client: ApiClient, clock: FakeClock) -> None:
    first, second = (upload_key(FOLDER, "a.jpg", NOW) for _ in range(2))
    upload_api.add_result(first)
    uploads = tracked(first, second)

    watch_results(UploadResultsClient(client), uploads, 6, clock)

    assert [upload.result is not None for upload in uploads] == [True, False]
    assert clock.pauses == [1.0, 1.5, 2.25, 1.25]
    assert len(upload_api.listings) == 5, "the last request is sent at the timeout"


def test_without_uploads_no_request_is_sent(upload_api: UploadApi, client: ApiClient, clock: FakeClock) -> None:
    watch_results(UploadResultsClient(client), [TrackedUpload(Path("gone.jpg"), error="gone")], 3600, clock)

    assert upload_api.requests == []


def test_a_busy_api_is_retried(
    upload_api: UploadApi, client: ApiClient, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_api.add_result(f"{FOLDER}1")
    busy = [Answer(error_body("overloaded", "Busy."), 503)] * 2
    answer_to = upload_api.answer_to
    monkeypatch.setattr(upload_api, "answer_to", lambda request: busy.pop() if busy else answer_to(request))
    uploads = tracked(f"{FOLDER}1")

    watch_results(UploadResultsClient(client), uploads, 3600, clock)

    assert uploads[0].result is not None
    assert clock.pauses == [0.5, 1.0]


def test_results_of_thousands_of_uploads_need_few_requests(upload_api: UploadApi, client: ApiClient, clock: FakeClock) -> None:
    random.seed(1)
    object_keys = [upload_key(FOLDER, "a.jpg", NOW + number / 20) for number in range(3_000)]  # 20 a second
    for number in range(3_000):  # older results, six per minute
        upload_api.add_result(upload_key(FOLDER, "b.jpg", NOW - 60 - number * 10), **CAT)
    late = random.sample(object_keys, 3)
    for object_key in set(object_keys) - set(late):
        upload_api.add_result(object_key, **CAT)
    uploads = tracked(*object_keys)

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.pauses) == 3:
            for object_key in late:
                upload_api.add_result(object_key, **CAT)

    client.sleep = sleep
    watch_results(UploadResultsClient(client), uploads, 3600, clock)

    assert all(upload.result is not None and upload.result.body.key == upload.object_key for upload in uploads)
    assert len(clock.pauses) == 3
    first_requests = len(upload_api.listings) - 3 * len(late)
    assert 30 <= first_requests <= 40, "pages of 100 results, without older ones"
    assert all(parse_qs(query)["limit"] == ["100"] for query in upload_api.listings)


def test_results_of_other_uploads_in_between_are_paged_through(
    upload_api: UploadApi, client: ApiClient, clock: FakeClock
) -> None:
    object_keys = sorted(upload_key(FOLDER, "a.jpg", NOW) for _ in range(350))
    for object_key in object_keys:
        upload_api.add_result(object_key, **CAT)
    uploads = tracked(object_keys[0], object_keys[-1])

    watch_results(UploadResultsClient(client), uploads, 3600, clock)

    assert all(upload.result for upload in uploads)
    assert len(upload_api.listings) == 4


@pytest.mark.parametrize("as_json", [False, True])
def test_a_timeout_is_reported_with_the_results_so_far(upload_api: UploadApi, folder: Path, as_json: bool) -> None:
    upload_api.result_for = lambda name: CAT if name == "a.jpg" else None

    options = ("--watch", "--timeout", "0.1", *(["--json"] if as_json else []))
    result = upload_api.run("a.jpg", "b.jpg", *PETS, *options, exit_code=1)

    lines = result.stderr.splitlines()
    assert lines[2] == "1 of 2 files classified."
    assert lines[3] == "error: no result of 1 file after 0.1 s."
    assert lines[4].startswith("The uploaded files (2 of 2 files) are classified nevertheless.")
    assert lines[5].startswith(f'  curl "$JIGSAWSTACK_API_URL/v1/results?limit=100&prefix={FOLDER}')
    if as_json:
        assert ["result" in file for file in parse_list(result.stdout)] == [True, False]
    else:
        assert result.stdout.splitlines()[2].split(maxsplit=1) == ["b.jpg", "no result yet"]


def test_a_failure_while_waiting_is_reported_with_how_to_get_the_results(
    upload_api: UploadApi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_to = upload_api.answer_to
    revoked = Answer(error_body("invalid_api_key", "The key has ended."), 401)
    monkeypatch.setattr(upload_api, "answer_to", lambda request: revoked if request.method == "GET" else answer_to(request))

    result = upload_api.run("a.jpg", *PETS, "--watch", exit_code=1)

    assert "error: The key has ended." in result.stderr
    assert "  The uploaded files (1 of 1 file) are classified nevertheless." in result.stderr


def test_an_interrupt_says_how_to_get_the_results(upload_api: UploadApi, folder: Path) -> None:
    upload_api.result_for = lambda name: None

    process = upload_api.start("a.jpg", "b.jpg", *PETS, "--watch")
    upload_api.wait_for("GET", "/prod/v1/results")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    lines = stderr.decode().splitlines()
    assert lines[2] == "Interrupted."
    assert lines[3].startswith("The uploaded files (2 of 2 files) are classified nevertheless.")
    assert lines[4].split("prefix=")[1].split('"')[0] == common_prefix(list(upload_api.stored))


def test_an_interrupt_lets_uploads_in_progress_finish(upload_api: UploadApi, folder: Path) -> None:
    for number in range(20):
        Path(f"c{number}.jpg").write_bytes(b"x")
    upload_api.slow_s = 0.5

    process = upload_api.start(".", *PETS)
    upload_api.wait_for("POST", "/bucket")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130
    assert {line.split("\t")[1] for line in stdout.decode().splitlines()} == set(upload_api.stored)
    assert 0 < len(upload_api.stored) < 22
    assert f"The uploaded files ({len(upload_api.stored)} of 22 files) are classified" in stderr.decode()


def test_a_bar_is_drawn_on_a_terminal_and_erased_at_the_end(upload_api: UploadApi, folder: Path) -> None:
    upload_api.result_for = lambda name: CAT if name == "a.jpg" else UNREADABLE
    upload_api.empty_listings = 1
    reader, terminal = pty.openpty()

    process = upload_api.start("a.jpg", "b.jpg", "gone.jpg", *PETS, "--watch", stderr=terminal)
    os.close(terminal)
    stdout, _ = process.communicate(timeout=60)
    output = read_terminal(reader)

    assert process.returncode == 4
    assert len(stdout.splitlines()) == 4, "the bar is only on standard error"
    for part in (
        "uploading",
        "3/3",
        "\x1b[2Kerror: gone.jpg can't be read: No such file or directory.\r\n",
        "classifying",
        "2/2",
        "1 with an error",
    ):
        assert part in output
    assert "\x1b[2K" in output.rsplit("2/2", 1)[1], "the bar's line is erased"
