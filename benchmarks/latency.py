"""How long an answer takes: through the local stack, and in one process, in one run, taking turns.

    make start                       # in another shell; then export the two variables that the README names
    python benchmarks/latency.py

The baseline is the service behind functions/classify, called in this process: what the stack takes beyond that is the way
through gateway, functions/api and the invocation. Figures: medians of the rounds, after one that isn't counted.
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

from packaged_photos import PACKAGED, PHOTOS
from pigeonhole import wiring
from pigeonhole.contract.classification import ClassificationRequest
from pigeonhole.contract.messages import ClassifyCommand
from pigeonhole.settings import Settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

SENTENCE = "I love this product, it is wonderful!"
MOODS, THINGS = ("positive", "negative"), ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple")


@dataclass(frozen=True)
class Row:
    """One line of the table: the median milliseconds of a request, in one process and through the stack."""

    request: str
    in_process_ms: float
    stack_ms: float

    def cells(self) -> tuple[str, ...]:
        ratio = f"{self.stack_ms / self.in_process_ms:.1f} x"
        return (self.request, f"{self.in_process_ms:.0f}", f"{self.stack_ms:.0f}", ratio)


def inline(path: Path) -> str:
    kind = "png" if path.suffix == ".png" else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode()


def body(kind: str, values: Sequence[str], labels: Sequence[str]) -> dict[str, Any]:
    return {
        "dataset": [{"type": kind, "value": value} for value in values],
        "labels": [{"type": "text", "value": label} for label in labels],
    }


def requests() -> dict[str, dict[str, Any]]:
    """One text, and eight photos inline, by what the table calls them."""
    photos = [inline(path) for path in (*PHOTOS, PACKAGED / "coins.png")]
    of_photos = f"{len(photos)} photos, {sum(map(len, photos)) / 1e6:.1f} MB inline"
    return {"a text": body("text", [SENTENCE], MOODS), of_photos: body("image", photos, THINGS)}


def measure(url: str, key: str, model: Path, rounds: int) -> list[Row]:
    """Time each request `rounds` times on each side. `model`: the artifact folder that the stack at `url` runs."""
    pipeline = wiring.classify_services(Settings(model_dir=str(model))).pipeline
    rows = []
    with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60, trust_env=False) as client:
        for name, sent in requests().items():
            command = ClassifyCommand(log_id="", tenant_id="", request=ClassificationRequest.model_validate(sent))

            def in_process(command: ClassifyCommand = command) -> list[str]:
                return [chosen[0] for chosen in pipeline.classify(command).predictions if chosen]

            def through_the_stack(sent: dict[str, Any] = sent) -> list[str]:
                predictions: list[str] = client.post("/v1/classification", json=sent).raise_for_status().json()["predictions"]
                return predictions

            if in_process() != through_the_stack():
                raise SystemExit("the stack answers otherwise than this process: it runs another model")
            took = [(_milliseconds(in_process), _milliseconds(through_the_stack)) for _ in range(rounds)]
            rows.append(Row(name, *(statistics.median(side) for side in zip(*took, strict=True))))
    return rows


def _milliseconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def table(rows: Sequence[Row]) -> str:
    """Format the rows as Markdown."""
    head = ("request", "in one process, ms", "through the stack, ms", "ratio")
    lines = [head, ("---", "---:", "---:", "---:"), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("JIGSAWSTACK_API_URL"), help="default: JIGSAWSTACK_API_URL")
    parser.add_argument("--key", default=os.environ.get("JIGSAWSTACK_API_KEY"), help="default: JIGSAWSTACK_API_KEY")
    parser.add_argument("--model", default="tiny", help="the prepared model that the stack runs")
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    if not (args.url and args.key):
        parser.error("where is the stack? Give --url and --key, or export the two variables that the README names")
    cache = Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE))
    print(table(measure(args.url, args.key, cached_folder(args.model, cache), args.rounds)))


if __name__ == "__main__":
    main()
