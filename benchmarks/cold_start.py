"""Compare the cold start of functions/classify with that of a handler around transformers, in one run.

    python benchmarks/cold_start.py

Both run under awslambdaric, Lambda's runtime for container images, and get the same photo and labels from a Runtime API on
loopback. A start is the time from the start of the process to its first answer. All files are in the page cache, as after the
first start. The sides take turns, after one round that isn't counted. The figures are medians of the rounds.

- "ViT-B/32's shape" has random weights. Pigeonhole's side is the artifact that `pigeonhole models prepare` makes of it.
- "tiny" is the bundled model. The other side has ViT-B/32's shape there, too.
- "an empty handler" imports the five largest libraries of functions/classify and answers {}. No start with them is faster.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import document_region
from machine import describe_run
from packaged_photos import LABELS, PHOTOS

if TYPE_CHECKING:
    from support.docker_image import Image

ROOT = Path(__file__).resolve().parents[1]
FUNCTION = ROOT / "functions/classify"
LIMIT_S = 120.0  # for one start
TEMPLATE = "This is a photo of {}."  # that of transformers
PLAIN_HANDLER = """
import base64, io, os
from PIL import Image
from transformers import pipeline

classify = pipeline("zero-shot-image-classification", model=os.environ["MODEL"], device="cpu")

def handler(event, context):
    request = event["request"]
    url = request["dataset"][0]["value"]
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")
    return classify(image, candidate_labels=[label["value"] for label in request["labels"]])
"""

EMPTY_HANDLER = """
import numpy, onnxruntime, PIL.Image, tokenizers
from pydantic import BaseModel, TypeAdapter

def handler(event, context):
    return {}
"""


@dataclass(frozen=True)
class Side:
    """A function that can be started.

    Attributes:
        name: What the table calls it.
        command: The command line.
        folder: The working folder.
        environment: The variables.
    """

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str]


def create_event() -> dict[str, Any]:
    """Create the event of a request with one photo and 24 labels, in one template. Both handlers read it."""
    photo = "data:image/png;base64," + base64.b64encode(PHOTOS[0].read_bytes()).decode()
    request = {
        "dataset": [{"type": "image", "value": photo}],
        "labels": [{"type": "text", "value": label} for label in LABELS],
        "prompt_templates": [TEMPLATE],
    }
    return {"kind": "classify", "version": 1, "log_id": "l", "tenant_id": "t", "request": request}


def pigeonhole_side(name: str, image: Image, python: str, model: Path) -> Side:
    """Return the classify image, laid out in a folder.

    Args:
        name: What the table calls it.
        image: The image.
        python: The interpreter of an environment with the image's packages only.
        model: The artifact folder.
    """
    variables = {**image.environment, "PIGEONHOLE_MODEL_DIR": str(model), "OPENBLAS_NUM_THREADS": "1"}
    return Side(name, [python, *image.command[1:]], image.folder, variables)


def plain_side(folder: Path, packages: Path, model: Path) -> Side:
    """Return a handler around transformers' pipeline, in this environment.

    Args:
        folder: An empty folder for the handler.
        packages: The packages of the classify image, for awslambdaric. Those of this environment have priority.
        model: The model's folder.
    """
    (folder / "plain.py").write_text(PLAIN_HANDLER)
    site = next(path for path in sys.path if path.endswith("site-packages"))
    variables = {"PYTHONPATH": f"{folder}:{site}:{packages}", "MODEL": str(model), "HF_HUB_OFFLINE": "1"}
    return Side("transformers", [sys.executable, "-m", "awslambdaric", "plain.handler"], folder, variables)


def empty_side(folder: Path, python: str) -> Side:
    """Return a handler that does nothing.

    Args:
        folder: A folder for the handler.
        python: The interpreter of an environment with the image's packages only.
    """
    (folder / "empty.py").write_text(EMPTY_HANDLER)
    variables = {"PYTHONPATH": str(folder), "OPENBLAS_NUM_THREADS": "1"}
    return Side("an empty handler", [python, "-m", "awslambdaric", "empty.handler"], folder, variables)


def start(side: Side, event: Mapping[str, Any]) -> float:
    """Start a function, and return the seconds to its first answer."""
    from support.runtime_api import RuntimeApi

    with RuntimeApi(LIMIT_S) as api, tempfile.TemporaryFile() as output:
        variables = {**api.environment, **side.environment}
        started = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            side.command, cwd=side.folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            answer = api.invoke(event)
            seconds = time.perf_counter() - started
        finally:
            process.kill()
            process.wait()
        if answer.kind != "response" or (isinstance(answer.body, dict) and answer.body.get("error")):
            output.seek(0)
            raise SystemExit(f"{side.name} failed: {answer.body}\n{output.read().decode(errors='replace')}")
        return seconds


def measure(sides: Sequence[Side], event: Mapping[str, Any], rounds: int) -> dict[str, list[float]]:
    """Start all sides in turns, and return the seconds of each start by side, after one round that isn't counted."""
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides:
            spent = start(side, event)
            if number:
                seconds[side.name].append(spent)
    return seconds


def table(seconds: Mapping[str, Sequence[float]]) -> str:
    """Format the seconds as a Markdown table. The last side is the baseline."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    baseline = [*medians.values()][-1]
    lines = ["| function | start, s | lowest to highest | of transformers |", "|---|---:|---:|---:|"]
    for name, median in medians.items():
        spread = f"{min(seconds[name]):.2f} to {max(seconds[name]):.2f}"
        lines.append(f"| {name} | {median:.2f} | {spread} | {median / baseline:.2f} x |")
    return "\n".join(lines)


@contextmanager
def all_sides(bundled: Path) -> Iterator[list[Side]]:
    """Prepare everything in a temporary folder, and yield the sides. `bundled` is the artifact folder of `tiny`."""
    from transformers import CLIPConfig

    from classify import write_random_clip
    from pigeonhole.inference.encoders.checkpoints import checkpoint
    from pigeonhole.inference.encoders.prepare import prepare
    from support import docker_image, virtual_environments

    environment = virtual_environments.with_requirements(FUNCTION / "requirements.txt", ROOT / ".cache" / "classify-image")
    prepare("tiny", bundled)
    with tempfile.TemporaryDirectory() as name, checkpoint.quiet_transformers():
        folder = Path(name)
        source, artifact, plain = folder / "clip", folder / "artifact", folder / "plain"
        source.mkdir()
        plain.mkdir()
        write_random_clip(CLIPConfig(), source)
        prepare(str(source), artifact)
        image = docker_image.lay_out(FUNCTION / "Dockerfile", ROOT, folder / "root", built={"/opt/model": bundled})
        python = str(virtual_environments.python(environment))
        yield [
            pigeonhole_side("Pigeonhole, tiny", image, python, bundled),
            pigeonhole_side("Pigeonhole, ViT-B/32's shape", image, python, artifact),
            empty_side(plain, python),
            plain_side(plain, virtual_environments.packages(environment), source),
        ]


def main() -> None:
    """Run the comparison from the command line."""
    from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="counted starts per side (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/performance.md")
    args = parser.parse_args()
    sys.path.append(str(ROOT / "tests"))
    with all_sides(cached_folder("tiny", DEFAULT_CACHE)) as sides:
        run = describe_run(f"python benchmarks/cold_start.py --rounds {args.rounds} --write")
        report = f"{run}\n\n{table(measure(sides, create_event(), args.rounds))}"
    print(report)
    if args.write:
        document_region.fill(ROOT / "docs/performance.md", "cold-start", report)


if __name__ == "__main__":
    main()
