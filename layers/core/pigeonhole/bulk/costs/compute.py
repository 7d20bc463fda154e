"""What a bulk job costs and how long it takes, on Lambda workers and on GPU workers.

    work   = spans * SPAN_CALLS_S + CPU time of all samples / cores of a worker         seconds of one worker
    Lambda = work at list prices; work / workers, which Lambda adds one by one           dollars; seconds
    GPU    = the CPU time that the encoder leaves / 4 vCPUs, on machines that start slowly

The CPU times are those of bulk jobs in docs/costs.md without VNNI (`benchmarks/costs.py`), the slower ones: Lambda on x86_64
promises AVX2 only. What remains of them without the encoder follows from the rates in docs/bulk.md (`benchmarks/bulk.py photos`
and `bundled`). Calls were counted (`benchmarks/bulk_scale.py`). What is an assumption says so. No GPU worker was
measured: a GPU is assumed to encode faster than four vCPUs decode.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pigeonhole.bulk.costs import prices
from pigeonhole.bulk.gpu_tasks import MAX_TASKS, TASK_SPANS
from pigeonhole.contract.bulk import Compute
from pigeonhole.settings import LAMBDA_MB_PER_CORE

# Lambda adds workers to a standard queue so fast: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
FIRST_WORKERS, WORKERS_PER_S = 5, 300 / 60
LAMBDA_START_S = 10.0  # an assumption: a container starts and loads the model
SPAN_CALLS_S = 0.5  # an assumption: the calls of a span that nothing else runs beside
GPU_START_S = 300.0  # an assumption: an instance starts, pulls the image and loads the model

# `auto` chooses GPU workers only for jobs that take longer than this on Lambda, because they start slowly.
MIN_LAMBDA_S = 2 * GPU_START_S
MAX_SLOWDOWN = 10.0  # `auto` waits at most so many times as long to save money


@dataclass(frozen=True, kw_only=True)
class BulkSize:
    """How much a bulk job has to classify.

    Attributes:
        texts: The number of texts.
        images: The number of images. Each is taken to be fetched from S3.
        spans: The number of spans.
    """

    texts: int
    images: int
    spans: int


@dataclass(frozen=True, kw_only=True)
class SampleRates:
    """CPU time of one core for a sample. The defaults are those of a CLIP of ViT-B/32's shape in int8, and of short texts.

    Attributes:
        text_ms: For a text, all in all.
        image_ms: For an image, all in all.
        text_rest_ms: For a text, without the encoder.
        image_rest_ms: For an image, without the encoder: most of it is decoding.
    """

    text_ms: float = 5.5
    image_ms: float = 66.0
    text_rest_ms: float = 2.8  # 329 texts/s on two cores, and 602 of the bare encoder
    image_rest_ms: float = 6.3  # 21.0 photos/s on two cores, and 22.5 of the bare encoder


@dataclass(frozen=True, kw_only=True)
class LambdaWorkers:
    """The Lambda workers of a deployment.

    Attributes:
        workers: How many run at the same time, at most: `WorkerConcurrency`.
        memory_mb: The memory of each: `WorkerMemory`.
        threads: How many batches each encodes at the same time, each on a core or on a part of one.
        is_arm64: Whether they run on arm64, which costs less than x86.
    """

    workers: int
    memory_mb: int
    threads: int
    is_arm64: bool = True

    @property
    def cores(self) -> float:
        """The cores that a worker uses, of those that its memory has."""
        return min(self.threads, self.memory_mb / LAMBDA_MB_PER_CORE)


@dataclass(frozen=True, kw_only=True)
class GpuWorkers:
    """The GPU workers of a deployment.

    Attributes:
        workers: How many run at the same time, at most.
        vcpus: The vCPUs of each.
        usd_per_h: The price of each.
    """

    workers: int
    vcpus: int = 4
    usd_per_h: float = prices.G6_XLARGE_USD_PER_H


@dataclass(frozen=True)
class Estimate:
    """What a bulk job takes.

    Attributes:
        usd: US dollars at list prices.
        seconds: From its submission to its end, if no other job has the workers.
    """

    usd: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Calls:
    """Calls that AWS bills one by one."""

    s3_puts: float = 0
    s3_gets: float = 0
    sqs_requests: float = 0
    write_units: float = 0
    read_units: float = 0
    runs: float = 0

    @property
    def usd(self) -> float:
        """Their price in US dollars."""
        return (
            self.s3_puts * prices.S3_USD_PER_PUT
            + self.s3_gets * prices.S3_USD_PER_GET
            + self.sqs_requests * prices.SQS_USD_PER_REQUEST
            + self.write_units * prices.DYNAMODB_USD_PER_WRITE_UNIT
            + self.read_units * prices.DYNAMODB_USD_PER_READ_UNIT
            + self.runs * prices.LAMBDA_USD_PER_RUN
        )


def count_calls(size: BulkSize, *, on_lambda: bool) -> Calls:
    """Count the calls of a job's spans, without an errors part. The few calls of the planner are left out.

    A span is a piece and a part. Its worker reads the spec, the manifest and twice the piece, then the items of the job, the
    tenant, the span and a count, and writes two items in a transaction. On Lambda, its message is sent with nine others,
    received, and deleted.
    """
    return Calls(
        s3_puts=2 * size.spans,
        s3_gets=4 * size.spans + size.images,
        sqs_requests=2.1 * size.spans if on_lambda else 0,
        write_units=4 * size.spans,
        read_units=4 * size.spans,
        runs=size.spans if on_lambda else 0,
    )


def estimate_on_lambda(size: BulkSize, workers: LambdaWorkers, rates: SampleRates) -> Estimate:
    """Estimate a job on Lambda workers."""
    if not size.spans:
        return Estimate(0.0, 0.0)
    cpu_s = (size.texts * rates.text_ms + size.images * rates.image_ms) / 1e3
    work_s = size.spans * SPAN_CALLS_S + cpu_s / workers.cores
    used = min(workers.workers, size.spans)
    waves_s = math.ceil(size.spans / used) * work_s / size.spans
    usd_per_gb_s = prices.LAMBDA_ARM64_USD_PER_GB_S if workers.is_arm64 else prices.LAMBDA_X86_USD_PER_GB_S
    usd = (work_s + used * LAMBDA_START_S) * workers.memory_mb / 1024 * usd_per_gb_s
    return Estimate(
        usd=usd + count_calls(size, on_lambda=True).usd,
        seconds=LAMBDA_START_S + max(waves_s, ramp_s(work_s, used)),
    )


def ramp_s(work_s: float, workers: int) -> float:
    """Return how long workers take for work in seconds of one worker, if they are added one after the other.

    `FIRST_WORKERS` begin, and `WORKERS_PER_S` are added until there are `workers`. With n = a + b t workers at the time t, the
    work done is a t + b t^2 / 2.
    """
    first = min(FIRST_WORKERS, workers)
    full_at_s = (workers - first) / WORKERS_PER_S
    done_then = first * full_at_s + WORKERS_PER_S * full_at_s**2 / 2
    if work_s >= done_then:
        return full_at_s + (work_s - done_then) / workers
    return (math.sqrt(first**2 + 2 * WORKERS_PER_S * work_s) - first) / WORKERS_PER_S


def estimate_on_gpus(size: BulkSize, workers: GpuWorkers, rates: SampleRates) -> Estimate:
    """Estimate a job on GPU workers, at the rate at which their vCPUs decode."""
    if not size.spans:
        return Estimate(0.0, 0.0)
    rest_s = (size.texts * rates.text_rest_ms + size.images * rates.image_rest_ms) / 1e3 / workers.vcpus
    tasks = math.ceil(size.spans / max(TASK_SPANS, math.ceil(size.spans / MAX_TASKS)))
    used = min(workers.workers, tasks)
    seconds = GPU_START_S + math.ceil(tasks / used) * rest_s / tasks
    usd = (used * GPU_START_S + rest_s) * workers.usd_per_h / 3_600
    return Estimate(usd=usd + count_calls(size, on_lambda=False).usd, seconds=seconds)


def choose(on_lambda: Estimate, on_gpus: Estimate | None) -> Compute:
    """Return what `auto` chooses.

    GPU workers are chosen if they are deployed, if the job takes longer than `MIN_LAMBDA_S` on Lambda, if they cost less
    and take at most `MAX_SLOWDOWN` times as long.
    """
    if on_gpus is None or on_lambda.seconds <= MIN_LAMBDA_S or on_gpus.usd >= on_lambda.usd:
        return Compute.LAMBDA
    return Compute.GPU if on_gpus.seconds <= MAX_SLOWDOWN * on_lambda.seconds else Compute.LAMBDA
