"""Count what uploads use of AWS, from the upload to the last event, on a local stack, at list prices.

    python benchmarks/uploads.py --photos 1000

The script puts photos of 640 x 480 pixels under incoming/, and S3 sends a notification of each to IngestQueue. ministack would
pass these messages to functions/ingest ten at a time. Lambda collects up to 500 within IngestWindow. So lambda_batching.py
replaces Lambda's part and passes full batches. The stack does the rest: jobs, workers, and functions/notify, which writes a
results object per job and a result per photo, and publishes events. The script counts until the stack is idle. It does so once
as a stack is by default, and once with TagUploads=true, each time on a new stack whose functions have run before.

S3 and Lambda make calls to SQS that no recording can see, so the script computes them. S3's notifications are free, but SQS
bills one request for each. Lambda receives and deletes notifications ten at a time at best, and each chunk separately. The
polls of an idle queue come on top. Storage, logs and metrics are not counted.

The model has the shape of ViT-B/32 and random weights, as in jobs.py, on workers with one thread each. Calls and units don't
depend on the model. Time does, and it is this machine's. For functions/notify most of it is the time of the emulated AWS.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import aws_costs
from aws_costs import Cost
from benchmark_stack import PATIENCE_S, TENANT, BenchmarkStack, Usage, deployed_stack
from jobs import CHUNK, ONE_THREAD, prepare_clip_shape
from lambda_batching import IngestBatcher, count_sqs_calls, max_batch_size
from packaged_photos import create_varied
from pigeonhole.contract.label_sets import LABEL_SETS
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import BUNDLED
from pigeonhole_cli.local.command import local_settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from plain_processes import LABELS

UPLOAD_THREADS = 8
POLL_S = 1.0
LABEL_SET = "things"
CLIP_SHAPE = "clip-shape"


@dataclass(frozen=True)
class UploadsUsage:
    """What the stack used for uploads.

    Attributes:
        photos: How many photos were uploaded.
        batches: How many of them each run of functions/ingest received.
        usage: What was counted.
    """

    photos: int
    batches: list[int]
    usage: Usage

    @property
    def costs(self) -> list[Cost]:
        """The costs of 1,000 uploads, with the calls that S3 and Lambda make by themselves."""
        sqs_calls_of_lambda = count_sqs_calls(self.batches) * 1000 / self.photos
        return [
            Cost("S3: uploads", {"the caller": 1000}, 1000, "PUT requests"),
            Cost("SQS: notifications", {"S3": 1000}, 1000, "SQS requests"),
            Cost(
                "SQS: notifications received and deleted",
                {"Lambda": sqs_calls_of_lambda},
                sqs_calls_of_lambda,
                "SQS requests",
            ),
            *aws_costs.costs([self.usage], self.photos),
        ]

    def __str__(self) -> str:
        """Say how many runs the uploads took."""
        ingest, worker, notify = (len(self.usage.runs_of(f"{name}Function")) for name in ("Ingest", "Worker", "Notify"))
        return (
            f"{self.photos:,} uploads came to functions/ingest in {_runs(ingest)}. Their jobs took {_runs(worker)} "
            f"of functions/worker, a chunk each, and {_runs(notify)} of functions/notify, a job each."
        )


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def measure(model: Path, *, photos: int, workers: int, batch: int, tags: bool, chunk: int = CHUNK) -> UploadsUsage:
    """Upload photos to a new stack, and count what the stack uses until it is idle.

    Args:
        model: The artifact folder of the model.
        photos: How many photos are uploaded.
        workers: How many workers run at once.
        batch: Notifications per run of functions/ingest.
        tags: Whether the stack tags the uploads.
        chunk: Photos per chunk.

    Raises:
        SystemExit: An upload failed, or was not classified in time.
    """
    settings = local_settings(model)["WorkerFunction"] | ONE_THREAD
    files = create_varied(photos)
    with deployed_stack(settings, workers, chunk, {"TagUploads": str(tags).lower()}) as stack:
        batcher = IngestBatcher(stack=stack.stack, batch_size=batch)
        labels = [{"type": "text", "value": label} for label in LABELS]
        stack.http.put(f"{LABEL_SETS}/{LABEL_SET}", json={"labels": labels}).raise_for_status()
        # A warm-up, in which each worker loads the model.
        _classify(stack, batcher, "before", (files * workers)[: chunk * workers])
        stack.usage_since(stack.mark())
        mark = stack.mark()
        batches = _classify(stack, batcher, "counted", files)
        return UploadsUsage(photos, batches, stack.usage_since(mark))


def _classify(stack: BenchmarkStack, batcher: IngestBatcher, folder: str, files: Sequence[bytes]) -> list[int]:
    """Upload files, have functions/ingest process them, wait for all results, and return the size of each batch."""
    prefix = f"incoming/{TENANT}/{LABEL_SET}/{folder}/"
    s3, bucket = stack.stack.client("s3"), stack.resources["UploadBucket"]

    def put(number: int) -> None:
        s3.put_object(Bucket=bucket, Key=f"{prefix}{number:05}.jpg", Body=files[number], ContentType="image/jpeg")

    with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
        list(pool.map(put, range(len(files))))
    batches = batcher.ingest(len(files))
    _wait(stack, prefix, len(files))
    return batches


def _wait(stack: BenchmarkStack, prefix: str, count: int) -> None:
    # Read from the table and not by GET /v1/results: callers don't have to poll, and the requests would be counted.
    query = {
        "TableName": stack.resources["Table"],
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": f"OBJECTS#{TENANT}"}, ":prefix": {"S": prefix}},
        "ProjectionExpression": "#status",
        "ExpressionAttributeNames": {"#status": "status"},
    }
    pages = stack.stack.client("dynamodb").get_paginator("query")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        statuses = Counter(item["status"]["S"] for page in pages.paginate(**query) for item in page["Items"])
        if failed := statuses["failed"]:
            raise SystemExit(f"{failed} uploads could not be classified")
        if statuses.total() == count:
            return
        time.sleep(POLL_S)
    raise SystemExit(f"{count} uploads were not classified within {PATIENCE_S:.0f} s")


def report(untagged: UploadsUsage, tagged: UploadsUsage) -> str:
    """Format the costs without tags, and the price of a million uploads without and with tags, as Markdown."""
    million = f"A million uploads: {_price_of_million(untagged)}. With TagUploads=true: {_price_of_million(tagged)}."
    return "\n\n".join((aws_costs.table(untagged.costs, of="uploads"), million, str(untagged)))


def _price_of_million(uploads: UploadsUsage) -> str:
    total = aws_costs.total(uploads.costs) * 1000
    lambda_time = aws_costs.total([cost for cost in uploads.costs if cost.unit == "GB-s"]) * 1000
    return f"{total:,.2f} USD, {total - lambda_time:,.2f} for calls and {lambda_time:,.2f} for Lambda's time"


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000, help="photos to upload (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="workers; at least 2 (default: %(default)s)")
    parser.add_argument(
        "--batch", type=int, default=max_batch_size(), help="uploads per run of functions/ingest (default: %(default)s)"
    )
    parser.add_argument(
        "--model", choices=(CLIP_SHAPE, BUNDLED), default=CLIP_SHAPE, help="model to run (default: %(default)s)"
    )
    args = parser.parse_args()
    if args.model == CLIP_SHAPE:
        model = prepare_clip_shape()
    else:
        model = cached_folder(args.model, DEFAULT_CACHE)
        prepare(args.model, model)
    untagged, tagged = (
        measure(model, photos=args.photos, workers=args.workers, batch=args.batch, tags=tags) for tags in (False, True)
    )
    print(report(untagged, tagged))


if __name__ == "__main__":
    main()
