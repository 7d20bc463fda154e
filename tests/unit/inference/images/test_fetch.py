"""The value of an image is fetched by its form, within the tenant's grants and the request's budget."""

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

from pigeonhole.contract.commands import S3Grant
from pigeonhole.errors import ForbiddenUrl, Overloaded, SampleError, TooLarge, UnfetchableUrl, UnreadableImage
from pigeonhole.inference.images.fetch import ByteBudget, ImageFetcher, StorageBusy
from pigeonhole.net.guarded_http import GuardedClient, OnBytes
from pigeonhole.net.url_rules import NetRules
from support.fakes import FakeBlobStore
from support.loopback import LoopbackServer, respond

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
GRANTS = (S3Grant(bucket="photos", prefix="acme/"), S3Grant(bucket="uploads", prefix="t/acme/in/"))


class FakeHttp(GuardedClient):
    """Returns `body` for every URL and records the requests."""

    def __init__(self, body: bytes = b"") -> None:
        self.body = body
        self.requests: list[tuple[str, int]] = []

    def fetch(self, url: str, *, max_bytes: int, on_bytes: OnBytes | None = None) -> bytes:
        self.requests.append((url, max_bytes))
        if on_bytes:
            on_bytes(len(self.body))
        return self.body


class Fetcher:
    """An ImageFetcher over a fake HTTP client and a fake S3."""

    def __init__(self) -> None:
        self.http = FakeHttp(b"fetched")
        self.blobs = FakeBlobStore({("photos", "acme/cat.jpg"): b"stored", ("uploads", "t/acme/in/x"): b"uploaded"})
        self.images = ImageFetcher(http=self.http, blobs=self.blobs)

    def fetch(self, value: str, *, grants: tuple[S3Grant, ...] = GRANTS, budget: ByteBudget | None = None) -> bytes:
        return self.images.fetch(value, grants=grants, budget=budget or ByteBudget(total=10_000, per_item=5_000))


@pytest.fixture
def fetcher() -> Fetcher:
    return Fetcher()


# --- forms of a value ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["https://example.com/a.jpg", "HTTPS://example.com/a.jpg", "http://example.com/a.jpg"])
def test_a_web_address_is_fetched_unchanged_by_the_guarded_client(fetcher: Fetcher, url: str) -> None:
    assert fetcher.fetch(url) == b"fetched"
    assert fetcher.http.requests == [(url, 5_000)]


def test_the_guarded_client_refuses_http() -> None:
    with pytest.raises(ForbiddenUrl):
        ImageFetcher(http=GuardedClient(NetRules()), blobs=None).fetch(
            "http://example.com/", grants=(), budget=ByteBudget(total=10, per_item=10)
        )


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
def test_any_other_value_is_refused_with_the_accepted_forms(fetcher: Fetcher, value: str) -> None:
    with pytest.raises(ForbiddenUrl) as refused:
        fetcher.fetch(value)

    for form in ("https://", "data:image/", "s3://bucket/key"):
        assert form in refused.value.message
    assert (fetcher.http.requests, fetcher.blobs.reads) == ([], [])


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
def test_a_data_url_is_decoded_in_every_spelling(fetcher: Fetcher, value: str) -> None:
    assert fetcher.fetch(value) == PNG


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
def test_a_malformed_data_url_is_refused_with_a_hint(fetcher: Fetcher, value: str) -> None:
    with pytest.raises(UnreadableImage, match=r"base64"):
        fetcher.fetch(value)


@given(st.binary(min_size=1, max_size=500))
def test_a_data_url_returns_its_bytes(data: bytes) -> None:
    assert Fetcher().fetch(f"data:image/png;base64,{base64.b64encode(data).decode()}") == data
    assert Fetcher().fetch(f"data:image/png,{quote(data)}") == data


@given(st.text())
def test_a_data_url_raises_only_our_errors(rest: str) -> None:
    for value in (f"data:{rest}", f"data:image/png;base64,{rest}"):
        with suppress(SampleError):
            assert Fetcher().fetch(value)


# --- s3: ---------------------------------------------------------------------------------------------------------------------


def test_an_object_under_a_granted_prefix_is_read(fetcher: Fetcher) -> None:
    assert fetcher.fetch("s3://photos/acme/cat.jpg") == b"stored"
    assert fetcher.fetch("s3://uploads/t/acme/in/x") == b"uploaded"


def test_the_version_of_an_object_is_read_if_one_is_given_and_otherwise_the_newest(fetcher: Fetcher) -> None:
    value = "s3://photos/acme/cat.jpg"
    fetcher.blobs.versions["photos", "acme/cat.jpg", "v1"] = b"as it was"

    def read(value: str, versions: dict[str, str] | None = None) -> bytes:
        return fetcher.images.fetch(value, grants=GRANTS, budget=ByteBudget(total=10_000, per_item=5_000), versions=versions)

    assert read(value, {value: "v1"}) == b"as it was"
    assert read("s3://uploads/t/acme/in/x", {value: "v1"}) == b"uploaded"
    assert read(value, {}) == read(value) == b"stored"
    with pytest.raises(UnfetchableUrl):
        read(value, {value: "v2"})


def test_a_version_is_read_only_within_the_grants(fetcher: Fetcher) -> None:
    fetcher.blobs.versions["photos", "zeta/cat.jpg", "v1"] = b"not theirs"

    with pytest.raises(ForbiddenUrl):
        fetcher.images.fetch(
            "s3://photos/zeta/cat.jpg",
            grants=GRANTS,
            budget=ByteBudget(total=10, per_item=10),
            versions={"s3://photos/zeta/cat.jpg": "v1"},
        )
    assert fetcher.blobs.reads == []


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
def test_an_address_outside_the_grants_is_refused_without_a_call_of_s3(fetcher: Fetcher, value: str) -> None:
    with pytest.raises(ForbiddenUrl) as refused:
        fetcher.fetch(value)

    assert fetcher.blobs.reads == []
    assert "acme" not in refused.value.message


def test_a_missing_object_whose_key_ends_in_a_blank_is_explained(fetcher: Fetcher) -> None:
    with pytest.raises(UnfetchableUrl, match="ends in a blank or a line break"):
        fetcher.fetch("s3://photos/acme/cat.jpg\n")


def test_without_grants_s3_addresses_are_refused(fetcher: Fetcher) -> None:
    with pytest.raises(ForbiddenUrl, match="granted"):
        fetcher.fetch("s3://photos/acme/cat.jpg", grants=())

    assert fetcher.blobs.reads == []


def test_without_a_blob_store_s3_addresses_are_refused() -> None:
    with pytest.raises(ForbiddenUrl):
        ImageFetcher(http=FakeHttp(), blobs=None).fetch(
            "s3://photos/acme/cat.jpg", grants=GRANTS, budget=ByteBudget(total=10, per_item=10)
        )


@pytest.mark.parametrize("key", ["acme/../b/x", "acme//x", "acme/a b?c#d%2F", "acme/\u732b", "acme/x\ny"])
def test_an_object_key_is_not_normalised(fetcher: Fetcher, key: str) -> None:
    with pytest.raises(UnfetchableUrl):
        fetcher.fetch(f"s3://photos/{key}")

    assert fetcher.blobs.reads == [("photos", key)]


@given(bucket=st.sampled_from(["photos", "uploads", "other"]), key=st.text(alphabet="acmet/.in-%\n", max_size=20))
def test_s3_is_called_only_for_granted_objects(bucket: str, key: str) -> None:
    fetcher = Fetcher()
    with suppress(SampleError):
        fetcher.fetch(f"s3://{bucket}/{key}")

    for called_bucket, called_key in fetcher.blobs.reads:
        assert (called_bucket, called_key) == (bucket, key)
        assert any(bucket == grant.bucket and key.startswith(grant.prefix) for grant in GRANTS)


# --- the budget --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["https://example.com/", f"data:image/png;base64,{B64}", "s3://photos/acme/cat.jpg"])
def test_each_form_spends_from_the_budget(fetcher: Fetcher, value: str) -> None:
    size = len(fetcher.fetch(value))

    fetcher.fetch(value, budget=ByteBudget(total=size, per_item=5_000))
    with pytest.raises(TooLarge, match="together"):
        fetcher.fetch(value, budget=ByteBudget(total=size - 1, per_item=5_000))


def test_the_images_of_a_request_share_one_budget(fetcher: Fetcher) -> None:
    budget = ByteBudget(total=20, per_item=10)
    fetcher.fetch("https://example.com/1", budget=budget)
    fetcher.fetch("s3://photos/acme/cat.jpg", budget=budget)

    with pytest.raises(TooLarge, match=r"2e-05 MB together"):
        fetcher.fetch("data:image/png;base64,AAAAAAAAAAAA", budget=budget)


def test_one_image_may_not_exceed_its_own_limit(fetcher: Fetcher) -> None:
    with pytest.raises(TooLarge, match=r"larger than 0\.0001 MB"):
        fetcher.fetch(f"data:image/png;base64,{B64}", budget=ByteBudget(total=10_000, per_item=100))
    with pytest.raises(TooLarge):
        fetcher.fetch("s3://photos/acme/cat.jpg", budget=ByteBudget(total=10_000, per_item=5))


def test_a_download_stops_at_the_end_of_the_budget() -> None:
    http = GuardedClient(NetRules(allow_http=True, allow_loopback=True))
    with LoopbackServer(respond(b"x" * 900_000)) as server, pytest.raises(TooLarge, match="together"):
        ImageFetcher(http=http, blobs=None).fetch(server.url(), grants=(), budget=ByteBudget(total=100_000, per_item=1_000_000))


class SlowByte(int):
    """A byte whose subtraction takes long enough for another thread to run."""

    def __rsub__(self, left: int) -> int:
        time.sleep(0.002)
        return left - 1


def test_concurrent_threads_cannot_overspend_a_budget() -> None:
    budget = ByteBudget(total=20, per_item=20)

    def spend(_: int) -> int:
        with suppress(TooLarge):
            budget.spend(SlowByte(1))
            return 1
        return 0

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(spend, range(64))) == 20


def test_busy_storage_is_not_a_missing_object() -> None:
    class BusyStore(FakeBlobStore):
        def read(self, *_: Any, **__: Any) -> bytes:
            raise Overloaded()

    with pytest.raises(StorageBusy, match="try again"):
        ImageFetcher(http=FakeHttp(b""), blobs=BusyStore()).fetch(
            "s3://photos/acme/cat.jpg", grants=GRANTS, budget=ByteBudget(total=10, per_item=10)
        )
