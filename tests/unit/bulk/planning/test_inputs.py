"""Inputs that can't be read by ranges are copied while they are planned, and planners continue where others stopped."""

from __future__ import annotations

import gzip
import io
import json
from collections import deque
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.bulk.inputs.kinds import InputKind
from pigeonhole.bulk.manifest import SpanLimits, UnreadableManifest
from pigeonhole.bulk.planning.staging import Staging
from pigeonhole.bulk.ports import ManifestLocation
from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.messages import PlanMessage
from pigeonhole.errors import TooLarge
from pigeonhole.jobs.job import Job
from support.bulk_fixtures import BUCKET, Bulk, to_line
from support.fakes import FakeObjectStore

LINES = [*map(str, range(10)), "nonsense"]


def manifest() -> bytes:
    return b"".join(b"nonsense\n" if value == "nonsense" else to_line(value) for value in LINES)


def to_parquet() -> bytes:
    rows = [{"type": "text" if value != "nonsense" else "sound", "value": value, "custom_id": value} for value in LINES]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=3)
    return buffer.getvalue()


def submit(bulk: Bulk, kind: InputKind) -> Job:
    match kind:
        case InputKind.GZIP:
            return bulk.submit(gzip.compress(manifest()), name="in.jsonl.gz")
        case InputKind.PARQUET:
            return bulk.submit(to_parquet(), name="in.parquet")
        case InputKind.PREFIX:
            for value in LINES:
                key = f"acme/texts/{value}.txt" if value != "nonsense" else "acme/texts/zz.txt"
                content = b"\xff" if value == "nonsense" else value.encode()
                bulk.manifests.objects[BUCKET, key] = (content, key)
                bulk.blobs.objects[BUCKET, key] = content
            return bulk.submit_input(ManifestLocation(BUCKET, "acme/texts/"), kind)
        case InputKind.LINES:
            return bulk.submit(manifest())


def run(bulk: Bulk, job: Job, time_left_s: float = 100) -> Any:
    """Run planners and workers until nothing is left to do."""
    message, latest = PlanMessage(tenant_id="acme", job_id=job.id), None
    for _ in range(30):
        latest = bulk.planner.advance(message, lambda: time_left_s)
        while bulk.span_queue.sent:
            bulk.worker.process(bulk.span_queue.sent.pop(0), lambda: 100)
        if latest and latest.has_ended:
            break
    return latest


@pytest.mark.parametrize("time_left_s", [10, 100], ids=["planners short of time", "one planner"])
@pytest.mark.parametrize("kind", InputKind)
def test_every_line_of_each_kind_of_input_has_a_result_or_an_error(kind: InputKind, time_left_s: float) -> None:
    bulk = Bulk()
    job = submit(bulk, kind)

    ended = run(bulk, job, time_left_s)

    assert (ended.status, ended.total, ended.succeeded, ended.failed) == (JobStatus.SUCCEEDED, 11, 10, 1)
    files = bulk.results(job)
    rows = [row for part in files["_manifest.json"]["results"] for row in files[part["name"]]]
    ending = ".txt" if kind is InputKind.PREFIX else ""
    assert [(row["line"], row["custom_id"]) for row in rows] == [(k + 1, f"{k}{ending}") for k in range(10)]
    assert [row["prediction"] for row in rows] == ["even", "odd"] * 5
    (part,) = files["_manifest.json"]["errors"]
    assert [row["line"] for row in files[part["name"]]] == [11]


@pytest.mark.parametrize("kind", [InputKind.GZIP, InputKind.PARQUET])
def test_a_file_that_is_replaced_between_two_planners_fails_its_job(kind: InputKind) -> None:
    bulk = Bulk()
    job = submit(bulk, kind)
    message = PlanMessage(tenant_id="acme", job_id=job.id)
    bulk.planner.advance(message, lambda: 10)
    (location,) = bulk.manifests.objects
    bulk.manifests.objects[location] = (bulk.manifests.objects[location][0], "another")

    ended = bulk.planner.advance(message, lambda: 100)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "unfetchable_url")


@pytest.mark.parametrize("kind", [InputKind.GZIP, InputKind.PARQUET])
def test_a_file_that_is_not_what_its_name_says_fails_its_job(kind: InputKind) -> None:
    bulk = Bulk()
    job = bulk.submit(b"neither", name=f"in.{kind.value}" if kind is InputKind.PARQUET else "in.gz")

    ended = bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 100)

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "invalid_request")


def test_a_prefix_without_objects_fails_its_job() -> None:
    bulk = Bulk()
    job = bulk.submit_input(ManifestLocation(BUCKET, "acme/nothing/"), InputKind.PREFIX)

    ended = bulk.planner.advance(PlanMessage(tenant_id="acme", job_id=job.id), lambda: 100)

    assert ended.error.message == "The manifest has no samples."


def test_an_object_that_comes_below_a_prefix_behind_the_last_one_is_planned() -> None:
    bulk = Bulk()
    job = submit(bulk, InputKind.PREFIX)
    message = PlanMessage(tenant_id="acme", job_id=job.id)
    bulk.planner.advance(message, lambda: 10)  # the first span only

    for key in ("acme/texts/0a.txt", "acme/texts/zzz.txt"):
        bulk.manifests.objects[BUCKET, key] = (b"12", key)
        bulk.blobs.objects[BUCKET, key] = b"12"
    ended = run(bulk, job)

    assert ended.total == 12, "an object before the last planned one is left out"


def test_a_planner_whose_every_attempt_dies_ends_the_job() -> None:
    """A hostile Parquet file may take all memory."""
    bulk = Bulk()
    job = submit(bulk, InputKind.PARQUET)
    message = PlanMessage(tenant_id="acme", job_id=job.id)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    bulk.manifests.before = die
    for delivery in range(1, 30):
        try:
            ended = bulk.planner.advance(message, lambda: 100, deliveries=delivery)
            break
        except Killed:
            continue

    assert (ended.status, ended.error.code) == (JobStatus.FAILED, "internal_error")
    assert delivery > 10, "an outage of some minutes ends no job"


def staging(**limits: int) -> Staging:
    bulk = Bulk()
    span_limits = SpanLimits(samples=5, span_bytes=100, line_bytes=50, max_line_bytes=100)
    return Staging(FakeObjectStore(), bulk.submit(manifest()), span_limits, 0, **limits)


def test_an_input_that_is_too_large_to_be_copied_is_refused() -> None:
    with pytest.raises(TooLarge, match=r"more than 1e-06 GB as JSONL; send a plain \.jsonl file"):
        list(staging(max_bytes=1_000).watch([b"x" * 60 + b"\n"] * 17))


def test_blank_lines_without_end_are_refused() -> None:
    """They belong to no span, so no part would ever be stored."""
    watched = staging(part_bytes=100).watch([b"\n" * 50] * 1_000)

    with pytest.raises(UnreadableManifest, match="blank lines"):
        deque(watched, maxlen=0)


def test_the_staged_parts_hold_the_input_and_their_names_its_hash() -> None:
    bulk = Bulk()
    job = submit(bulk, InputKind.GZIP)
    run(bulk, job)

    prefix = f"bulk/acme/{job.id}/manifest/"
    parts = sorted((key.removeprefix(prefix), data) for key, data in bulk.objects.objects.items() if key.startswith(prefix))

    assert b"".join(data for _, data in parts) == manifest()
    offsets = [int(name.partition("-")[0]) for name, _ in parts]
    assert offsets == [sum(len(data) for _, data in parts[:k]) for k in range(len(parts))]
    assert json.loads(bulk.objects.objects[f"bulk/acme/{job.id}/plan/00000.json"])["staged"]["start_byte"] == 0
