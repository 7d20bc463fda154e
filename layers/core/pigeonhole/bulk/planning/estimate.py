"""Estimate how many samples an input has, by reading it for some seconds at most."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.manifest import LineParser, plan_spans
from pigeonhole.bulk.ports import ManifestObject
from pigeonhole.bulk.spec import BulkInput
from pigeonhole.contract.limits import UNLIMITED
from pigeonhole.errors import InvalidRequest

READ_S = 12.0
SAMPLED_LINES = 50  # of each chunk, whose types are read


@dataclass(frozen=True)
class InputCounts:
    """What an input has.

    Attributes:
        samples: The lines that aren't blank, or the objects.
        images: How many of them are images, estimated from some of them.
        spans: The number of spans.
        is_exact: Whether all samples were counted. Otherwise they are as many for each byte as in what was read. Of a prefix,
            they are those that were listed.
    """

    samples: int
    images: int
    spans: int
    is_exact: bool

    @property
    def texts(self) -> int:
        """How many samples are texts."""
        return self.samples - self.images


@dataclass(frozen=True, kw_only=True)
class InputEstimator:
    """Counts the samples of inputs.

    Attributes:
        inputs: Reads inputs.
        clock: Tells the time in seconds.
    """

    inputs: InputReader
    clock: Callable[[], float] = time.monotonic

    def count(self, given: BulkInput, found: ManifestObject, read_s: float = READ_S) -> InputCounts:
        """Count the samples of an input for so many seconds, and estimate those of the rest.

        Raises:
            UnfetchableUrl: The input can't be read.
            UnreadableManifest: The input isn't what its name says, or is broken.
            Overloaded: A retry may help.
        """
        meter = _Meter(given.parse, self.clock, self.clock() + read_s)
        rows = self.inputs.open_parquet(found).count if given.kind is InputKind.PARQUET else 0
        chunks = self.inputs.read(given, found.etag or "", on_bytes=meter.add_bytes)
        spans, samples = 0, 0
        for span in plan_spans(meter.watch(chunks), given.span_limits):
            spans, samples = spans + 1, samples + span.samples
        if not meter.is_stopped or given.kind is InputKind.PREFIX or not samples:
            return InputCounts(samples, round(samples * meter.image_share), spans, not meter.is_stopped)
        whole = rows / samples if rows else found.size / max(1, meter.bytes_read)
        estimate = round(samples * whole)
        return InputCounts(estimate, round(estimate * meter.image_share), max(1, round(spans * whole)), False)


@dataclass
class _Meter:
    """Watches the chunks of an input: stops them when the time is over, and reads the types of some lines.

    Attributes:
        parse: Parses a line.
        clock: Tells the time.
        until: When the time is over.
        bytes_read: The bytes that were read of the caller's object.
        is_stopped: Whether the time was over before the input.
    """

    parse: LineParser
    clock: Callable[[], float]
    until: float
    bytes_read: int = 0
    is_stopped: bool = False
    _types: Counter[str] = field(default_factory=Counter)

    @property
    def image_share(self) -> float:
        """The share of images in the sampled lines, from 0 to 1."""
        return self._types["image"] / max(1, self._types.total())

    def add_bytes(self, count: int) -> None:
        """Count bytes that were read."""
        self.bytes_read += count

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield chunks until the time is over."""
        is_line_start = True
        for chunk in chunks:
            self._sample(chunk, is_line_start=is_line_start)
            is_line_start = chunk.endswith(b"\n")
            yield chunk
            if self.clock() >= self.until:
                self.is_stopped = True
                return

    def _sample(self, chunk: bytes, *, is_line_start: bool) -> None:
        """Read the types of the first lines of a chunk. A line that the chunk cuts off is read if there is no other."""
        lines = chunk.split(b"\n", SAMPLED_LINES)
        for line in lines[0 if is_line_start else 1 : -1] or lines[:1]:
            try:
                self._types[self.parse(line, UNLIMITED).type] += 1
            except InvalidRequest:
                continue  # a line that is no sample, or not whole
