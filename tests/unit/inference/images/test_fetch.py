"""A value becomes bytes by one of three doors, within the tenant's grants and the request's budget."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.contract.messages import S3Grant
from pigeonhole.errors import ForbiddenUrl, Overloaded, SampleError, TooLarge, UnfetchableUrl, UnreadableImage
from pigeonhole.inference.images.fetch import ByteBudget, SourceBusy, Sources
from pigeonhole.net.guarded_http import GuardedClient, NetRules, OnBytes
from support.fakes import FakeBlobStore
from support.loopback import LoopbackServer, respond

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
GRANTS = (S3Grant(bucket="photos", prefix="acme/"), S3Grant(bucket="uploads", prefix="t/acme/in/"))


class SpyFetcher(GuardedClient):
    """Gives `body` for every URL and notes what was asked."""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body
        self.asked: list[tuple[str, int]] = []

    def fetch(self, url: str, *, max_bytes: int, on_bytes: OnBytes | None = None) -> bytes:
        self.asked.append((url, max_bytes))
        if on_bytes:
            on_bytes(len(self.body))
        return self.body


class Doors:
    """Sources with spies behind both doors that lead out."""

    def __init__(self) -> None:
        self.fetcher = SpyFetcher(b"fetched")
        self.blobs = FakeBlobStore({("photos", "acme/cat.jpg"): b"stored", ("uploads", "t/acme/in/x"): b"uploaded"})
        self.sources = Sources(self.fetcher, self.blobs)

    def read(self, value: str, *, grants: tuple[S3Grant, ...] = GRANTS, budget: ByteBudget | None = None) -> bytes:
        return self.sources.read(value, grants=grants, budget=budget or ByteBudget(total=10_000, per_item=5_000))


@pytest.fixture
def doors() -> Doors:
    return Doors()


# --- which door --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://example.com/a.jpg", "HTTPS://example.com/a.jpg", "http://example.com/a.jpg"])
def test_a_web_address_goes_to_the_guarded_fetcher_as_it_is(doors: Doors, url: str) -> None:
    assert doors.read(url) == b"fetched"
    assert doors.fetcher.asked == [(url, 5_000)]


def test_http_is_the_fetchers_to_refuse() -> None:
    with pytest.raises(ForbiddenUrl):
        Sources(GuardedClient(NetRules()), None).read("http://example.com/", grants=(), budget=ByteBudget(10, 10))


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "cat.jpg",
            "/etc/passwd",
            "C:\\cat.jpg",
            "file:///etc/passwd",
            "ftp://example.com/a",
            "gopher://example.com/",
        ),
        *(
            "javascript:alert(1)",
            "blob:https://example.com/x",
            "s3a://photos/acme/cat.jpg",
            "gs://photos/acme/cat.jpg",
            "//a.com/b",
        ),
        *("arn:aws:s3:::photos/acme/cat.jpg", " data:image/png;base64,AAAA", " https://example.com/", ":", "a" * 100_000),
    ],
)
def test_any_other_value_is_refused_and_the_forms_are_named(doors: Doors, value: str) -> None:
    with pytest.raises(ForbiddenUrl) as refused:
        doors.read(value)

    for form in ("https://", "data:image/", "s3://bucket/key"):
        assert form in refused.value.message
    assert (doors.fetcher.asked, doors.blobs.asked) == ([], [])


# --- data: -------------------------------------------------------------------------------------------------------------------

B64 = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "value",
    [
        f"data:image/png;base64,{B64}",
        f"DATA:image/png;BASE64,{B64}",
        f"data:image/png;charset=utf-8;base64,{B64}",
        f"data:;base64,{B64}",
        f"data:text/plain;base64,{B64}",
        f"data:image/png;base64,{B64.rstrip('=')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}",
        f"data:image/png;base64,{quote(B64, safe='')}",
        f"data:image/png;base64, {base64.encodebytes(PNG).decode()}\r\n\t",
        f"data:image/png;base64,{'%0A'.join(B64[i : i + 76] for i in range(0, len(B64), 76))}",
        f"data:image/png,{quote(PNG)}",
    ],
    ids=[
        "plain",
        "capitals",
        "parameter",
        "no type",
        "wrong type",
        "no padding",
        "url-safe",
        "quoted",
        "lines",
        "quoted lines",
        "%",
    ],
)
def test_a_data_url_is_decoded_however_it_was_written(doors: Doors, value: str) -> None:
    assert doors.read(value) == PNG


@pytest.mark.parametrize(
    "value",
    [
        *("data:", "data:,", "data:image/png", "data:image/png;base64", "data:image/png;base64,", "data:image/png;base64,%20"),
        *("data:image/png;base64,A", "data:image/png;base64,AAAAA", "data:image/png;base64,AA=A", "data:image/png;base64,===="),
        *(
            "data:image/png;base64,<svg>",
            "data:image/png;base64,AAA*",
            "data:image/png;base64,héhé",
            "data:image/png;base64,\ud800",
        ),
        "data:image/png;base64,data:image/png;base64,AAAA",
    ],
)
def test_a_malformed_data_url_says_how_to_mend_it(doors: Doors, value: str) -> None:
    with pytest.raises(UnreadableImage, match=r"base64"):
        doors.read(value)


@given(st.binary(min_size=1, max_size=500))
def test_whatever_bytes_go_in_come_out(data: bytes) -> None:
    assert Doors().read(f"data:image/png;base64,{base64.b64encode(data).decode()}") == data
    assert Doors().read(f"data:image/png,{quote(data)}") == data


@given(st.text())
def test_no_text_makes_a_data_url_fail_otherwise(rest: str) -> None:
    for value in (f"data:{rest}", f"data:image/png;base64,{rest}"):
        with suppress(SampleError):
            assert Doors().read(value)


# --- s3: ---------------------------------------------------------------------------------------------------------------------


def test_an_object_under_a_granted_prefix_is_read(doors: Doors) -> None:
    assert doors.read("s3://photos/acme/cat.jpg") == b"stored"
    assert doors.read("s3://uploads/t/acme/in/x") == b"uploaded"


def test_of_an_object_the_version_that_is_meant_is_read_and_of_another_the_newest(doors: Doors) -> None:
    value = "s3://photos/acme/cat.jpg"
    doors.blobs.versions["photos", "acme/cat.jpg", "v1"] = b"as it was"

    def read(value: str, versions: dict[str, str] | None = None) -> bytes:
        return doors.sources.read(value, grants=GRANTS, budget=ByteBudget(total=10_000, per_item=5_000), versions=versions)

    assert read(value, {value: "v1"}) == b"as it was"
    assert read("s3://uploads/t/acme/in/x", {value: "v1"}) == b"uploaded"
    assert read(value, {}) == read(value) == b"stored"
    with pytest.raises(UnfetchableUrl):
        read(value, {value: "v2"})


def test_a_version_is_read_within_the_grants_alone(doors: Doors) -> None:
    doors.blobs.versions["photos", "zeta/cat.jpg", "v1"] = b"not theirs"

    with pytest.raises(ForbiddenUrl):
        doors.sources.read(
            "s3://photos/zeta/cat.jpg", grants=GRANTS, budget=ByteBudget(10, 10), versions={"s3://photos/zeta/cat.jpg": "v1"}
        )
    assert doors.blobs.asked == []


NOT_GRANTED = [
    *("s3://other/acme/cat.jpg", "s3://photos/cat.jpg", "s3://photos/acme", "s3://photos/acme-evil/cat.jpg", "s3://photos/acm"),
    *("s3://photos/Acme/cat.jpg", "s3://Photos/acme/cat.jpg", "s3://photos//acme/cat.jpg", "s3://photos/./acme/cat.jpg"),
    *(
        "s3://photos/x/../acme/cat.jpg",
        "s3://photos/%61cme/cat.jpg",
        "s3://photos/acme%2Fcat.jpg",
        "s3://photos/other/acme/cat.jpg",
    ),
    *("s3://photos.s3.amazonaws.com/acme/cat.jpg", "s3://photos:80/acme/cat.jpg", "s3://user@photos/acme/cat.jpg"),
    *("s3://arn:aws:s3:eu-west-1:1:accesspoint/photos/acme/cat.jpg", "s3://uploads/acme/cat.jpg", "s3://photos/t/acme/in/x"),
    *("s3://photos\n/acme/cat.jpg", "s3://photos /acme/cat.jpg", "s3://photos\\acme/cat.jpg", "s3://photos?/acme/cat.jpg"),
    *("s3://ph\u00f6tos/acme/x", "s3://photos/\ufeffacme/x", "s3://photos/\nacme/x"),
]
MALFORMED = ["s3:", "s3://", "s3://photos", "s3://photos/", "s3:///acme/cat.jpg", "s3:photos/acme/cat.jpg", "s3:/photos/acme/x"]


@pytest.mark.parametrize("value", [*NOT_GRANTED, *MALFORMED])
def test_an_address_outside_the_grants_is_refused_and_s3_is_not_asked(doors: Doors, value: str) -> None:
    with pytest.raises(ForbiddenUrl) as refused:
        doors.read(value)

    assert doors.blobs.asked == []
    assert "acme" not in refused.value.message


def test_without_grants_nothing_is_read(doors: Doors) -> None:
    with pytest.raises(ForbiddenUrl, match="granted"):
        doors.read("s3://photos/acme/cat.jpg", grants=())

    assert doors.blobs.asked == []


def test_without_a_store_nothing_is_read() -> None:
    with pytest.raises(ForbiddenUrl):
        Sources(SpyFetcher(), None).read("s3://photos/acme/cat.jpg", grants=GRANTS, budget=ByteBudget(10, 10))


@pytest.mark.parametrize("key", ["acme/../b/x", "acme//x", "acme/a b?c#d%2F", "acme/\u732b", "acme/x\ny"])
def test_a_key_is_not_normalised(doors: Doors, key: str) -> None:
    with pytest.raises(UnfetchableUrl):
        doors.read(f"s3://photos/{key}")

    assert doors.blobs.asked == [("photos", key)]


@given(bucket=st.sampled_from(["photos", "uploads", "other"]), key=st.text(alphabet="acmet/.in-%\n", max_size=20))
def test_s3_is_asked_for_nothing_but_what_is_granted(bucket: str, key: str) -> None:
    doors = Doors()
    with suppress(SampleError):
        doors.read(f"s3://{bucket}/{key}")

    for asked_bucket, asked_key in doors.blobs.asked:
        assert (asked_bucket, asked_key) == (bucket, key)
        assert any(bucket == grant.bucket and key.startswith(grant.prefix) for grant in GRANTS)


# --- the budget --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["https://example.com/", f"data:image/png;base64,{B64}", "s3://photos/acme/cat.jpg"])
def test_each_door_spends_from_the_budget(doors: Doors, value: str) -> None:
    size = len(doors.read(value))

    doors.read(value, budget=ByteBudget(total=size, per_item=5_000))
    with pytest.raises(TooLarge, match="together"):
        doors.read(value, budget=ByteBudget(total=size - 1, per_item=5_000))


def test_the_images_of_a_request_share_one_budget(doors: Doors) -> None:
    budget = ByteBudget(total=20, per_item=10)
    doors.read("https://example.com/1", budget=budget)
    doors.read("s3://photos/acme/cat.jpg", budget=budget)

    with pytest.raises(TooLarge, match=r"2e-05 MB together"):
        doors.read("data:image/png;base64,AAAAAAAAAAAA", budget=budget)


def test_one_image_may_not_exceed_its_own_limit(doors: Doors) -> None:
    with pytest.raises(TooLarge, match=r"larger than 0\.0001 MB"):
        doors.read(f"data:image/png;base64,{B64}", budget=ByteBudget(total=10_000, per_item=100))
    with pytest.raises(TooLarge):
        doors.read("s3://photos/acme/cat.jpg", budget=ByteBudget(total=10_000, per_item=5))


def test_a_download_stops_when_the_request_has_had_enough() -> None:
    fetcher = GuardedClient(NetRules(allow_http=True, allow_loopback=True))
    with LoopbackServer(respond(b"x" * 900_000)) as server, pytest.raises(TooLarge, match="together"):
        Sources(fetcher, None).read(server.url(), grants=(), budget=ByteBudget(total=100_000, per_item=1_000_000))


class SlowByte(int):
    """A byte whose subtraction takes long enough for another thread to come between."""

    def __rsub__(self, left: int) -> int:
        time.sleep(0.002)
        return left - 1


def test_threads_cannot_overspend_a_budget_together() -> None:
    budget = ByteBudget(total=20, per_item=20)

    def spend(_: int) -> int:
        with suppress(TooLarge):
            budget.spend(SlowByte(1))
            return 1
        return 0

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(spend, range(64))) == 20


def test_an_object_that_s3_is_too_busy_to_give_is_told_from_one_that_is_not_there() -> None:
    class BusyStore(FakeBlobStore):
        def read(self, *_: Any, **__: Any) -> bytes:
            raise Overloaded()

    with pytest.raises(SourceBusy, match="try again"):
        Sources(SpyFetcher(b""), BusyStore()).read("s3://photos/acme/cat.jpg", grants=GRANTS, budget=ByteBudget(10, 10))
