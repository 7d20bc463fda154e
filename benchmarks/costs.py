"""Measure what a million photos or texts cost on AWS by each way into the service, and write docs/costs.md.

    python benchmarks/costs.py                   # measure both models, store the figures in costs.json, write the page
    python benchmarks/costs.py --page            # only write the page, from the stored figures

The samples go through a local stack with the template's functions: direct requests, jobs and bulk jobs. The script counts
calls to AWS, runs, log lines, and the CPU time of each function with its decode processes. Everything has run before, so no
start counts, and the cache has the labels. Photos have 640 x 480 pixels, and there are 24 labels. Requests have the photos
inline, jobs read them from the bucket of uploads.

cost_model.py has the arithmetic, and cost_page.py the tables. functions/authorize doesn't run locally: its runs and log lines
are added. Left out are starts, storage, metrics, provisioned concurrency, idle queues, and traffic to the internet.
"""

from __future__ import annotations

import argparse
import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import aws_costs
import cost_page
from benchmark_stack import LOG_EVENT_BYTES, PATIENCE_S, TENANT, BenchmarkStack, Usage, deployed_stack
from bulk import WORDS
from cost_model import FunctionUse, Measured
from function_cpu import ProcessTime, cpu_between, read_processes
from jobs import prepare_clip_shape
from packaged_photos import LABELS, create_varied
from pigeonhole.contract.jobs import JOBS
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import BUNDLED
from pigeonhole.settings import Settings
from pigeonhole_cli.local.command import local_settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

WORKERS = 2  # the template's smallest value
POLL_S = 1.0
TRACED_SHARE = 0.05  # X-Ray's default sampling rule: one request a second, which many requests hide, and 5 % of the others
IMAGES_AT_ONCE = 32
# START, END and REPORT of a run, as functions/api logs them: the log of functions/authorize has no other lines.
AUTHORIZE_LOG_BYTES = 70 + 51 + 136 + 3 * LOG_EVENT_BYTES
HAS_ENDED = ("succeeded", "failed", "canceled")
CLIP_SHAPE = "ViT-B/32's shape, int8"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        single: Requests with one sample.
        full: Requests with `full_samples` samples.
        full_samples: Samples of these requests.
        job: Samples of a job, and of a bulk job.
    """

    single: int = 64
    full: int = 8
    full_samples: int = Settings().max_samples
    job: int = 1_000


@dataclass(frozen=True)
class CostStack:
    """A deployed stack whose functions are measured.

    Attributes:
        deployed: The stack.
        photos: JPEG files.
    """

    deployed: BenchmarkStack
    photos: Sequence[bytes]

    def measure(self, model: str, noun: str, way: str, samples: int, run: Callable[[], None]) -> Measured:
        """Run a way into the service twice, and measure the second time."""
        run()
        mark = self.deployed.mark()
        self.deployed.usage_since(mark)
        mark, before = self.deployed.mark(), self._processes()
        run()
        usage = self.deployed.usage_since(mark)
        cpu_s = cpu_between(before, self._processes())
        return Measured(
            model=model,
            noun=noun,
            way=way,
            billed=count_billed(usage, self.deployed.log_bytes_since(mark), samples),
            functions=count_functions(usage, cpu_s, samples),
        )

    def _processes(self) -> dict[int, ProcessTime]:
        processes = read_processes(self.deployed.stack.aws_url)
        named = {pid: replace(each, function=self.deployed.name_of(each.function)) for pid, each in processes.items()}
        return {pid: each for pid, each in named.items() if each.function not in aws_costs.FUNCTIONS_WITHOUT_JOBS}

    def request(self, samples: Sequence[dict[str, str]], size: int) -> None:
        """Classify samples by direct requests of `size` samples."""
        for first in range(0, len(samples), size):
            body = {"dataset": samples[first : first + size], "labels": to_labels()}
            self.deployed.http.post("/v1/classification", json=body).raise_for_status()

    def run_job(self, samples: Sequence[dict[str, str]]) -> None:
        """Classify samples by a job."""
        self._run({"dataset": samples, "labels": to_labels()})

    def run_bulk_job(self, samples: Sequence[dict[str, str]]) -> None:
        """Classify samples by a bulk job over a manifest."""
        lines = "".join(json.dumps(sample) + "\n" for sample in samples)
        self._run({"input": {"s3_uri": self._put("manifest.jsonl", lines.encode())}, "labels": to_labels()})

    def _run(self, body: dict[str, Any]) -> None:
        job_id = self.deployed.http.post(JOBS, json=body).raise_for_status().json()["job"]["id"]
        self._wait(job_id)
        answer = self.deployed.http.get(f"{JOBS}/{job_id}").raise_for_status().json()
        if answer["job"]["progress"]["failed"]:
            raise SystemExit(f"the job can't read some samples: {answer.get('errors', [])[:3]}")

    def _wait(self, job_id: str) -> None:
        # Read from the table, because a caller needs no other request than the two that are counted.
        key = {"pk": {"S": f"JOBS#{TENANT}"}, "sk": {"S": job_id}}
        table, deadline = self.deployed.resources["Table"], time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            item = self.deployed.stack.client("dynamodb").get_item(TableName=table, Key=key)["Item"]
            if item["status"]["S"] in HAS_ENDED:
                return
            time.sleep(POLL_S)
        raise SystemExit(f"the job did not end within {PATIENCE_S:.0f} s")

    def _put(self, name: str, content: bytes) -> str:
        bucket, object_key = self.deployed.resources["UploadBucket"], f"uploads/{TENANT}/{name}"
        self.deployed.stack.client("s3").put_object(Bucket=bucket, Key=object_key, Body=content)
        return f"s3://{bucket}/{object_key}"

    @cached_property
    def inline_photos(self) -> list[dict[str, str]]:
        """The photos as samples of a request."""
        return [to_sample("image", "data:image/jpeg;base64," + base64.b64encode(photo).decode()) for photo in self.photos]

    @cached_property
    def stored_photos(self) -> list[dict[str, str]]:
        """The photos as samples of a job, in the bucket of uploads."""
        return [to_sample("image", self._put(f"{k:05}.jpg", photo)) for k, photo in enumerate(self.photos)]


def to_sample(kind: str, value: str) -> dict[str, str]:
    """Build a sample of a request."""
    return {"type": kind, "value": value}


def to_labels() -> list[dict[str, str]]:
    """Build the labels of a request."""
    return [to_sample("text", label) for label in LABELS]


def create_texts(count: int) -> list[dict[str, str]]:
    """Create short texts, all of them distinct."""
    return [to_sample("text", f"{WORDS[k % len(WORDS)]} {k}") for k in range(count)]


def count_billed(usage: Usage, log_bytes: int, samples: int) -> dict[str, float]:
    """Count what AWS bills by the call, for 1,000 samples, by its unit."""
    scale = 1_000 / samples
    billed: dict[str, float] = {}
    for cost in aws_costs.costs([usage], samples):
        if cost.unit != "GB-s":
            billed[cost.unit] = billed.get(cost.unit, 0.0) + cost.billed
    requests = len(usage.runs_of("ApiFunction")) * scale
    begun = billed["runs"] - len(usage.runs_of("ClassifyFunction")) * scale  # runs that continue no trace of another function
    return billed | {
        "API requests": requests,
        "runs": billed["runs"] + requests,  # functions/authorize
        "traces": begun * TRACED_SHARE,
        "GB of logs": (log_bytes * scale + requests * AUTHORIZE_LOG_BYTES) / 1e9,
    }


def count_functions(usage: Usage, cpu_s: dict[str, float], samples: int) -> dict[str, FunctionUse]:
    """Count what each function took, for 1,000 samples, by its name in the template without "Function"."""
    scale = 1_000 / samples
    uses = {}
    for function in sorted({run.function for run in usage.invocations} - set(aws_costs.FUNCTIONS_WITHOUT_JOBS)):
        runs = usage.runs_of(function)
        actions = [call["action"] for call in usage.calls if call["function"] == function]
        reads = sum(action.startswith("s3:GetObject") for action in actions)
        uses[function.removesuffix("Function")] = FunctionUse(
            runs=len(runs) * scale,
            cpu_s=cpu_s[function] * scale,
            wall_s=sum(run.seconds for run in runs) * scale,
            calls=(len(actions) - reads + reads / IMAGES_AT_ONCE) * scale,
        )
    return uses


def measure(folder: Path, model: str, sizes: Sizes) -> Iterator[Measured]:
    """Measure a model by each way into the service.

    Args:
        folder: The artifact folder of the model.
        model: Its name in the page.
        sizes: How much is measured.
    """
    with deployed_stack(local_settings(folder)["WorkerFunction"], WORKERS, Settings().image_chunk) as deployed:
        stack = CostStack(deployed, create_varied(max(sizes.job, sizes.single, sizes.full * sizes.full_samples)))
        texts = create_texts(len(stack.photos))
        for noun, direct, stored in (("photos", stack.inline_photos, stack.stored_photos), ("texts", texts, texts)):
            full, single = direct[: sizes.full * sizes.full_samples], direct[: sizes.single]
            measure_way = partial(stack.measure, model, noun)
            yield measure_way("request of 1", len(single), partial(stack.request, single, 1))
            way = f"request of {sizes.full_samples}"
            yield (requests := measure_way(way, len(full), partial(stack.request, full, sizes.full_samples)))
            job = measure_way(f"job of {sizes.job:,}", sizes.job, partial(stack.run_job, stored[: sizes.job]))
            yield with_whole_machine(job, requests.functions["Classify"])
            yield measure_way(f"bulk job of {sizes.job:,}", sizes.job, partial(stack.run_bulk_job, stored[: sizes.job]))


def with_whole_machine(job: Measured, classify: FunctionUse) -> Measured:
    """Return a job as if each worker had had this machine for itself.

    The workers of a job share the machine, so their duration doesn't say how many cores one of them keeps busy. A worker
    processes the samples of a chunk as functions/classify does those of a full request.
    """
    worker = job.functions["Worker"]
    wall_s = worker.cpu_s * classify.wall_s / classify.cpu_s
    return replace(job, functions={**job.functions, "Worker": replace(worker, wall_s=wall_s)})


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="only write the page, from the stored figures")
    if not parser.parse_args().page:
        tiny = cached_folder(BUNDLED, DEFAULT_CACHE)
        prepare(BUNDLED, tiny)
        rows = [*measure(tiny, BUNDLED, Sizes()), *measure(prepare_clip_shape(), CLIP_SHAPE, Sizes())]
        cost_page.STORED.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    print(cost_page.write())


if __name__ == "__main__":
    main()
