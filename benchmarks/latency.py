"""Compare the latency of the local stack with that of one process, in one run, in turns.

    make start                       # in another shell. Then export the two variables that the README names
    python benchmarks/latency.py --write

The baseline is the service behind functions/classify, called in this process. The difference is the time of the gateway,
functions/api and the invocation. The figures are medians of the rounds, after one round that isn't counted.
"""

from __future__ import annotations

import argparse
import base64
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

import document_region
from machine import describe_run
from packaged_photos import PACKAGED, PHOTOS
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.commands import ClassifyCommand
from pigeonhole.settings import Settings
from pigeonhole.wiring import inference
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

SENTENCE = "I love this product, it is wonderful!"
PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
MOODS, THINGS = ("positive", "negative"), ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        request: The name of the request.
        in_process_ms: Median milliseconds in one process.
        stack_ms: Median milliseconds through the stack.
    """

    request: str
    in_process_ms: float
    stack_ms: float

    def cells(self) -> tuple[str, ...]:
        """Format the line's cells."""
        ratio = f"{self.stack_ms / self.in_process_ms:.1f} x"
        return (self.request, f"{self.in_process_ms:.0f}", f"{self.stack_ms:.0f}", ratio)


def to_data_url(path: Path) -> str:
    """Encode an image file as a `data:` URL."""
    subtype = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{subtype};base64," + base64.b64encode(path.read_bytes()).decode()


def to_request_body(sample_type: str, values: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    """Build a request body from samples of one type and labels by words."""
    return {
        "dataset": [{"type": sample_type, "value": value} for value in values],
        "labels": [{"type": "text", "value": label} for label in labels],
    }


def requests() -> dict[str, dict[str, Any]]:
    """Build the bodies of the measured requests, one text and eight inline photos, by their names in the table."""
    photos = [to_data_url(path) for path in (*PHOTOS, PACKAGED / "coins.png")]
    name = f"{len(photos)} photos, {sum(map(len, photos)) / 1e6:.1f} MB inline"
    return {"a text": to_request_body("text", [SENTENCE], MOODS), name: to_request_body("image", photos, THINGS)}


def measure(url: str, api_key: str, model: Path, rounds: int) -> list[Row]:
    """Time each request on both sides.

    Args:
        url: The URL of the stack's API.
        api_key: An API key of the stack.
        model: The artifact folder of the model that the stack runs.
        rounds: Counted rounds per side.

    Raises:
        SystemExit: The stack's predictions differ from those of this process.
    """
    pipeline = inference.classify_services(Settings(model_dir=str(model))).pipeline
    rows = []
    with httpx.Client(base_url=url, headers={"x-api-key": api_key}, timeout=60, trust_env=False) as client:
        for name, body in requests().items():
            command = ClassifyCommand(log_id="", tenant_id="", request=ClassificationRequest.model_validate(body))

            def in_process(command: ClassifyCommand = command) -> list[str]:
                return [labels[0] for labels in pipeline.classify(command).predictions if labels]

            def through_the_stack(body: dict[str, Any] = body) -> list[str]:
                predictions: list[str] = client.post("/v1/classification", json=body).raise_for_status().json()["predictions"]
                return predictions

            if in_process() != through_the_stack():
                raise SystemExit("--model: must be the model that the stack runs, but the predictions differ")
            timings_ms = [(_time_ms(in_process), _time_ms(through_the_stack)) for _ in range(rounds)]
            rows.append(Row(name, *(statistics.median(side_ms) for side_ms in zip(*timings_ms, strict=True))))
    return rows


def _time_ms(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def table(rows: Sequence[Row]) -> str:
    """Format the rows as a Markdown table."""
    head = ("request", "in one process, ms", "through the stack, ms", "ratio")
    lines = [head, ("---", "---:", "---:", "---:"), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--url", default=os.environ.get("JIGSAWSTACK_API_URL"), help="URL of the stack's API (default: JIGSAWSTACK_API_URL)"
    )
    parser.add_argument(
        "--key", default=os.environ.get("JIGSAWSTACK_API_KEY"), help="API key of the stack (default: JIGSAWSTACK_API_KEY)"
    )
    parser.add_argument("--model", default="tiny", help="prepared model that the stack runs (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=30, help="counted rounds per side (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    args = parser.parse_args()
    if not (args.url and args.key):
        parser.error("can't find the stack: give --url and --key, or export the two variables that the README names")
    cache = Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE))
    run = describe_run(f"python benchmarks/latency.py --model {args.model} --rounds {args.rounds} --write")
    report = f"{run}\n\n{table(measure(args.url, args.key, cached_folder(args.model, cache), args.rounds))}"
    print(report)
    if args.write:
        document_region.fill(PAGE, "latency", report)


if __name__ == "__main__":
    main()
