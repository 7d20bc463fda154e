"""What dropped files take of AWS, from the upload to the last event: counted on a local stack of its own, at list prices.

    python benchmarks/uploads.py --photos 1000

Photos of 640 x 480 are put under incoming/, and S3 tells IngestQueue of each. ministack would hand these messages to
functions/ingest ten at a time, where Lambda gathers up to 500 within IngestWindow; so gathering.py plays Lambda's part and
hands over full batches. All that follows is the stack's own: jobs, workers, and functions/notify, which writes each photo's
result, its JSON and its tags, and tells an event. It is counted until nothing follows any more; once with tags and once with
TagUploads=false, each on a new stack whose functions have run before.

Nobody sees what S3 and Lambda ask of SQS by themselves, so that is worked out: S3's notifications are free but for SQS, which
bills a request for each; Lambda receives and deletes them ten at a time at best (an idle queue's polls come on top), and each
chunk by itself. Not counted: what is stored, logs, metrics.

The model is a CLIP of ViT-B/32's shape with random weights, as in jobs.py, on workers with a thread each. Calls and units don't
depend on it; time does, and it is this machine's: of functions/notify mostly that of the emulated AWS.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import job_costs
from gathering import Gathering, lambdas_own, most_in_batch
from job_costs import Cost
from job_stack import PATIENCE_S, TENANT, Counts, Queue, deployed_queue
from jobs import CHUNK, ONE_THREAD, shape_of_clip
from packaged_photos import varied
from pigeonhole.contract.label_sets import LABEL_SETS
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import BUNDLED
from pigeonhole_cli.local.command import local_settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from plain_processes import THINGS

PUT_AT_ONCE = 8
LOOK_S = 1.0
LABEL_SET = "things"
CLIP_SHAPE = "clip-shape"


@dataclass(frozen=True)
class Result:
    """What `photos` uploads took. `batches`: how many of them each run of functions/ingest was handed."""

    photos: int
    batches: list[int]
    counts: Counts

    @property
    def costs(self) -> list[Cost]:
        """What 1,000 uploads take, and what S3 and Lambda do for them unasked."""
        own = lambdas_own(self.batches) * 1000 / self.photos
        return [
            Cost("S3: uploads", {"the caller": 1000}, 1000, "PUT requests"),
            Cost("SQS: notifications", {"S3": 1000}, 1000, "SQS requests"),
            Cost("SQS: notifications received and deleted", {"Lambda": own}, own, "SQS requests"),
            *job_costs.costs([self.counts], self.photos),
        ]

    def __str__(self) -> str:
        ingest, worker, notify = (len(self.counts.runs_of(f"{name}Function")) for name in ("Ingest", "Worker", "Notify"))
        return (
            f"{self.photos:,} uploads came to functions/ingest in {_runs(ingest)}. What it made of them took {_runs(worker)} "
            f"of functions/worker, a chunk each, and {_runs(notify)} of functions/notify, a job each."
        )


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def measure(model: Path, *, photos: int, workers: int, batch: int, tags: bool, chunk: int = CHUNK) -> Result:
    """Upload `photos` photos to a new stack, and count until all that follows is done."""
    settings = local_settings(model)["WorkerFunction"] | ONE_THREAD
    files = varied(photos)
    with deployed_queue(settings, workers, chunk, {"TagUploads": str(tags).lower()}) as queue:
        gather = Gathering(queue.stack, batch)
        labels = [{"type": "text", "value": thing} for thing in THINGS]
        queue.http.put(f"{LABEL_SETS}/{LABEL_SET}", json={"labels": labels}).raise_for_status()
        _classify(queue, gather, "before", (files * workers)[: chunk * workers])  # each worker has loaded the model then
        queue.counts_since(queue.mark())
        mark = queue.mark()
        batches = _classify(queue, gather, "counted", files)
        return Result(photos, batches, queue.counts_since(mark))


def _classify(queue: Queue, gather: Gathering, folder: str, files: Sequence[bytes]) -> list[int]:
    """Upload files, let functions/ingest take them, and wait for a result of each. How many each of its runs was handed."""
    prefix = f"incoming/{TENANT}/{LABEL_SET}/{folder}/"
    store, bucket = queue.stack.client("s3"), queue.resources["UploadBucket"]

    def put(number: int) -> None:
        store.put_object(Bucket=bucket, Key=f"{prefix}{number:05}.jpg", Body=files[number], ContentType="image/jpeg")

    with ThreadPoolExecutor(PUT_AT_ONCE) as pool:
        list(pool.map(put, range(len(files))))
    batches = gather(len(files))
    _wait(queue, prefix, len(files))
    return batches


def _wait(queue: Queue, prefix: str, count: int) -> None:
    # In the table and not by GET /v1/results: a caller need not ask, and asking would be counted.
    asked = {
        "TableName": queue.resources["Table"],
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {":pk": {"S": f"OBJECTS#{TENANT}"}, ":prefix": {"S": prefix}},
        "ProjectionExpression": "#status",
        "ExpressionAttributeNames": {"#status": "status"},
    }
    pages = queue.stack.client("dynamodb").get_paginator("query")
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = Counter(item["status"]["S"] for page in pages.paginate(**asked) for item in page["Items"])
        if failed := found["failed"]:
            raise SystemExit(f"{failed} uploads could not be classified")
        if found.total() == count:
            return
        time.sleep(LOOK_S)
    raise SystemExit(f"{count} uploads have not been classified within {PATIENCE_S:.0f} s")


def report(tagged: Result, untagged: Result) -> str:
    """Format what was measured as Markdown."""
    million = f"A million uploads: {_million(tagged)}. With TagUploads=false: {_million(untagged)}."
    return "\n\n".join((job_costs.table(tagged.costs, of="uploads"), million, str(tagged)))


def _million(result: Result) -> str:
    whole = job_costs.total(result.costs) * 1000
    of_time = job_costs.total([cost for cost in result.costs if cost.unit == "GB-s"]) * 1000
    return f"{whole:,.2f} USD, {whole - of_time:,.2f} for calls and {of_time:,.2f} for Lambda's time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2, help="2 at least")
    parser.add_argument("--batch", type=int, default=most_in_batch(), help="uploads that come to functions/ingest at once")
    parser.add_argument("--model", choices=(CLIP_SHAPE, BUNDLED), default=CLIP_SHAPE)
    args = parser.parse_args()
    if args.model == CLIP_SHAPE:
        model = shape_of_clip()
    else:
        model = cached_folder(args.model, DEFAULT_CACHE)
        prepare(args.model, model)
    tagged, untagged = (
        measure(model, photos=args.photos, workers=args.workers, batch=args.batch, tags=tags) for tags in (True, False)
    )
    print(report(tagged, untagged))


if __name__ == "__main__":
    main()
