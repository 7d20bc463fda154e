"""`pigeonhole upload --watch` while results come: how often it asks, for how many at a time, how it ends before its time."""

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
from pigeonhole_cli.http_client import Api, open_api
from pigeonhole_cli.uploads.client import ResultsApi
from pigeonhole_cli.uploads.prefixes import common, prefixes
from pigeonhole_cli.uploads.tables import Handled
from pigeonhole_cli.uploads.watch import watch
from support.cli.api_server import KEY, Answer, refusal, seen_on
from support.cli.upload_api import CAT, FOLDER, UNREADABLE, UploadApi, printed

PETS = ("--label-set", "pets")
NOW = 0x19E_FFFF_FE00 / 1000  # half a second before many digits of an id change at once


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command runs: a folder with two photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pigeonhole_cli.uploads.watch.FIRST_PAUSE_S", 0.01)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


class Time:
    """A clock that only pauses move. `pauses`: what they were."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def __call__(self) -> float:
        return sum(self.pauses)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def way(upload_api: UploadApi, time: Time) -> Iterator[Api]:
    with open_api(f"{upload_api.url}/prod", KEY) as api:
        api.sleep = time.sleep
        yield api


def uploads(*keys: str) -> list[Handled]:
    return [Handled(Path(f"{number}.jpg"), key) for number, key in enumerate(keys)]


def test_pauses_grow_to_five_seconds(upload_api: UploadApi, way: Api, time: Time) -> None:
    upload_api.keep(f"{FOLDER}1")
    upload_api.patience = 7
    files = uploads(f"{FOLDER}1")

    watch(ResultsApi(way), files, 3600, time)

    assert files[0].result is not None
    assert time.pauses == [1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0]


def test_patience_ends_when_it_was_told_to(upload_api: UploadApi, way: Api, time: Time) -> None:
    first, second = (upload_key(FOLDER, "a.jpg", NOW) for _ in range(2))
    upload_api.keep(first)
    files = uploads(first, second)

    watch(ResultsApi(way), files, 6, time)

    assert [file.result is not None for file in files] == [True, False]
    assert time.pauses == [1.0, 1.5, 2.25, 1.25]
    assert len(upload_api.listings) == 5, "the last look is at the end"


def test_nothing_that_was_uploaded_is_nothing_to_ask_for(upload_api: UploadApi, way: Api, time: Time) -> None:
    watch(ResultsApi(way), [Handled(Path("gone.jpg"), error="gone")], 3600, time)

    assert upload_api.requests == []


def test_a_busy_api_is_asked_again(upload_api: UploadApi, way: Api, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    upload_api.keep(f"{FOLDER}1")
    busy = [Answer(refusal("overloaded", "Busy."), 503)] * 2
    answer = upload_api.told
    monkeypatch.setattr(upload_api, "told", lambda request: busy.pop() if busy else answer(request))
    files = uploads(f"{FOLDER}1")

    watch(ResultsApi(way), files, 3600, time)

    assert files[0].result is not None
    assert time.pauses == [0.5, 1.0]


def test_thousands_of_files_are_looked_for_in_few_pages(upload_api: UploadApi, way: Api, time: Time) -> None:
    random.seed(1)
    ours = [upload_key(FOLDER, "a.jpg", NOW + number / 20) for number in range(3_000)]  # 20 a second
    for number in range(3_000):  # of the hours before, a few a minute
        upload_api.keep(upload_key(FOLDER, "b.jpg", NOW - 60 - number * 10), **CAT)
    late = random.sample(ours, 3)
    for key in set(ours) - set(late):
        upload_api.keep(key, **CAT)
    files = uploads(*ours)

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if len(time.pauses) == 3:
            for key in late:
                upload_api.keep(key, **CAT)

    way.sleep = sleep
    watch(ResultsApi(way), files, 3600, time)

    assert all(file.result is not None and file.result.answer.key == file.key for file in files)
    assert len(time.pauses) == 3
    first_look = len(upload_api.listings) - 3 * len(late)
    assert 30 <= first_look <= 40, "pages of 100, and none of older results"
    assert all(parse_qs(query)["limit"] == ["100"] for query in upload_api.listings)


def test_others_uploads_among_ours_are_paged_through(upload_api: UploadApi, way: Api, time: Time) -> None:
    keys = sorted(upload_key(FOLDER, "a.jpg", NOW) for _ in range(350))
    for key in keys:
        upload_api.keep(key, **CAT)
    files = uploads(keys[0], keys[-1])

    watch(ResultsApi(way), files, 3600, time)

    assert all(file.result for file in files)
    assert len(upload_api.listings) == 4


@pytest.mark.parametrize("rate", [0.1, 3, 20, 400])
def test_prefixes_have_each_key_once_and_nothing_much_older(rate: float) -> None:
    keys = [upload_key(FOLDER, "a.jpg", NOW + number / rate) for number in range(2_000)]
    wanted = keys[::3]

    found = prefixes(wanted, keys)

    assert [sum(key.startswith(prefix) for prefix in found) for key in wanted] == [1] * len(wanted)
    assert all(len(prefix) >= len(FOLDER) + 8 for prefix in found)
    pages = [-(-sum(key.startswith(prefix) for key in keys) // 100) for prefix in found]
    minutes = len({key[: len(FOLDER) + 8] for key in keys})
    assert sum(pages) <= 20 + minutes


def test_one_key_is_asked_for_alone() -> None:
    keys = [upload_key(FOLDER, "a.jpg", NOW) for _ in range(1_000)]

    assert prefixes(keys[:1], keys) == keys[:1]
    assert prefixes([], keys) == []


@pytest.mark.parametrize("as_json", [False, True])
def test_time_that_is_over_is_told_with_what_there_is(upload_api: UploadApi, files: Path, as_json: bool) -> None:
    upload_api.becomes = lambda name: CAT if name == "a.jpg" else None

    options = ("--watch", "--timeout", "0.1", *(["--json"] if as_json else []))
    result = upload_api.run("a.jpg", "b.jpg", *PETS, *options, exit_code=1)

    told = result.stderr.splitlines()
    assert told[2] == "1 of 2 files classified."
    assert told[3] == "error: no result of 1 file after 0.1 s."
    assert told[4] == "What is uploaded (2 of 2 files) is classified all the same. Ask for the results:"
    assert told[5].startswith(f'  curl "$JIGSAWSTACK_API_URL/v1/results?limit=100&prefix={FOLDER}')
    if as_json:
        assert ["result" in file for file in printed(result.stdout)] == [True, False]
    else:
        assert result.stdout.splitlines()[2].split(maxsplit=1) == ["b.jpg", "no result yet"]


def test_an_api_that_fails_meanwhile_ends_the_command_and_the_way_on_is_told(
    upload_api: UploadApi, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = upload_api.told
    gone = Answer(refusal("invalid_api_key", "The key has ended."), 401)
    monkeypatch.setattr(upload_api, "told", lambda request: gone if request.method == "GET" else answer(request))

    result = upload_api.run("a.jpg", *PETS, "--watch", exit_code=1)

    assert "error: The key has ended." in result.stderr
    assert "  What is uploaded (1 of 1 file) is classified all the same." in result.stderr


def test_an_interrupt_says_that_what_is_uploaded_is_classified(upload_api: UploadApi, files: Path) -> None:
    upload_api.becomes = lambda name: None

    process = upload_api.start("a.jpg", "b.jpg", *PETS, "--watch")
    upload_api.wait_for("GET", "/prod/v1/results")
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stdout) == (130, b"")
    told = stderr.decode().splitlines()
    assert told[2:4] == ["Interrupted.", "What is uploaded (2 of 2 files) is classified all the same. Ask for the results:"]
    assert told[4].split("prefix=")[1].split('"')[0] == common(list(upload_api.stored))


def test_an_interrupt_while_files_are_sent_lets_those_under_way_arrive(upload_api: UploadApi, files: Path) -> None:
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
    assert f"What is uploaded ({len(upload_api.stored)} of 22 files) is classified" in stderr.decode()


def test_a_bar_lives_where_somebody_looks_and_goes_at_the_end(upload_api: UploadApi, files: Path) -> None:
    upload_api.becomes = lambda name: CAT if name == "a.jpg" else UNREADABLE
    upload_api.patience = 1
    ours, theirs = pty.openpty()

    process = upload_api.start("a.jpg", "b.jpg", "gone.jpg", *PETS, "--watch", stderr=theirs)
    os.close(theirs)
    stdout, _ = process.communicate(timeout=60)
    seen = seen_on(ours)

    assert process.returncode == 4
    assert len(stdout.splitlines()) == 4, "the bar is on standard error alone"
    for part in (
        "uploading",
        "3/3",
        "\x1b[2Kerror: gone.jpg can't be read: No such file or directory.\r\n",
        "classifying",
        "2/2",
        "1 with an error",
    ):
        assert part in seen
    assert "\x1b[2K" in seen.rsplit("2/2", 1)[1], "its line is cleared"
