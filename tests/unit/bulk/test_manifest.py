"""A manifest is divided into spans of whole lines, in chunks of any size, and each line is read once."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.bulk.manifest import ManifestLine, ManifestSpan, SpanLimits, UnreadableManifest, plan_spans, read_lines
from pigeonhole.contract.bulk import ManifestSample
from pigeonhole.contract.limits import RequestLimits

SMALL = SpanLimits(samples=3, span_bytes=200, line_bytes=100)
LIMITS = RequestLimits()


def to_chunks(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def text_line(value: str, custom_id: str | None = None) -> bytes:
    return json.dumps({"type": "text", "value": value} | ({"custom_id": custom_id} if custom_id else {})).encode() + b"\n"


def lines_of(data: bytes, spans: list[ManifestSpan], limits: SpanLimits = SMALL) -> list[ManifestLine]:
    return [
        line
        for span in spans
        for line in read_lines(to_chunks(data[span.start_byte : span.stop_byte]), span.first_line, limits, LIMITS)
    ]


def texts_of(lines: list[ManifestLine]) -> list[str]:
    return [line.content.value for line in lines if isinstance(line.content, ManifestSample)]


@given(
    lines=st.lists(st.sampled_from([b"", b" \t", b"\r", b"{}", b"x" * 150, text_line("a")[:-1], text_line("b" * 30)[:-1]])),
    ends_with_line_feed=st.booleans(),
    chunk_bytes=st.integers(1, 300),
)
def test_the_spans_hold_each_line_that_is_not_blank_once(
    lines: list[bytes], ends_with_line_feed: bool, chunk_bytes: int
) -> None:
    data = b"\n".join(lines) + b"\n" * ends_with_line_feed

    spans = list(plan_spans(to_chunks(data, chunk_bytes), SMALL))

    expected = [number for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    assert [line.number for line in lines_of(data, spans)] == expected
    assert [span.number for span in spans] == list(range(len(spans)))
    assert sum(span.samples for span in spans) == len(expected)
    assert all(1 <= span.samples <= SMALL.samples for span in spans)
    assert all(before.stop_byte <= after.start_byte for before, after in pairwise(spans))


@given(count=st.integers(0, 20), planned=st.integers(0, 20))
def test_planning_continues_after_any_span(count: int, planned: int) -> None:
    data = b"".join(text_line(f"text {k}") + b"\n" * (k % 3) for k in range(count))
    spans = list(plan_spans(to_chunks(data), SMALL))
    before = spans[: min(planned, len(spans))]
    after = before[-1] if before else None

    rest = list(plan_spans(to_chunks(data[after.stop_byte if after else 0 :]), SMALL, after=after))

    assert [*before, *rest] == spans


def test_a_span_ends_with_the_line_that_reaches_its_size() -> None:
    data = text_line("a" * 120) + text_line("b" * 120) + text_line("c")

    spans = list(plan_spans(to_chunks(data), SMALL))

    assert [span.samples for span in spans] == [2, 1]


def test_a_line_without_an_end_is_a_sample() -> None:
    data = text_line("a") + text_line("b").rstrip()

    assert texts_of(lines_of(data, list(plan_spans([data], SMALL)))) == ["a", "b"]


def test_a_manifest_without_a_sample_has_no_span() -> None:
    assert list(plan_spans([], SMALL)) == []
    assert list(plan_spans([b"\n \r\n\n"], SMALL)) == []


def test_a_line_that_is_too_long_gets_an_error_and_the_next_one_is_read() -> None:
    data = text_line("a" * 200) + text_line("b")

    too_long, following = lines_of(data, list(plan_spans(to_chunks(data), SMALL)))

    assert (too_long.number, getattr(too_long.content, "code", None)) == (1, "too_large")
    assert texts_of([following]) == ["b"]


def test_a_long_line_is_not_held_in_memory() -> None:
    def endless_line() -> Iterator[bytes]:
        return (bytes(1_000_000).replace(b"\0", b"x") for _ in range(30))

    tracemalloc.start()
    try:
        lines = list(read_lines(endless_line(), 1, SMALL, LIMITS))
        spans = list(plan_spans(endless_line(), SMALL))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [getattr(line.content, "code", None) for line in lines] == ["too_large"]
    assert [span.samples for span in spans] == [1]
    assert peak_bytes < 8_000_000


@pytest.mark.parametrize("chunk_bytes", [7, 1_000])
def test_a_blank_line_of_any_length_is_skipped(chunk_bytes: int) -> None:
    data = text_line("a") + b" " * 500 + b"\n" + text_line("b") + b"\t" * 500

    spans = list(plan_spans(to_chunks(data, chunk_bytes), SMALL))

    assert [line.number for line in lines_of(data, spans)] == [1, 3]
    assert sum(span.samples for span in spans) == 2


def test_a_file_with_an_enormous_line_is_no_manifest() -> None:
    limits = SpanLimits(samples=3, max_line_bytes=1_000)

    assert [span.samples for span in plan_spans(to_chunks(b"x" * 1_000 + b"\n"), limits)] == [1]
    with pytest.raises(UnreadableManifest, match=r"line 2 has more than 0\.001 MB"):
        list(plan_spans(to_chunks(text_line("a") + b"x" * 2_000), limits))


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    data = b"\xef\xbb\xbf" + text_line("a") + b"\xef\xbb\xbf" + text_line("b")

    first, second = lines_of(data, list(plan_spans([data], SMALL)))

    assert texts_of([first]) == ["a"]
    assert getattr(second.content, "code", None) == "invalid_request"


@pytest.mark.parametrize(
    ("line", "custom_id"),
    [
        (b'{"custom_id": "a", "type": "video", "value": "x"}', "a"),
        (b'{"custom_id": 5, "type": "text", "value": "x"}', None),
        (b'{"custom_id": "\\ud800", "type": "text", "value": "x"}', None),
        (json.dumps({"custom_id": "c" * 129}).encode(), None),
        (b'["custom_id"]', None),
        (b"nonsense", None),
    ],
)
def test_the_error_of_a_line_has_its_custom_id_where_there_is_a_valid_one(line: bytes, custom_id: str | None) -> None:
    (read,) = read_lines([line], 5, SpanLimits(), LIMITS)

    assert (read.number, read.custom_id, getattr(read.content, "code", None)) == (5, custom_id, "invalid_request")
