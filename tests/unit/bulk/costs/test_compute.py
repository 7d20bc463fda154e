"""The arithmetic of a bulk job's cost and time, against values that were computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pigeonhole.bulk.costs.compute import (
    BulkSize,
    Calls,
    Estimate,
    GpuWorkers,
    LambdaWorkers,
    SampleRates,
    choose,
    count_calls,
    estimate_on_gpus,
    estimate_on_lambda,
    ramp_s,
)
from pigeonhole.contract.bulk import Compute

RATES = SampleRates(text_ms=10, image_ms=100, text_rest_ms=4, image_rest_ms=8)
WORKERS = LambdaWorkers(workers=4, memory_mb=2048, threads=1)
GPU = GpuWorkers(workers=2, vcpus=4, usd_per_h=0.72)
SIZE = BulkSize(texts=6_400, images=1_600, spans=8)
NOTHING = BulkSize(texts=0, images=0, spans=0)


def test_calls_are_counted_by_span_and_by_image() -> None:
    calls = count_calls(SIZE, on_lambda=True)

    assert calls == Calls(
        s3_puts=16,
        s3_gets=32 + 1_600,  # of each span, of each image
        sqs_requests=pytest.approx(16.8),
        write_units=32,
        read_units=32,
        runs=8,
    )


def test_calls_have_their_list_prices() -> None:
    million = Calls(s3_puts=1e6, s3_gets=1e6, sqs_requests=1e6, write_units=1e6, read_units=1e6, runs=1e6)

    assert million.usd == pytest.approx(5.00 + 0.40 + 0.40 + 0.625 + 0.125 + 0.20)


def test_gpu_workers_need_no_queue_and_no_runs() -> None:
    calls = count_calls(SIZE, on_lambda=False)

    assert (calls.sqs_requests, calls.runs, calls.s3_puts) == (0, 0, 16)


def test_a_job_on_lambda_costs_its_work_its_starts_and_its_calls() -> None:
    # 6,400 * 0.01 s + 1,600 * 0.1 s = 224 s, and 8 spans of 0.5 s: 228 s of one worker. Four workers take two spans each.
    estimate = estimate_on_lambda(SIZE, WORKERS, RATES)

    assert estimate.seconds == pytest.approx(10 + 228 / 4)
    assert estimate.usd == pytest.approx((228 + 4 * 10) * 2 * 0.0000133334 + count_calls(SIZE, on_lambda=True).usd)


@pytest.mark.parametrize(("memory_mb", "cores"), [(4_096, 2), (3_538, 2), (2_653.5, 1.5), (1_769, 1)])
def test_a_worker_of_two_threads_takes_half_the_time_for_samples_if_it_has_two_cores(memory_mb: int, cores: float) -> None:
    two = estimate_on_lambda(SIZE, replace(WORKERS, threads=2, memory_mb=memory_mb), RATES)

    assert two.seconds == pytest.approx(10 + (224 / cores + 4) / 4)


def test_x86_costs_more_than_arm64() -> None:
    arm64, x86 = (estimate_on_lambda(SIZE, replace(WORKERS, is_arm64=is_arm64), RATES) for is_arm64 in (True, False))

    assert x86.usd - arm64.usd == pytest.approx((228 + 40) * 2 * (0.0000166667 - 0.0000133334))


def test_the_last_span_of_a_worker_is_waited_for() -> None:
    # Nine spans on four workers: one worker takes three.
    nine = replace(SIZE, spans=9)
    span_s = (224 + 4.5) / 9

    assert estimate_on_lambda(nine, WORKERS, RATES).seconds == pytest.approx(10 + 3 * span_s)


def test_no_more_workers_start_than_there_are_spans() -> None:
    one = BulkSize(texts=100, images=0, spans=1)

    estimate = estimate_on_lambda(one, WORKERS, RATES)

    assert estimate.seconds == pytest.approx(10 + 1.5)
    assert estimate.usd == pytest.approx((1.5 + 10) * 2 * 0.0000133334 + count_calls(one, on_lambda=True).usd)


@pytest.mark.parametrize(
    ("work_s", "workers", "seconds"),
    [
        (30, 3, 10),  # fewer workers than begin
        (50, 5, 10),
        (100, 1_000, (25 + 1_000) ** 0.5 / 5 - 1),  # 5 t + 5 t^2 / 2 = 100, before all are there
        (10_000, 105, 20 + (10_000 - 1_100) / 105),  # 20 s until there are 105, in which 5 * 20 + 5 * 20^2 / 2 s are done
    ],
)
def test_lambda_adds_workers_one_after_the_other(work_s: float, workers: int, seconds: float) -> None:
    assert ramp_s(work_s, workers) == pytest.approx(seconds)


def test_a_job_on_gpu_workers_takes_the_time_that_their_vcpus_decode() -> None:
    # (400,000 * 0.004 s + 100,000 * 0.008 s) / 4 vCPUs = 600 s, in three tasks of up to 200 spans, on two workers.
    size = BulkSize(texts=400_000, images=100_000, spans=500)

    estimate = estimate_on_gpus(size, GPU, RATES)

    assert estimate.seconds == pytest.approx(300 + 2 * 200)
    assert estimate.usd == pytest.approx((2 * 300 + 600) * 0.72 / 3_600 + count_calls(size, on_lambda=False).usd)


def test_a_job_of_more_tasks_than_an_array_has_larger_tasks() -> None:
    # 4,000,001 spans are 10,000 tasks of 401 spans at most.
    size = BulkSize(texts=4_000_001_000, images=0, spans=4_000_001)

    estimate = estimate_on_gpus(size, replace(GPU, workers=9_976), RATES)

    assert estimate.seconds == pytest.approx(300 + 4_000_001 / 9_976, rel=1e-3)


def test_nothing_costs_nothing() -> None:
    assert estimate_on_lambda(NOTHING, WORKERS, RATES) == estimate_on_gpus(NOTHING, GPU, RATES) == Estimate(0, 0)


@pytest.mark.parametrize(
    ("on_lambda", "on_gpus", "chosen"),
    [
        (Estimate(9, 9_000), None, Compute.LAMBDA),  # no GPU workers
        (Estimate(9, 600), Estimate(1, 400), Compute.LAMBDA),  # Lambda is done before GPU workers have started well
        (Estimate(9, 601), Estimate(1, 400), Compute.GPU),
        (Estimate(9, 601), Estimate(9, 400), Compute.LAMBDA),  # no cheaper
        (Estimate(9, 601), Estimate(1, 6_010), Compute.GPU),  # ten times as long for a ninth of the money
        (Estimate(9, 601), Estimate(1, 6_011), Compute.LAMBDA),
    ],
)
def test_auto_chooses_by_deployment_time_and_cost(on_lambda: Estimate, on_gpus: Estimate | None, chosen: Compute) -> None:
    assert choose(on_lambda, on_gpus) is chosen
