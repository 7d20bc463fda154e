"""Bulk jobs over every kind of input on the deployed stack, and their dry runs."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pigeonhole.contract.bulk import BulkEstimateResponse
from pigeonhole.contract.jobs import JOBS, JobResponse, JobStatus
from pigeonhole.contract.uploads import UPLOADS, UploadResponse
from support.stack.deployment import BUCKET, PREFIX, Deployment, request, text, verify_error
from support.stack.job_calls import submit, wait_until_ended

LABELS = [text("positive"), text("negative")]
THINGS = [text("cat"), text("rocket"), text("flower")]
WORDS = ("I love it, it is wonderful.", "The worst I ever had.")
# Without a line break: the policies of ministack match none (tests/unit/bulk/inputs/test_listing.py has it).
NASTY = (
    "a b.png",
    "ö🐦.png",
    '"quoted".png',
    "blank at the end .png ",
    "#?%2F+&.png",
    "sub//folder/../x.png",
    "no ending",
    "<tag>&amp;.png",
    "x" * 800 + ".png",
)


def rows_of(count: int) -> list[dict[str, str]]:
    return [{"custom_id": f"text {k}", "type": "text", "value": f"{WORDS[k % 2]} No. {k}"} for k in range(count)]


def to_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def to_parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer, row_group_size=100)
    return buffer.getvalue()


def put(deployed: Deployment, name: str, data: bytes) -> str:
    deployed.stack.client("s3").put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}", Body=data)
    return f"s3://{BUCKET}/{PREFIX}{name}"


def read_rows(ended: JobResponse, *, errors: bool = False) -> list[dict[str, Any]]:
    """Return the rows of all results parts, JSONL or Parquet, or those of the errors parts."""
    assert ended.results
    rows: list[dict[str, Any]] = []
    for file in ended.results.errors if errors else ended.results.parts:
        data = httpx.get(file.url).content
        if file.name.endswith(".parquet"):
            rows += pq.read_table(io.BytesIO(data)).to_pylist()
        else:
            rows += [json.loads(line) for line in data.splitlines()]
    return rows


@pytest.mark.parametrize(
    ("name", "encode"),
    [("in.jsonl.gz", lambda rows: gzip.compress(to_jsonl(rows))), ("in.parquet", to_parquet)],
)
def test_a_manifest_of_another_format_is_classified(
    deployed: Deployment, name: str, encode: Callable[[list[dict[str, str]]], bytes]
) -> None:
    rows = rows_of(1_200)
    body = {"input": {"s3_uri": put(deployed, name, encode(rows))}, "labels": LABELS, "output": {"format": "parquet"}}

    ended = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert ended.job.progress.model_dump() == {"total": 1_200, "succeeded": 1_200, "failed": 0}
    found = read_rows(ended)
    assert [(row["line"], row["custom_id"]) for row in found] == [(k + 1, f"text {k}") for k in range(1_200)]
    answer = deployed.classify(request([text(row["value"]) for row in rows[:30]], LABELS)).json()
    assert [row["prediction"] for row in found[:30]] == answer["predictions"]


def test_an_uploaded_manifest_is_classified(deployed: Deployment) -> None:
    asked = {"content_type": "application/vnd.apache.parquet", "filename": "reviews.parquet"}
    upload = UploadResponse.model_validate(deployed.call("POST", UPLOADS, asked).json()).upload
    form = httpx.post(upload.url, data=upload.fields, files={"file": ("reviews.parquet", to_parquet(rows_of(5)))})
    assert form.status_code in (200, 204), form.text

    ended = wait_until_ended(deployed, submit(deployed, {"input": {"upload_id": upload.id}, "labels": LABELS}).job.id)

    assert ended.job.progress.succeeded == 5


def test_the_objects_below_a_prefix_are_classified_whatever_their_names(deployed: Deployment, photos: dict[str, bytes]) -> None:
    """500 photos, nine of them with names that break URLs, XML, shells and lines; texts; and what is no sample."""
    kinds = [photos[name] for name in ("cat", "rocket", "flower")]
    names = [f"{k:03d}.png" for k in range(500 - len(NASTY))] + [*NASTY]
    for number, name in enumerate(names):
        put(deployed, f"many/{name}", kinds[number % 3])
    put(deployed, "many/good.txt", WORDS[0].encode())
    put(deployed, "many/broken.txt", b"\xff\xfe")
    put(deployed, "many/broken.jpg", b"no photo")
    put(deployed, "many/folder/", b"")
    put(deployed, "manyother.png", kinds[0])

    body = {"input": {"s3_prefix": f"s3://{BUCKET}/{PREFIX}many/"}, "labels": THINGS}
    ended = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert [(row["custom_id"], row["code"]) for row in read_rows(ended, errors=True)] == [
        ("broken.jpg", "unsupported_media"),
        ("broken.txt", "invalid_request"),
    ]
    assert ended.job.progress.model_dump() == {"total": 503, "succeeded": 501, "failed": 2}
    found = {row["custom_id"]: row["prediction"] for row in read_rows(ended)}
    assert set(found) == {*names, "good.txt"}
    expected = deployed.classify(
        request([{"type": "image", "value": f"s3://{BUCKET}/{PREFIX}many/00{k}.png"} for k in range(3)], THINGS)
    ).json()["predictions"]
    assert [found[name] for name in names] == [expected[number % 3] for number in range(len(names))]


@pytest.mark.parametrize(
    ("name", "encode"),
    [("dry.jsonl", to_jsonl), ("dry.jsonl.gz", lambda rows: gzip.compress(to_jsonl(rows))), ("dry.parquet", to_parquet)],
)
def test_a_dry_run_says_what_then_happens(
    deployed: Deployment, name: str, encode: Callable[[list[dict[str, str]]], bytes]
) -> None:
    body = {"input": {"s3_uri": put(deployed, name, encode(rows_of(1_500)))}, "labels": LABELS}
    before = deployed.call("GET", f"{JOBS}?limit=1").json()["jobs"]

    answer = deployed.call("POST", JOBS, body | {"dry_run": True})

    assert answer.status_code == 200, answer.text
    estimate = BulkEstimateResponse.model_validate(answer.json()).estimate
    assert deployed.call("GET", f"{JOBS}?limit=1").json()["jobs"] == before, "a dry run starts nothing"
    ended = wait_until_ended(deployed, submit(deployed, body).job.id)
    assert ended.results
    assert estimate.samples == pytest.approx(ended.job.progress.total, rel=0.2)
    assert estimate.spans == pytest.approx(len(ended.results.parts), rel=0.2)
    assert (estimate.texts, estimate.images) == (estimate.samples, 0)
    assert 0 < estimate.on_lambda.usd < 1


def test_a_dry_run_of_a_prefix_counts_its_objects(deployed: Deployment, photos: dict[str, bytes]) -> None:
    for k in range(7):
        put(deployed, f"few/{k}.{'txt' if k == 6 else 'png'}", photos["cat"])

    body = {"input": {"s3_prefix": f"s3://{BUCKET}/{PREFIX}few/"}, "labels": THINGS, "dry_run": True}
    estimate = BulkEstimateResponse.model_validate(deployed.call("POST", JOBS, body).json()).estimate

    assert (estimate.samples, estimate.images, estimate.texts, estimate.is_exact) == (7, 6, 1, True)


def test_a_dry_run_of_what_can_not_be_read_says_so(deployed: Deployment) -> None:
    absent = {"input": {"s3_uri": f"s3://{BUCKET}/{PREFIX}absent.jsonl"}, "labels": LABELS, "dry_run": True}
    broken = {"input": {"s3_uri": put(deployed, "broken.parquet", b"neither")}, "labels": LABELS, "dry_run": True}

    verify_error(deployed.call("POST", JOBS, absent), "unfetchable_url")
    verify_error(deployed.call("POST", JOBS, broken), "invalid_request")


@pytest.mark.parametrize("where", ["granted", "uploads"])
def test_a_prefix_without_objects_fails_its_job(deployed: Deployment, where: str) -> None:
    uploads = f"{deployed.outputs['UploadBucketName']}/uploads/tests/"
    folder = uploads if where == "uploads" else f"{BUCKET}/{PREFIX}"
    body = {"input": {"s3_prefix": f"s3://{folder}nothing/"}, "labels": THINGS}

    ended = wait_until_ended(deployed, submit(deployed, body).job.id)

    assert ended.job.status is JobStatus.FAILED
