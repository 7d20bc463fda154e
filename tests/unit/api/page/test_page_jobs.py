"""How the playground creates and follows jobs while the service has faults."""

from __future__ import annotations

from typing import Any

import pytest

from support.playground_script import run_program

MODULES = ("api", "dom", "follow", "run")
# A service with jobs that end with the third list. `faults` are the answers that come first, by the request's beginning.
SERVICE = """
const faults = {}, jobs = [], shown = [], samples = [];
let lists = 0, ending = 3, listed = 100;
const stateOf = (id) => ({
  id, finished_at: lists >= ending ? "2026-01-01T00:00:00Z" : null, status: "succeeded",
  progress: { total: 32, succeeded: lists >= ending ? 32 : 8, failed: 0 },
});
reply = async (request) => {
  for (const [start, answers] of Object.entries(faults)) {
    if (request.startsWith(start) && answers.length) return answers.shift()();
  }
  if (request.startsWith("POST")) {
    jobs.push(`job${jobs.length}`);
    return json({ job: { id: jobs.at(-1) } });
  }
  if (request.startsWith("DELETE")) return json({});
  if (request.includes("?")) {
    lists += 1;
    return json({ jobs: jobs.slice(0, listed).map(stateOf) });
  }
  const id = request.split("/").at(-1);
  return json({ job: stateOf(id), predictions: samples.map(() => "cat"), scores: [] });
};
const status = (code, headers) => () => new Response("<html></html>", { status: code, headers });
const broken = () => { throw new TypeError("fetch failed"); };
const foreign = () => new Response("<html></html>");
async function classify(count) {
  const controller = new AbortController(), done = [];
  samples.push(...Array.from({ length: 32 }, () => 0));
  const all = Array.from({ length: count }, (_, id) => ({ id, type: "text", value: `text ${id}`, name: `text ${id}` }));
  await run_module.classifyByJobs(all, { labels: [] }, {
    signal: controller.signal, onRows: (rows) => shown.push(...rows), onProgress: (number) => done.push(number),
  });
  return { rows: shown.length, labels: [...new Set(shown.flatMap((row) => row.labels))], done };
}
"""


def classify(count: int, setup: str = "") -> dict[str, Any]:
    return run_program(f"{SERVICE}{setup}\nasync function main() {{ return classify({count}); }}", *MODULES)


def of(result: dict[str, Any], method: str) -> list[str]:
    return [each for each in result["asked"] if each.startswith(method)]


def test_samples_are_classified_by_jobs_of_32() -> None:
    result = classify(64)

    assert result["value"]["rows"] == 64
    assert result["value"]["labels"] == ["cat"]
    assert result["value"]["done"][-1] == 64
    assert of(result, "DELETE") == []


@pytest.mark.parametrize(
    "fault", ["status(502)", "status(500)", "status(504)", "status(429, { 'retry-after': 60 })", "foreign"]
)
@pytest.mark.parametrize("request_", ["POST", "GET classification/jobs?", "GET classification/jobs/"])
def test_a_fault_that_passes_costs_no_job(fault: str, request_: str) -> None:
    result = classify(64, f"faults[{request_!r}] = [{fault}, {fault}, {fault}];")

    assert result["value"]["rows"] == 64
    assert of(result, "DELETE") == []


def test_jobs_wait_for_a_silent_service_however_long() -> None:
    result = classify(32, "faults['GET'] = Array.from({ length: 200 }, () => broken);")

    assert result["value"]["rows"] == 32


def test_the_pauses_of_a_fault_that_lasts_grow_and_its_jobs_are_canceled_at_last() -> None:
    result = classify(64, "faults['GET'] = Array.from({ length: 500 }, () => status(500));")

    assert result["status"] == 500
    assert sorted(of(result, "DELETE")) == ["DELETE classification/jobs/job0", "DELETE classification/jobs/job1"]
    assert 10 <= len(of(result, "GET")) <= 50
    assert sum(result["waits"]) >= 120_000
    assert result["waits"] == sorted(result["waits"])


def test_a_fault_of_the_request_is_not_tried_again() -> None:
    result = classify(64, "faults['POST'] = [status(400)];")

    assert result["status"] == 400
    assert len(of(result, "POST")) == 1


def test_16_jobs_are_followed_by_one_request_a_round_at_a_growing_pause() -> None:
    result = classify(500, "ending = 20;")

    assert result["value"]["rows"] == 500
    assert len(of(result, "GET classification/jobs?")) == 20
    assert len(of(result, "GET classification/jobs/")) == 16, "the results of each"
    assert result["waits"] == sorted(result["waits"])
    assert 2_000 <= result["waits"][-1] <= 5_000


def test_a_job_that_the_list_lacks_is_read_by_its_id() -> None:
    result = classify(64, "listed = 1;")

    assert result["value"]["rows"] == 64
