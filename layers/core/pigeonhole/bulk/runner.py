"""Classify the lines of spans on several threads, in constant memory.

The lines of a span are divided into groups of one type. Each thread fetches, decodes, encodes and scores a group of its own, so
one thread waits for a fetch while another keeps a core busy. Only some groups are read ahead. The results come in the order of
the lines, and the groups are the same in each run, so the results are the same as well.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from pigeonhole.bulk.manifest import LineParser, ManifestLine, ManifestSpan, SpanLimits, TextObject, read_lines
from pigeonhole.bulk.ports import ManifestSource
from pigeonhole.contract.bulk import AnyBulkOptions, BulkOptions, ManifestSample, parse_manifest_line
from pigeonhole.contract.bulk_results import AnyResultRow, ErrorRow, QuestionsRow, ResultRow
from pigeonhole.contract.classification import Sample
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, S3Grant
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.errors import PigeonholeError
from pigeonhole.jobs.results import prediction

T = TypeVar("T")
R = TypeVar("R")

READ_AHEAD = 2  # groups for each thread
GROUP_SAMPLES = 32
_SAMPLE_WARNING = re.compile(r"dataset\.(\d+)\.value")


class Pipeline(Protocol):
    """What classifies samples: inference.pipeline.InferencePipeline."""

    def ask(self, command: ClassifyCommand) -> list[ChunkResult]:
        """Classify the samples of a command, and return the result of each question. Labels are one question."""
        ...


class TextReader(Protocol):
    """What reads text objects: inputs.text_objects.TextObjectReader."""

    def read(self, objects: Sequence[TextObject], *, will_be_retried: bool) -> list[ManifestSample | PigeonholeError]:
        """Read objects, and return the sample of each, or its error."""
        ...


@dataclass
class SpanResults:
    """The results of a span, in the order of its lines.

    Attributes:
        span: The span.
        rows: The lines that have a result.
        errors: The lines that have an error. Together with `rows` they are all lines that aren't blank.
        warnings: What the caller should know about labels and samples.
    """

    span: ManifestSpan
    rows: list[AnyResultRow] = field(default_factory=list)
    errors: list[ErrorRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def extend(self, more: SpanResults) -> None:
        """Add the results of the lines that follow."""
        self.rows += more.rows
        self.errors += more.errors
        self.warnings += more.warnings


@dataclass(frozen=True)
class _Group:
    """Lines of a span that are classified together: samples of one type, or lines without a sample."""

    span: ManifestSpan
    lines: list[ManifestLine]
    is_last: bool = False


@dataclass(frozen=True)
class _GroupResult:
    """The lines of a group that could be read, their result for each question, and the lines that could not."""

    lines: list[ManifestLine]
    results: Sequence[ChunkResult]
    faulty: list[tuple[ManifestLine, PigeonholeError]]


@dataclass(frozen=True, kw_only=True)
class SpanRunner:
    """Classifies spans of a manifest.

    Attributes:
        pipeline: Classifies samples. It is called from several threads.
        source: The manifest.
        options: Labels and options, or questions.
        limits: The limits of a sample.
        span_limits: The limits of a line.
        tenant_id: The tenant of the job.
        grants: What the tenant may name by `s3://`.
        parse: Parses a line of the manifest.
        texts: Reads text objects. None if `parse` returns none.
        will_be_retried: Whether the spans are classified again if S3 is too busy to give an image.
        threads: The number of groups that are classified at the same time.
        group_samples: The largest number of samples in a group.
        group_bytes: A group ends with the sample that reaches this size, as text.
    """

    pipeline: Pipeline
    source: ManifestSource
    options: AnyBulkOptions
    limits: RequestLimits
    span_limits: SpanLimits
    tenant_id: str
    grants: tuple[S3Grant, ...] = ()
    parse: LineParser = parse_manifest_line
    texts: TextReader | None = None
    will_be_retried: bool = False
    threads: int = 2
    group_samples: int = GROUP_SAMPLES
    group_bytes: int = 32_000_000

    def run(
        self, spans: Iterable[ManifestSpan], *, on_group: Callable[[int, int], None] = lambda succeeded, failed: None
    ) -> Iterator[SpanResults]:
        """Classify spans, and yield the results of each as soon as it and those before it are complete.

        Args:
            spans: The spans.
            on_group: Called with the numbers of samples that succeeded and failed, several times for each span.

        Raises:
            SampleError: An example image of a label can't be read, so nothing can be classified.
            Overloaded: S3 is too busy to give an image, and the spans will be classified again.
        """
        results: SpanResults | None = None
        groups = (group for span in spans for group in self._groups(span))
        for group, result in _map_ahead(self._classify, groups, self.threads):
            results = results or SpanResults(group.span)
            before = len(results.rows), len(results.errors)
            self._add(results, result)
            on_group(len(results.rows) - before[0], len(results.errors) - before[1])
            if group.is_last:
                yield _sorted(results)
                results = None

    def _groups(self, span: ManifestSpan) -> Iterator[_Group]:
        """Divide the lines of a span into groups. The last group has the lines without a sample, and may be empty."""
        chunks = self.source.read(span.start_byte, span.stop_byte)
        faulty: list[ManifestLine] = []
        open_groups: dict[str, list[ManifestLine]] = {}
        sizes: dict[str, int] = {}
        for line in read_lines(chunks, span.first_line, self.span_limits, self.limits, self.parse):
            content = line.content
            if isinstance(content, PigeonholeError):
                faulty.append(line)
                continue
            kind = content.type
            group = open_groups.setdefault(kind, [])
            group.append(line)
            sizes[kind] = sizes.get(kind, 0) + (content.size if isinstance(content, TextObject) else len(content.value))
            if len(group) >= self.group_samples or sizes[kind] >= self.group_bytes:
                yield _Group(span, open_groups.pop(kind))
                del sizes[kind]
        for group in open_groups.values():
            yield _Group(span, group)
        yield _Group(span, faulty, is_last=True)

    def _classify(self, group: _Group) -> _GroupResult:
        readable: list[ManifestLine] = []
        samples: list[Sample] = []
        faulty: list[tuple[ManifestLine, PigeonholeError]] = []
        for line, content in zip(group.lines, self._read_texts(group.lines), strict=True):
            if isinstance(content, PigeonholeError):
                faulty.append((line, content))
            else:
                readable.append(line)
                samples.append(content)
        if not samples:
            return _GroupResult([], [], faulty)
        command = ClassifyCommand(
            log_id="",
            tenant_id=self.tenant_id,
            grants=self.grants,
            is_job=True,
            will_be_retried=self.will_be_retried,
            request=self.options.to_request(samples),
        )
        return _GroupResult(readable, self.pipeline.ask(command), faulty)

    def _read_texts(self, lines: Sequence[ManifestLine]) -> Iterator[ManifestSample | PigeonholeError]:
        """Yield the content of each line, in which text objects are read."""
        objects = [line.content for line in lines if isinstance(line.content, TextObject)]
        texts = self.texts.read(objects, will_be_retried=self.will_be_retried) if self.texts and objects else []
        read = iter(texts)
        return (next(read) if isinstance(line.content, TextObject) else line.content for line in lines)

    def _add(self, results: SpanResults, group: _GroupResult) -> None:
        results.errors += [_to_error_row(line, error.code, error.message) for line, error in group.faulty]
        if not group.results:
            return
        first, lines = group.results[0], group.lines  # a line that can't be read has the same error for every question
        results.rows += [
            _to_row(line, index, group.results, self.options)
            for index, line in enumerate(lines)
            if first.predictions[index] is not None
        ]
        results.errors += [_to_error_row(lines[fault.index], fault.code, fault.message) for fault in first.errors]
        results.warnings += [_name_line(warning, lines) for result in group.results for warning in result.warnings]


def _to_row(line: ManifestLine, index: int, results: Sequence[ChunkResult], options: AnyBulkOptions) -> AnyResultRow:
    """Make the row of a line, which has the place `index` in its group."""
    scores = [result.scores[index] if result.scores else None for result in results]
    if isinstance(options, BulkOptions):
        chosen = prediction(results[0].predictions[index], multiple=options.multiple_labels)
        return ResultRow(line=line.number, custom_id=line.custom_id, prediction=chosen, scores=scores[0])
    predictions = {
        name: prediction(result.predictions[index], multiple=question.multiple_labels)
        for (name, question), result in zip(options.questions.items(), results, strict=True)
    }
    named = {name: ranked or [] for name, ranked in zip(predictions, scores, strict=True)} if options.scores else None
    return QuestionsRow(line=line.number, custom_id=line.custom_id, predictions=predictions, scores=named)


def _to_error_row(line: ManifestLine, code: str, message: str) -> ErrorRow:
    return ErrorRow(line=line.number, custom_id=line.custom_id, code=code, message=message)


def _name_line(warning: str, lines: Sequence[ManifestLine]) -> str:
    """Name a sample by its line, where the pipeline names it by its place in the group."""
    return _SAMPLE_WARNING.sub(lambda match: f"line {lines[int(match[1])].number}", warning)


def _sorted(results: SpanResults) -> SpanResults:
    """Put the rows of all groups in the order of the lines."""
    results.rows.sort(key=lambda row: row.line)
    results.errors.sort(key=lambda row: row.line)
    results.warnings = list(dict.fromkeys(results.warnings))
    return results


def _map_ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[tuple[T, R]]:
    """Call a function on several threads, and yield each item with its result in the order of the items.

    At most `READ_AHEAD` items per thread are taken before their results are wanted. If the caller stops early or a call fails,
    the items that have begun are finished, and no further one is begun.
    """
    pending: deque[tuple[T, Future[R]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="bulk")
    try:
        for item in items:
            pending.append((item, pool.submit(function, item)))
            if len(pending) >= READ_AHEAD * threads:
                first, future = pending.popleft()
                yield first, future.result()
        while pending:
            first, future = pending.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(cancel_futures=True)
