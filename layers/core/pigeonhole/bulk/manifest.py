"""Divide a manifest into spans, and read the samples of a span.

A manifest is a JSONL file: a sample per line, texts and images mixed as the caller likes. It may be larger than memory, so it
is read in chunks of bytes, and nothing here holds more than one line. A blank line is no sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.contract.bulk import BYTE_ORDER_MARK, ManifestSample, parse_manifest_line
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import InvalidRequest, SampleError, TooLarge


class UnreadableManifest(SampleError):
    """The file can't be a manifest."""

    code, status = "invalid_request", 400


@dataclass(frozen=True)
class SpanLimits:
    """Where a span ends.

    Attributes:
        samples: The largest number of samples in a span. A span is the unit that is repeated after a crash.
        span_bytes: A span ends with the line that reaches this size.
        line_bytes: The largest size of a line. The default holds an image of 20 MB as a `data:` URL.
        max_line_bytes: A file with a longer line is no manifest. Shorter ones get an error of their own.
    """

    samples: int = 1_000
    span_bytes: int = 32_000_000
    line_bytes: int = 28_000_000
    max_line_bytes: int = 256_000_000


@dataclass(frozen=True)
class ManifestSpan:
    """A range of whole lines of a manifest.

    Attributes:
        number: The number of the span, from 0.
        start_byte: The offset of its first byte.
        stop_byte: The offset after its last byte.
        first_line: The number of its first line in the manifest, from 1.
        lines: The number of its lines, blank ones included.
        samples: The number of its lines that aren't blank.
    """

    number: int
    start_byte: int
    stop_byte: int
    first_line: int
    lines: int
    samples: int


@dataclass(frozen=True)
class TextObject:
    """A text that a worker reads from S3: an object below a prefix.

    Attributes:
        location: Where it is.
        size: Its bytes.
        custom_id: Its name in the results.
    """

    location: ManifestLocation
    size: int
    custom_id: str
    type: Literal["text"] = "text"


@dataclass(frozen=True)
class ManifestLine:
    """A line that isn't blank: its sample, or why it has none.

    Attributes:
        number: Its number in the manifest, from 1.
        custom_id: The caller's own name for it.
        content: The sample, or the error of the line.
    """

    number: int
    custom_id: str | None
    content: ManifestSample | TextObject | InvalidRequest | TooLarge


LineParser = Callable[[bytes, RequestLimits], ManifestSample | TextObject]
"""Parses a line without its line feed. Raises InvalidRequest if the line is no sample."""


def plan_spans(chunks: Iterable[bytes], limits: SpanLimits, *, after: ManifestSpan | None = None) -> Iterator[ManifestSpan]:
    """Divide a manifest into spans. The same bytes and limits give the same spans.

    Args:
        chunks: The bytes of the manifest, from the end of `after`, in chunks of any size.
        limits: Where a span ends.
        after: The last span that was planned before, None to start with the manifest.

    Raises:
        UnreadableManifest: A line is longer than `max_line_bytes`.
    """
    number, offset, line = (after.number + 1, after.stop_byte, after.first_line + after.lines) if after else (0, 0, 1)
    start_byte, first_line, samples, is_blank = offset, line, 0, True
    line_start = offset
    for chunk in chunks:
        position = 0
        while (line_end := chunk.find(b"\n", position)) >= 0:
            samples += not (is_blank and is_blank_line(chunk[position:line_end]))
            is_blank, line, position = True, line + 1, line_end + 1
            stop_byte = line_start = offset + position
            if samples >= limits.samples or stop_byte - start_byte >= limits.span_bytes:
                if samples:
                    yield ManifestSpan(number, start_byte, stop_byte, first_line, line - first_line, samples)
                    number += 1
                start_byte, first_line, samples = stop_byte, line, 0
        is_blank = is_blank and is_blank_line(chunk[position:])
        offset += len(chunk)
        if offset - line_start > limits.max_line_bytes:
            raise UnreadableManifest(
                f"line {line} has more than {limits.max_line_bytes / 1e6:g} MB; "
                "a manifest has a sample per line, each a JSON object"
            )
    samples += not is_blank
    if samples:  # the last line may have no line feed
        yield ManifestSpan(number, start_byte, offset, first_line, line + (not is_blank) - first_line, samples)


def read_lines(
    chunks: Iterable[bytes],
    first_line: int,
    span_limits: SpanLimits,
    limits: RequestLimits,
    parse: LineParser = parse_manifest_line,
) -> Iterator[ManifestLine]:
    """Read the lines of a span that aren't blank.

    Args:
        chunks: The bytes of the span, in chunks of any size.
        first_line: The number of the span's first line in the manifest.
        span_limits: The limits of a line.
        limits: The limits of a sample.
        parse: Parses a line.
    """
    for number, data in enumerate(_split_lines(chunks, span_limits.line_bytes), first_line):
        if data is None:
            message = f"the line is longer than {span_limits.line_bytes / 1e6:g} MB: name large images by their address"
            yield ManifestLine(number, None, TooLarge(message))
        elif not is_blank_line(data):
            yield _parse_line(number, data.removeprefix(BYTE_ORDER_MARK) if number == 1 else data, limits, parse)


def is_blank_line(data: bytes) -> bool:
    """Return whether a line has nothing but ASCII blanks."""
    return not data or data.isspace()


def _parse_line(number: int, data: bytes, limits: RequestLimits, parse: LineParser) -> ManifestLine:
    try:
        sample = parse(data, limits)
    except InvalidRequest as error:
        return ManifestLine(number, _find_custom_id(data, limits.max_custom_id_chars), error)
    return ManifestLine(number, sample.custom_id, sample)


def _find_custom_id(data: bytes, max_chars: int) -> str | None:
    """Return the `custom_id` of a line that is JSON but no sample, so that its error can be found by it."""
    try:
        custom_id = json.loads(data)["custom_id"]
        custom_id.encode()  # half of a surrogate pair can't be written
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return custom_id if len(custom_id) <= max_chars else None


def _split_lines(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes | None]:
    """Yield each line without its line feed, None for a line of more than `max_bytes` that isn't blank."""
    pieces: list[bytes] = []
    size, is_blank = 0, True

    def end_line() -> bytes | None:
        if size > max_bytes:
            return b"" if is_blank else None
        return b"".join(pieces)

    for chunk in chunks:
        position = 0
        while position < len(chunk):
            line_end = chunk.find(b"\n", position)
            piece = chunk[position : line_end if line_end >= 0 else len(chunk)]
            size, is_blank = size + len(piece), is_blank and is_blank_line(piece)
            pieces = [*pieces, piece] if size <= max_bytes else []
            if line_end < 0:
                break
            yield end_line()
            pieces, size, is_blank, position = [], 0, True, line_end + 1
    if size:
        yield end_line()
