"""A dry run counts what an input has, as far as its time allows, and says what the job would take."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.bulk.costs.compute import GpuWorkers
from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.inputs.reader import InputReader
from pigeonhole.bulk.manifest import SpanLimits, UnreadableManifest
from pigeonhole.bulk.planning.choose import BulkEstimator
from pigeonhole.bulk.planning.estimate import InputCounts, InputEstimator
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.bulk.spec import BulkInput
from pigeonhole.contract.bulk import Compute
from pigeonhole.contract.estimates import EstimateCommand
from pigeonhole.errors import ForbiddenUrl
from support.bulk_fixtures import BUCKET, Bulk, to_line

TEXTS = b"".join(to_line(f"{k:04d}") for k in range(800))
IMAGES = b"".join(to_line(f"{k:04d}").replace(b'"text"', b'"image"') for k in range(200))


def counted(name: str, content: bytes, *, chunk_bytes: int = 1_000, chunks: int = 10**6) -> InputCounts:
    """Count an input, of which so many chunks can be read in time."""
    bulk = Bulk()
    bulk.manifests.chunk_bytes = chunk_bytes
    bulk.manifests.objects[BUCKET, name] = (content, "etag")
    ticks = count()
    reader = InputReader(manifests=bulk.manifests)
    given = BulkInput(ManifestLocation(BUCKET, name), InputKind.from_name(name), SpanLimits(samples=100))
    return InputEstimator(inputs=reader, clock=lambda: next(ticks)).count(given, reader.find(given), read_s=chunks)


def to_parquet() -> bytes:
    rows = [{"type": "text", "value": f"text {k}"} for k in range(800)] + [{"type": "image", "value": "s3://"}] * 200
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=100)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [("in.jsonl", TEXTS + IMAGES), ("in.jsonl.gz", gzip.compress(TEXTS + IMAGES)), ("in.parquet", to_parquet())],
)
def test_an_input_that_is_read_in_time_is_counted(name: str, content: bytes) -> None:
    counts = counted(name, content)

    assert (counts.samples, counts.spans, counts.is_exact) == (1_000, 10, True)
    assert counts.texts + counts.images == 1_000
    assert counts.images == pytest.approx(200, abs=60), "types are read from some lines"


@pytest.mark.parametrize(
    ("name", "content", "chunks"),
    [
        ("in.jsonl", TEXTS, 5),
        ("in.jsonl.gz", gzip.compress(TEXTS, 0), 5),
        ("in.parquet", to_parquet(), 1),
    ],
)
def test_the_rest_of_a_long_input_is_estimated_by_its_size(name: str, content: bytes, chunks: int) -> None:
    counts = counted(name, content, chunks=chunks)

    true = 1_000 if name.endswith("parquet") else 800
    assert not counts.is_exact
    assert counts.samples == pytest.approx(true, rel=0.2)
    assert counts.spans == pytest.approx(true / 100, rel=0.3)


def test_a_manifest_of_one_line_has_one_sample() -> None:
    assert counted("in.jsonl", TEXTS.split(b"\n")[0]) == InputCounts(1, 0, 1, True)
    assert counted("in.jsonl", IMAGES.split(b"\n")[0], chunk_bytes=10_000) == InputCounts(1, 1, 1, True)


def test_an_empty_manifest_has_none() -> None:
    assert counted("in.jsonl", b"\n \n") == InputCounts(0, 0, 0, True)


def test_a_file_that_is_no_manifest_is_told() -> None:
    with pytest.raises(UnreadableManifest):
        counted("in.parquet", b"neither")


def estimate(bulk: Bulk, *, key: str = "acme/in.jsonl", compute: Compute = Compute.AUTO, **chooser: Any) -> Any:
    planner = bulk.planner
    service = BulkEstimator(access=bulk.access, inputs=planner.inputs, chooser=replace(planner.chooser, **chooser))
    command = EstimateCommand(
        log_id="log", tenant_id="acme", bucket=BUCKET, object_key=key, input_kind="lines", span_samples=100, compute=compute
    )
    return service.estimate(command)


def test_a_dry_run_says_what_the_job_would_take() -> None:
    bulk = Bulk()
    bulk.manifests.objects[BUCKET, "acme/in.jsonl"] = (TEXTS, "etag")

    answer = estimate(bulk)

    assert (answer.samples, answer.texts, answer.images, answer.spans, answer.is_exact) == (800, 800, 0, 8, True)
    assert (answer.compute, answer.on_gpu) == (Compute.LAMBDA, None)
    assert 0 < answer.on_lambda.usd < 1
    assert 0 < answer.on_lambda.seconds < 600


def test_gpu_workers_are_estimated_where_they_are_deployed() -> None:
    bulk = Bulk()
    bulk.manifests.objects[BUCKET, "acme/in.jsonl"] = (TEXTS, "etag")

    answer = estimate(bulk, compute=Compute.GPU, gpu_workers=GpuWorkers(workers=1))

    assert answer.compute is Compute.GPU
    assert answer.on_gpu.seconds > answer.on_lambda.seconds, "a small job waits for a machine"


def test_a_dry_run_of_what_is_not_granted_is_refused() -> None:
    with pytest.raises(ForbiddenUrl):
        estimate(Bulk(), key="zeta/in.jsonl")
