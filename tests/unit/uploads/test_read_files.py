"""The samples of uploaded files, or why a file can't be classified."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import Overloaded
from pigeonhole.uploads.read_files import (
    BLANK_FILE,
    EMPTY,
    MAX_FAULTS,
    NO_TEXT,
    UNREADABLE,
    UTF_16,
    Content,
    Manifest,
    UploadedFileReader,
)
from pigeonhole.uploads.upload_result import UploadFault
from support.fakes import FailOnce, FakeObjectStore

LIMITS = RequestLimits(max_samples=3, max_text_chars=20, max_body_bytes=100, max_upload_bytes=200)
TWO = {"type": "text", "value": "2"}


def lines(*values: object) -> bytes:
    return "\n".join(value if isinstance(value, str) else json.dumps(value) for value in values).encode()


def read(name: str, data: bytes, limits: RequestLimits = LIMITS) -> Content | Exception:
    """Upload a file and read it."""
    upload = UploadedFile(key=f"incoming/acme/pets/{name}", version_id="v1", sequencer="1", size=len(data))
    files = FakeObjectStore(versions={(upload.key, "v1"): data})
    (content,) = UploadedFileReader(files=files, limits=limits, bucket="uploads").read([upload])
    return content


@pytest.mark.parametrize(
    ("name", "data", "values"),
    [
        ("1.jpg", b"12345", ["s3://uploads/incoming/acme/pets/1.jpg"]),
        ("1.txt", b"\xef\xbb\xbf 3 \n", ["3"]),
        ("1.TXT", "fünf".encode(), ["fünf"]),
        ("1.jsonl", lines({"type": "text", "value": "  "}), ["  "]),  # an error of its line only
        ("1.NDJSON", lines(TWO), ["2"]),
        ("1.jsonl", b'{"type": "text", "value": "1"}\n\n' + lines(TWO) + b"\r\n", ["1", "2"]),
    ],
)
def test_a_file_is_read_by_its_name(name: str, data: bytes, values: list[str]) -> None:
    samples = read(name, data)

    assert isinstance(samples, list)
    assert [sample["value"] for sample in samples] == values


@pytest.mark.parametrize(
    ("name", "data", "code", "said"),
    [
        ("1.jpg", b"", "unsupported_media", EMPTY),
        ("1.txt", b" \r\n", "invalid_request", BLANK_FILE),
        ("1.txt", "\u00a0\u200b\x00".encode(), "invalid_request", BLANK_FILE),
        ("1.jsonl", b"\n \n", "invalid_request", BLANK_FILE),
        ("1.jsonl", b"", "unsupported_media", EMPTY),
        ("1.jpg", b"x" * 201, "too_large", "201 bytes, but at most 200 are allowed"),
        ("1.txt", b"x" * 1_081, "too_large", "1081 bytes, but at most 1080 are allowed"),
        ("1.txt", "größe".encode("latin-1"), "unsupported_media", NO_TEXT),
        ("1.jsonl", "größe".encode("utf-16"), "unsupported_media", UTF_16),
        ("1.txt", b"\xfe\xff" + "größe".encode("utf-16-be"), "unsupported_media", UTF_16),
        ("1.txt", b"x" * 21, "invalid_request", "a text must have at most 20 characters, got 21"),
        (
            "1.jsonl",
            lines(TWO, "{}", "", "no"),
            "invalid_request",
            "line 2 type: is required; line 2 value: is required; line 4",
        ),
        ("1.jsonl", lines({"type": "text", "value": "x" * 21}), "invalid_request", "line 1 value: a text must have at most 20"),
        ("1.jsonl", lines("7", "[" * 90), "invalid_request", "line 1: it must be a JSON object; line 2: is not JSON"),
        ("1.jsonl", lines([TWO]), "invalid_request", "line 1: it must be a JSON object"),
        ("1.jsonl", lines({"type": "text", "value": "\ud800"}), "invalid_request", "half of a surrogate pair"),
        ("1.jsonl", b"\r\n \n" + lines("no"), "invalid_request", "line 3: is not JSON"),
    ],
)
def test_a_file_that_cannot_be_classified_has_a_fault(name: str, data: bytes, code: str, said: str) -> None:
    fault = read(name, data)

    assert isinstance(fault, UploadFault)
    assert fault.code == code
    assert said in fault.message


@pytest.mark.parametrize(
    "data",
    [b"x" * 101, lines("1", "2", "3", "4"), lines(TWO, {"type": "image", "value": "x"})],
    ids=["more bytes than a job takes", "more lines than a job takes", "texts and images"],
)
def test_lines_that_only_a_bulk_job_can_take_are_its_manifest(data: bytes) -> None:
    assert read("1.jsonl", data) == Manifest()


def test_only_the_first_bad_lines_are_listed() -> None:
    fault = read("a.jsonl", lines(*["no"] * (MAX_FAULTS + 3)), RequestLimits())

    assert isinstance(fault, UploadFault)
    assert fault.message.count("line ") == MAX_FAULTS
    assert "and 3 more" in fault.message


def to_upload(name: str) -> UploadedFile:
    return UploadedFile(key=f"incoming/acme/pets/{name}", sequencer="1", size=1)


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl"])
def test_a_deleted_file_has_a_fault(name: str) -> None:
    contents = UploadedFileReader(files=FakeObjectStore(), limits=LIMITS, bucket="uploads").read([to_upload(name)])

    assert contents == [UploadFault("unfetchable_url", UNREADABLE)]


def test_a_file_that_has_become_too_large_has_a_fault() -> None:
    files = FakeObjectStore({"incoming/acme/pets/a.txt": b"x" * 1_081})

    (fault,) = UploadedFileReader(files=files, limits=LIMITS, bucket="uploads").read([to_upload("a.txt")])

    assert isinstance(fault, UploadFault)
    assert fault.code == "too_large"


@pytest.mark.parametrize("error", [Overloaded(), RuntimeError("a fault")])
def test_an_error_at_one_file_is_returned_beside_the_samples_of_the_others(error: Exception) -> None:
    uploads = [to_upload(name) for name in ("1.txt", "2.txt", "3.txt")]
    files = FakeObjectStore({upload.key: b"x" for upload in uploads}, before=FailOnce(1, error))

    contents = UploadedFileReader(files=files, limits=LIMITS, bucket="uploads").read(uploads)

    assert [content for content in contents if isinstance(content, Exception)] == [error]
    assert sum(isinstance(content, list) for content in contents) == 2


def test_a_file_of_two_million_lines_takes_little_memory() -> None:
    """The lines are parsed one by one, because eight such files may be read at the same time."""
    tracemalloc.start()
    content = read("1.jsonl", b"a\n" * 2_000_000, RequestLimits(max_samples=10_000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert content == Manifest()
    assert most < 60_000_000
