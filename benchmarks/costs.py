"""Measure what a million photos or texts cost on AWS by each way into the service, and write docs/costs.md.

    python benchmarks/costs.py                   # measure both models, store the figures in costs.json, write the page
    python benchmarks/costs.py --models tiny     # measure one of them, and leave the others' figures
    python benchmarks/costs.py --models          # measure nothing, and write the page from the stored figures

The samples go through a local stack with the template's functions: direct requests, jobs and bulk jobs. The script counts
calls to AWS, runs, log lines, and the CPU time of each function with its decode processes. Everything has run before, so no
start counts, and the cache has the labels. Photos have 640 x 480 pixels, and there are 24 labels. Requests have the photos
inline, jobs read them from the bucket of uploads.

cost_model.py has the arithmetic, and cost_page.py the tables. functions/authorize doesn't run locally: its runs are added. Left
out are starts, storage, metrics, provisioned concurrency, idle queues, and traffic to the internet.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import aws_costs
import cost_page
from benchmark_stack import Usage, deployed_stack
from cost_model import FunctionUse, Measured
from cost_stack import CostStack, Samples, create_texts
from function_cpu import cpu_between
from jobs import prepare_clip_shape
from machine import WITHOUT_VNNI, describe_run, has_vnni
from packaged_photos import create_varied
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.inference.encoders.registry import BUNDLED
from pigeonhole.settings import Settings
from pigeonhole_cli.local.command import local_settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

WORKERS = 2  # the template's smallest value
TRACED_SHARE = 0.05  # X-Ray's default sampling rule: one request a second, which many requests hide, and 5 % of the others
IMAGES_AT_ONCE = 32
WARM_UP = {"photos": 4 * Settings().image_chunk, "texts": 4 * Settings().text_chunk}  # samples: more chunks than workers
CLIP_SHAPE = "clip-b32-shape"


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
        "GB of logs": log_bytes * scale / 1e9,
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


def measure_way(
    stack: CostStack, model: str, noun: str, way: str, samples: Samples, run: Callable[[Samples], None]
) -> Measured:
    """Measure a way into the service, after a warm-up that loads the model in each worker."""
    run(samples[: WARM_UP[noun]])
    stack.deployed.usage_since(stack.deployed.mark())
    mark, before = stack.deployed.mark(), stack.read_processes()
    run(samples)
    usage = stack.deployed.usage_since(mark)
    cpu_s = cpu_between(before, stack.read_processes())
    return Measured(
        model=model,
        noun=noun,
        way=way,
        billed=count_billed(usage, stack.deployed.log_bytes_since(mark), len(samples)),
        functions=count_functions(usage, cpu_s, len(samples)),
    )


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
            single, full = direct[: sizes.single], direct[: sizes.full * sizes.full_samples]
            in_job, size = stored[: sizes.job], sizes.full_samples
            measured = partial(measure_way, stack, model, noun)
            yield measured("request of 1", single, partial(stack.request, 1))
            yield (requests := measured(f"request of {size}", full, partial(stack.request, size)))
            job = measured(f"job of {sizes.job:,}", in_job, stack.run_job)
            yield with_whole_machine(job, requests.functions["Classify"])
            yield measured(f"bulk job of {sizes.job:,}", in_job, stack.run_bulk_job)


def with_whole_machine(job: Measured, classify: FunctionUse) -> Measured:
    """Return a job as if each worker had had this machine for itself.

    The workers of a job share the machine, so their duration doesn't say how many cores one of them keeps busy. A worker
    processes the samples of a chunk as functions/classify does those of a full request.
    """
    worker = job.functions["Worker"]
    wall_s = worker.cpu_s * classify.wall_s / classify.cpu_s
    return replace(job, functions={**job.functions, "Worker": replace(worker, wall_s=wall_s)})


def prepare_bundled() -> Path:
    """Prepare the bundled model, unless it is in the cache, and return its folder."""
    folder = cached_folder(BUNDLED, DEFAULT_CACHE)
    prepare(BUNDLED, folder)
    return folder


MODELS = {BUNDLED: prepare_bundled, CLIP_SHAPE: prepare_clip_shape}


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", choices=MODELS, default=[*MODELS], help="models to measure (default: both)")
    for model in parser.parse_args().models:
        folder = MODELS[model]()
        run, rows = describe_run(f"python benchmarks/costs.py --models {model}"), []
        name = model if has_vnni() else model + WITHOUT_VNNI
        for row in measure(folder, name, Sizes()):
            print(f"{row.noun}, {row.model}, {row.way}: {row.cpu_ms:.1f} ms of CPU time", flush=True)
            rows.append(row)
        cost_page.store(name, run, rows)
    print(cost_page.write())


if __name__ == "__main__":
    main()
