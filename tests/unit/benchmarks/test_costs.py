"""benchmarks/costs.py: dollars from CPU seconds and calls, against values computed by hand, and the page docs/costs.md."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import cost_page
import document_region
from benchmark_stack import Invocation, Usage
from cost_model import FunctionUse, Measured
from costs import count_billed, count_functions, with_whole_machine
from function_cpu import ProcessTime, cpu_between
from machine import WITHOUT_VNNI
from pigeonhole.bulk.costs.compute import SampleRates

MEMORY_MB = {"Api": 512, "Authorize": 256, "Classify": 2_048, "Worker": 1_769}
CLASSIFY = FunctionUse(runs=1_000, cpu_s=50, wall_s=60, calls=0)
REQUESTS = Measured(
    model="tiny",
    noun="photos",
    way="request of 1",
    billed={"API requests": 1_000, "runs": 3_000, "write units": 1_000, "GB of logs": 0.003, "traces": 50},
    functions={"Api": FunctionUse(runs=1_000, cpu_s=5, wall_s=80, calls=2_000), "Classify": CLASSIFY},
)


def call(function: str, action: str) -> dict[str, str]:
    return {"function": function, "action": action}


def test_dollars_are_those_of_gigabyte_seconds_and_of_calls() -> None:
    terms = REQUESTS.terms(MEMORY_MB, "arm64")

    # Classify: 50 s on one core, at 2 GB. Api: 5 s on 512 / 1,769 of a core, 2,000 calls of 10 ms, and the 50 s, at 0.5 GB.
    # Authorize: 1,000 runs of 2 ms, at 0.25 GB. Each times 1,000 for a million.
    assert terms == {
        "time of functions/classify": pytest.approx(50 * 2 * 0.0000133334 * 1_000),
        "time of the other functions": pytest.approx(((5 * 1_769 / 512 + 20 + 50) * 0.5 + 2 * 0.25) * 0.0000133334 * 1_000),
        "API Gateway": pytest.approx(3.50),
        "runs of functions": pytest.approx(0.60),
        "DynamoDB": pytest.approx(0.625),
        "logs and traces": pytest.approx(3 * 0.50 + 0.05 * 5.00),
    }


def test_x86_costs_more_for_time_and_the_same_for_calls() -> None:
    arm64, x86 = (REQUESTS.terms(MEMORY_MB, architecture) for architecture in ("arm64", "x86_64"))

    ratios = {term: x86[term] / arm64[term] for term in arm64}
    time = "time of functions/classify"
    assert ratios.pop(time) == pytest.approx(ratios.pop("time of the other functions")) == pytest.approx(1.25, rel=1e-4)
    assert set(ratios.values()) == {1.0}


@pytest.mark.parametrize(
    ("memory_mb", "cpu_s", "wall_s", "seconds"),
    [
        (1_769, 60, 40, 60),  # one core
        (3_538, 60, 30, 30),  # two cores, both busy
        (3_538, 60, 40, 40),  # two cores, and 1.5 were busy
        (3_538, 60, 120, 60),  # a function that waits has a core for itself
        (2_653.5, 60, 30, 40),  # a core and a half, though two were busy
    ],
)
def test_a_function_uses_the_cores_that_it_has_and_keeps_busy(
    memory_mb: int, cpu_s: float, wall_s: float, seconds: float
) -> None:
    assert FunctionUse(runs=1, cpu_s=cpu_s, wall_s=wall_s, calls=0).seconds(memory_mb) == pytest.approx(seconds)


def test_the_requests_of_a_direct_way_are_counted_with_the_authorizer() -> None:
    invocations = [
        *[Invocation("ApiFunction", 0.03, 512)] * 2,
        *[Invocation("ClassifyFunction", 0.02, 3_008)] * 2,
        Invocation("SweepFunction", 1.0, 256),
    ]
    calls = [call("ApiFunction", "lambda:InvokeFunction"), call("ApiFunction", "dynamodb:UpdateItem")] * 2
    units = [{"function": "ApiFunction", "read": 0.0, "write": 1.0, "events": 0.0}] * 2
    usage = Usage(calls=calls, units=units, invocations=invocations)

    billed = count_billed(usage, log_bytes=4_000, samples=64)  # 2 requests of 32

    per_request = 1_000 / 64
    assert billed["API requests"] == 2 * per_request
    assert billed["runs"] == 6 * per_request, "authorize, api and classify"
    assert billed["write units"] == 2 * per_request
    assert billed["traces"] == pytest.approx(2 * per_request * 0.05), "a request is one trace"
    assert billed["GB of logs"] * 1e9 == pytest.approx(4_000 * 1_000 / 64)


def test_images_that_are_read_at_the_same_time_are_one_call_to_wait_for() -> None:
    calls = [call("WorkerFunction", "s3:GetObject")] * 64 + [call("WorkerFunction", "dynamodb:GetItem")] * 3
    usage = Usage(calls=calls, units=[], invocations=[Invocation("WorkerFunction", 4.0, 3_008)])

    uses = count_functions(usage, {"WorkerFunction": 6.0}, samples=500)

    assert uses == {"Worker": FunctionUse(runs=2, cpu_s=12, wall_s=8, calls=2 * (3 + 64 / 32))}


def test_cpu_time_is_counted_by_function() -> None:
    before = {
        1: ProcessTime("api", 1.0),
        2: ProcessTime("worker", 5.0),
        3: ProcessTime("worker", 7.0),
        4: ProcessTime("api", 1.0),
    }
    after = {1: ProcessTime("api", 1.5), 2: ProcessTime("worker", 8.0), 3: ProcessTime("worker", 9.0)}

    assert cpu_between(before, after) == {"api": 0.5, "worker": 5.0}


def test_a_process_that_starts_meanwhile_makes_the_figures_useless() -> None:
    with pytest.raises(SystemExit, match="worker started during the measurement"):
        cpu_between({}, {2: ProcessTime("worker", 5.0)})


def test_the_tables_name_the_largest_term_of_each_row() -> None:
    sums, goals, parts, others = cost_page.tables([REQUESTS], MEMORY_MB).split("\n\n")

    assert sums.splitlines()[-1] == "| photos, tiny | request of 1 | 50.0 | 8.40 | 8.88 | API Gateway, 42% |"
    assert parts.splitlines()[-1] == "| photos, tiny | request of 1 | 1.33 | 0.59 | 0.60 | 3.50 | 0.62 | 0.00 | 1.75 |"
    assert goals.splitlines() == [
        "- tiny: a million photos cost at most 1 USD on arm64 by: none of these ways.",
        "- tiny: a million photos cost at most 1 USD on x86_64 by: none of these ways.",
    ]
    assert "| photos, Rekognition DetectLabels | 1,000 |" in others
    for table in (sums, parts, others):
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_term_that_has_no_column_would_be_missing_from_the_sum() -> None:
    terms = {term for row in cost_page.read_stored() for term in row.terms(cost_page.read_memory_mb(), "arm64")}

    assert terms <= {term for column in cost_page.COLUMNS.values() for term in column}


def test_a_model_that_is_measured_again_replaces_its_own_figures_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_page, "STORED", tmp_path / "costs.json")
    other, again = replace(REQUESTS, model="other"), replace(REQUESTS, billed={**REQUESTS.billed, "runs": 1})

    for model, run, row in (("other", "Monday:", other), ("tiny", "Tuesday:", REQUESTS), ("tiny", "Friday:", again)):
        cost_page.store(model, run, [row])

    assert cost_page.read_stored() == [again, other], "the bundled model is first"
    assert cost_page.content().splitlines()[:2] == ["- tiny: Friday", "- other: Monday"]


def test_the_page_has_the_tables_of_the_stored_figures() -> None:
    written = document_region.read(cost_page.PAGE, cost_page.REGION)

    assert written == cost_page.content(), "docs/costs.md is out of date: run `python benchmarks/costs.py --models`"


@pytest.mark.parametrize(("noun", "estimated_ms"), [("photos", SampleRates().image_ms), ("texts", SampleRates().text_ms)])
def test_dry_runs_estimate_with_the_measured_cpu_time(noun: str, estimated_ms: float) -> None:
    slower = f"clip-b32-shape{WITHOUT_VNNI}"  # an estimate is for the processors that are slower
    (bulk,) = [row for row in cost_page.read_stored() if (row.model, row.noun, row.way) == (slower, noun, "bulk job of 1,000")]

    assert estimated_ms == pytest.approx(bulk.cpu_ms, rel=0.25), "update SampleRates in pigeonhole/bulk/costs/compute.py"


def test_the_workers_of_a_job_are_taken_to_keep_as_many_cores_busy_as_a_full_request() -> None:
    worker = FunctionUse(runs=16, cpu_s=30, wall_s=60, calls=1)  # two of them shared two cores
    job = replace(REQUESTS, way="job of 1,000", functions={"Worker": worker})

    whole = with_whole_machine(job, FunctionUse(runs=31, cpu_s=24, wall_s=16, calls=0))

    assert whole.functions == {"Worker": replace(worker, wall_s=20)}
