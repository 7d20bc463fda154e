"""The bytes of a request's body become JSON, or an error that names what they are."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest
from backports import zstd

from pigeonhole.api.request_body import decompress, parse_json
from pigeonhole.errors import InvalidRequest, TooLarge, UnsupportedEncoding

BODY = {"dataset": "café ☕"}
RAW = json.dumps(BODY, ensure_ascii=False).encode()
COMPRESSED = {"gzip": gzip.compress(RAW, mtime=0), "zstd": zstd.compress(RAW)}


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("", RAW),
        ("identity", RAW),
        ("gzip", COMPRESSED["gzip"]),
        (" GZIP , identity", COMPRESSED["gzip"]),
        ("x-gzip", COMPRESSED["gzip"]),
        ("zstd", COMPRESSED["zstd"]),
    ],
)
def test_a_body_is_plain_or_compressed(coding: str, data: bytes) -> None:
    assert parse_json(decompress(data, coding, len(RAW)), "application/json") == BODY


@pytest.mark.parametrize("coding", ["br", "deflate", "compress", "gzip, gzip", "zstd, gzip", "*"])
def test_another_compression_is_refused_with_those_that_are_taken(coding: str) -> None:
    with pytest.raises(UnsupportedEncoding, match="gzip, zstd") as refused:
        decompress(RAW, coding, 1_000)
    assert [fault.path for fault in refused.value.details] == ["Content-Encoding"]


@pytest.mark.parametrize("coding", COMPRESSED)
def test_the_limit_holds_for_what_was_decompressed(coding: str) -> None:
    assert decompress(COMPRESSED[coding], coding, len(RAW)) == RAW
    with pytest.raises(TooLarge, match="after decompression"):
        decompress(COMPRESSED[coding], coding, len(RAW) - 1)


@pytest.mark.parametrize(
    ("coding", "bomb"), [("gzip", gzip.compress(bytes(200_000_000), 6, mtime=0)), ("zstd", zstd.compress(bytes(10**9)))]
)
def test_a_bomb_is_refused_while_it_unpacks(coding: str, bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decompress(bomb, coding, 4_000_000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < 20_000_000


def test_a_zstd_stream_that_needs_a_large_window_is_refused() -> None:
    options = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    compressor = zstd.ZstdCompressor(options=options)

    with pytest.raises(InvalidRequest, match="zstd"):
        decompress(compressor.compress(RAW) + compressor.flush(), "zstd", 1_000)


@pytest.mark.parametrize("coding", COMPRESSED)
@pytest.mark.parametrize("damage", [lambda data: data[:-5], lambda data: RAW, lambda data: b"", lambda data: data + data])
def test_a_body_that_is_not_one_whole_stream_is_refused(coding: str, damage: object) -> None:
    with pytest.raises(InvalidRequest, match=coding):
        decompress(damage(COMPRESSED[coding]), coding, 1_000)  # type: ignore[operator]


@pytest.mark.parametrize("coding", ["", "identity", "utf-8", "UTF8"])
def test_a_body_without_a_coding_stays_as_it_is(coding: str) -> None:
    assert decompress(RAW, coding, 1_000) == RAW


def test_zlib_is_not_gzip() -> None:
    with pytest.raises(InvalidRequest, match="isn't gzip"):
        decompress(zlib.compress(RAW), "gzip", 1_000)


@pytest.mark.parametrize(
    ("data", "content_type", "said"),
    [
        (RAW.decode().encode("utf-16"), "application/json; charset=utf-16", "charset UTF-8"),
        ('{"a": "caf\u00e9"}'.encode(), 'application/json; charset="ISO-8859-1"', "charset UTF-8"),
        (RAW.decode().encode("utf-16"), "application/json", "UTF-16"),
        (RAW.decode().encode("utf-16-le"), "", "UTF-16"),
        (RAW.decode().encode("utf-16-be"), "application/json", "UTF-16"),
        (RAW.decode().encode("utf-32"), "application/json", "UTF-32"),
        ('{"a": "café"}'.encode("latin-1"), "application/json", "Latin-1"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "not text in UTF-8"),
    ],
)
def test_another_charset_is_named_and_never_half_decoded(data: bytes, content_type: str, said: str) -> None:
    with pytest.raises(UnsupportedEncoding, match=said):
        parse_json(data, content_type)


@pytest.mark.parametrize("content_type", ["text/plain; charset=ISO-8859-1", "application/json; charset=ascii", "a/b;charset=x"])
def test_ascii_is_taken_under_any_charset(content_type: str) -> None:
    assert parse_json(b'{"a": "cafe"}', content_type) == {"a": "cafe"}


@pytest.mark.parametrize(
    "content_type",
    [
        *("", "application/json", "application/json; charset=UTF-8", "text/plain;charset=utf8", "a/b; charset=utf_8"),
        *("application/json; charset='utf-8'", "application/json; charset=utf-8, application/json"),
    ],
)
def test_utf_8_is_taken_under_any_of_its_names(content_type: str) -> None:
    assert parse_json(b"\xef\xbb\xbf" + RAW, content_type) == BODY


@pytest.mark.parametrize(
    ("data", "content_type", "said"),
    [
        (b"", "application/json", "the body is empty"),
        (b" \r\n", "application/json", "the body is empty"),
        (COMPRESSED["gzip"], "application/json", "Content-Encoding: gzip"),
        (COMPRESSED["zstd"], "", "Content-Encoding: zstd"),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n', "", "multipart/form-data"),
        (b"--x--", "multipart/form-data; boundary=x", "multipart/form-data"),
        (b"dataset=a&labels=b", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        (b'{"a": 1,}', "application/x-www-form-urlencoded", "line 1, column 9"),
        (b"hello", "text/plain", "must be JSON"),
    ],
)
def test_a_body_that_is_not_json_is_named_for_what_it_is(data: bytes, content_type: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        parse_json(data, content_type)


def test_json_is_taken_although_curl_calls_it_a_form() -> None:
    assert parse_json(RAW, "application/x-www-form-urlencoded") == BODY
