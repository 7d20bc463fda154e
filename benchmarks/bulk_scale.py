"""Simulate a bulk job of 100 million samples: what it asks of AWS, how long it takes, and what it costs.

    python benchmarks/bulk_scale.py                        # some minutes, most of it the planner
    python benchmarks/bulk_scale.py --samples 1000000      # a smaller job

- The real planner divides a manifest of so many lines of 100 bytes, over the real adapters and AWS in this process (moto). The
  manifest's bytes are generated as they are read.
- The real worker classifies some spans with a pipeline that only advances the clock. Each span takes the same calls, which is
  checked, so the calls of all spans are a product.
- The real planner then ends the job, over as many complete spans.
- Time and cost of all workers are those of pigeonhole.bulk.costs, whose count of calls is compared with what was counted.
- The rates of items follow from the calls of a span, the time of a span and the number of workers. A simulation says how often
  two workers meet at the count of a shard.
"""

from __future__ import annotations

import argparse
import heapq
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from counted_aws import CountedAws, Ledger, counted_aws
from pigeonhole.aws.dynamodb.spans import ATTEMPTS, COUNT, SHARDS
from pigeonhole.bulk.costs.compute import (
    SPAN_CALLS_S,
    BulkSize,
    Calls,
    Estimate,
    GpuWorkers,
    LambdaWorkers,
    SampleRates,
    count_calls,
    estimate_on_gpus,
    estimate_on_lambda,
)
from pigeonhole.contract.messages import SpanMessage
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.update import backoff_s
from recording_server import READ_BYTES
from simulated_bulk_job import LOCATION, AllComplete, SimulatedJob, to_message

SPAN_SAMPLES = 1_000
SAMPLED_SPANS = 40
MEMORY_MB, THREADS = 3_008, 2  # the template's defaults
CORES = LambdaWorkers(workers=1, memory_mb=MEMORY_MB, threads=THREADS).cores
WORKERS = (10, 1_000, 10_000)
MANY_WORKERS = (1_000, 10_000)
GPUS = (1, 10, 40)
TRANSACTION_S = 0.01  # an assumption: how long a transaction holds its items
# AWS's documentation: GETs of a prefix, write units and read units of a partition, each second.
LIMITS = {"GETs": 5_500, "write units": 1_000, "read units": 3_000}


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Format a Markdown table with numbers on the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


@dataclass(frozen=True)
class Counted:
    """What was counted of the three steps of a job.

    Attributes:
        plan: The planner's calls for the whole manifest.
        span: A worker's calls for one span.
        end: The planner's calls that end the job.
        spans: The number of spans.
    """

    plan: Counter[str]
    span: Ledger
    end: Counter[str]
    spans: int


def plan(job: SimulatedJob) -> tuple[Job, Counter[str]]:
    """Plan the manifest, and print how long it took."""
    message = job.submit()
    before, started_s, clock_s = job.aws.ledger.copy(), time.process_time(), job.clock()
    planned, runs = job.plan(message)
    took_s, simulated_s = time.process_time() - started_s, job.clock() - clock_s
    megabytes = job.lines * 100 / 1e6
    print(f"Planned {megabytes:,.0f} MB in {took_s:.0f} s of CPU time ({megabytes / took_s:.0f} MB/s).")
    print(f"At 90 MB/s from S3 and 10 ms per call: {runs} runs of functions/plan, {simulated_s:.0f} s.\n")
    return planned, (job.aws.ledger - before).billed


def count_span(job: SimulatedJob, messages: Sequence[SpanMessage], sample_s: float) -> Ledger:
    """Process spans, and return the calls of the one with the most. The others take the same, or look once less at the job."""
    job.pipeline.sample_s = sample_s
    ledgers = sorted(job.process(messages), key=lambda ledger: ledger.billed.total())
    fewest, most = ledgers[0].billed, ledgers[-1].billed
    if max(abs(most[name] - fewest[name]) for name in most) > 1:
        raise AssertionError(f"the spans take different calls: {fewest} and {most}")
    return ledgers[-1]


def end(job: SimulatedJob, planned: Job) -> Counter[str]:
    """End the job over complete spans, and print how long it took."""
    if planned.bulk is None or planned.bulk.spans is None:
        raise AssertionError("the job isn't planned")
    (example, *_) = job.complete_spans(planned)
    before, started_s, before_mb = job.aws.ledger.copy(), time.process_time(), peak_mb()
    ended = job.advance(to_message(planned), AllComplete(example, planned.bulk.spans))
    took_s = time.process_time() - started_s
    print(f"Ended the job ({ended.status.value}) in {took_s:.1f} s of CPU time, {peak_mb() - before_mb:.0f} MB of memory.\n")
    billed = (job.aws.ledger - before).billed
    sizes = [size for (pk, sk), size in job.aws.ledger.sizes.items() if pk.startswith("SPANS#") and sk != COUNT]
    billed["read_units"] += round(planned.bulk.spans * sum(sizes) / len(sizes) / READ_BYTES)  # in pages of 1 MB
    return billed


def peak_mb() -> float:
    """Return the peak of the resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def call_rows(counted: Counted, texts: Calls) -> Iterator[list[str]]:
    """Yield the rows of the table of calls, for a job of texts on Lambda."""
    for name in ("s3_puts", "s3_gets", "sqs_requests", "write_units", "read_units", "runs"):
        spans = counted.span.billed[name] * counted.spans
        planner = counted.plan[name] + counted.end[name]
        usd = Calls(**{name: spans + planner}).usd
        yield [name.replace("_", " "), *(f"{n:,.0f}" for n in (planner, spans, getattr(texts, name))), f"{usd:.2f}"]


def rate_rows(span: Ledger, span_s: float, noun: str) -> Iterator[list[str]]:
    """Yield what the hottest object, items and partitions get each second, a row for each number of workers."""
    count, partition = max(span.written.values()) / SHARDS, sum(span.written.values()) / SHARDS
    for workers in MANY_WORKERS:
        spans_per_s = workers / span_s
        conflicts, abandoned = simulate_conflicts(spans_per_s / SHARDS)
        per_span = (1, span.gets[LOCATION.object_key], count, partition, max(span.read.values()))
        rates = [f"{units * spans_per_s:,.0f}" for units in per_span]
        yield [f"{noun}, {workers:,} workers", *rates, f"{conflicts:.1%}", f"{abandoned:.1%}"]


def simulate_conflicts(rate: float, transactions: int = 20_000, seed: int = 1) -> tuple[float, float]:
    """Simulate transactions on the count of one shard, which come at random. A transaction that meets another one is repeated.

    Args:
        rate: Transactions per second.
        transactions: How many are simulated.
        seed: Of the random numbers.

    Returns:
        The attempts that met another transaction, per transaction, and the share of transactions that met one at every attempt.
    """
    random.seed(seed)
    now, arrivals = 0.0, []
    for _ in range(transactions):
        now += random.expovariate(rate)
        arrivals.append((now, 0))
    heapq.heapify(arrivals)
    free_at, conflicts, abandoned = 0.0, 0, 0
    while arrivals:
        at, attempt = heapq.heappop(arrivals)
        if at >= free_at:
            free_at = at + TRANSACTION_S
            continue
        conflicts += 1
        if attempt + 1 < ATTEMPTS:
            heapq.heappush(arrivals, (at + TRANSACTION_S + backoff_s(attempt), attempt + 1))
        else:
            abandoned += 1
    return conflicts / transactions, abandoned / transactions


def cost_rows(size: BulkSize, noun: str, rates: SampleRates) -> Iterator[list[str]]:
    """Yield the time and the cost on both kinds of workers."""
    for workers in WORKERS:
        lambda_workers = LambdaWorkers(workers=workers, memory_mb=MEMORY_MB, threads=THREADS)
        yield _cost_row(f"{noun}, {workers:,} Lambda workers", estimate_on_lambda(size, lambda_workers, rates))
    for gpus in GPUS:
        yield _cost_row(f"{noun}, {gpus:,} g6.xlarge", estimate_on_gpus(size, GpuWorkers(workers=gpus), rates))


def _cost_row(what: str, estimate: Estimate) -> list[str]:
    return [what, f"{estimate.seconds / 3_600:,.1f}", f"{estimate.usd:,.0f}"]


def main() -> None:
    """Run the simulation from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000_000, help="lines of the manifest (default: %(default)s)")
    samples = parser.parse_args().samples
    rates = SampleRates()
    texts_s, images_s = rates.text_ms / 1e3 / CORES, rates.image_ms / 1e3 / CORES
    with counted_aws() as aws:
        counted, photo_span = measure(aws, samples, texts_s, images_s)
    texts = BulkSize(texts=samples, images=0, spans=counted.spans)
    images = BulkSize(texts=0, images=samples, spans=counted.spans)
    calls = call_rows(counted, count_calls(texts, on_lambda=True))
    print(table(["", "planner", "workers", "pigeonhole.bulk.costs", "USD"], [*calls]), end="\n\n")
    head = [
        "each second",
        "spans",
        "GETs of the manifest",
        "write units of a count",
        "of its partition",
        "read units of the job",
    ]
    head += ["conflicts", "abandoned"]
    span_s = {noun: SPAN_CALLS_S + SPAN_SAMPLES * each_s for noun, each_s in (("texts", texts_s), ("photos", images_s))}
    rows = [*rate_rows(counted.span, span_s["texts"], "texts"), *rate_rows(photo_span, span_s["photos"], "photos")]
    limits = ["AWS allows", "", LIMITS["GETs"], LIMITS["write units"], LIMITS["write units"], LIMITS["read units"], "", ""]
    print(table(head, [*rows, [f"{cell:,}" if isinstance(cell, int) else cell for cell in limits]]), end="\n\n")
    print(table(["", "hours", "USD"], [*cost_rows(texts, "texts", rates), *cost_rows(images, "photos", rates)]))


def measure(aws: CountedAws, samples: int, texts_s: float, images_s: float) -> tuple[Counted, Ledger]:
    """Count the steps of a job of texts, and the calls of a span of photos."""
    job = SimulatedJob(aws, samples)
    planned, plan_calls = plan(job)
    messages = [SpanMessage.model_validate_json(body) for body in aws.sqs.first if '"span"' in body]
    text_span = count_span(job, messages[:SAMPLED_SPANS], texts_s)
    photo_span = count_span(job, messages[SAMPLED_SPANS : 2 * SAMPLED_SPANS], images_s)
    spans = planned.bulk.spans if planned.bulk else None
    return Counted(plan_calls, text_span, end(job, planned), spans or 0), photo_span


if __name__ == "__main__":
    main()
