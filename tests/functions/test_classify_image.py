"""The classify image runs under awslambdaric with only its own files and requirements, tested without Docker.

A virtual environment holds the packages of functions/classify/requirements.txt. A folder holds the files that the Dockerfile's
last stage copies. A Runtime API server takes the place of Lambda.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import skimage

from pigeonhole.contract.commands import ChunkResult, ClassifyCommand, ClassifyReply
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.settings import Settings
from pigeonhole.wiring import inference
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from support import docker_image, virtual_environments
from support.docker_image import Image
from support.runtime_api import RuntimeApi
from support.template import read_template

pytestmark = [pytest.mark.torch, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = ROOT / "functions/classify"
CACHE = ROOT / ".cache"
PHOTO = "data:image/png;base64," + base64.b64encode((Path(skimage.__file__).parent / "data/chelsea.png").read_bytes()).decode()
REQUEST = {
    "dataset": [{"type": "image", "value": PHOTO}],
    "labels": [{"type": "text", "value": word} for word in ("cat", "motorcycle", "temple")],
    "scores": True,
}
CLASSIFY = {
    "kind": "classify",
    "version": 1,
    "log_id": "a-log-id",
    "tenant_id": "a-tenant",
    "request": REQUEST,
}
DESCRIBE = {"kind": "describe", "version": 1, "log_id": "a-log-id"}


def required() -> list[str]:
    lines = (FUNCTION / "requirements.txt").read_text().splitlines()
    return [re.split(r"[^\w-]", line)[0] for line in lines if line and not line.startswith(("#", "--"))]


@pytest.fixture(scope="session")
def model() -> Path:
    """Return what the image's first stage would put in /opt/model: the artifact of `make start`, made if it is missing."""
    folder = cached_folder("tiny", Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE)))
    prepare("tiny", folder)
    return folder


@pytest.fixture(scope="session")
def environment() -> Path:
    return virtual_environments.with_requirements(FUNCTION / "requirements.txt", CACHE / "classify-image")


@pytest.fixture
def image(tmp_path: Path, model: Path) -> Image:
    return docker_image.lay_out(FUNCTION / "Dockerfile", ROOT, tmp_path / "root", built={"/opt/model": model})


@dataclass
class Runtime:
    """A started image."""

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    output: Path

    def exit_status(self) -> int:
        """Wait until the process has ended."""
        return self.process.wait(timeout=30)

    def log(self) -> str:
        """Return what the process has printed."""
        return self.output.read_text()


@contextmanager
def started(image: Image, environment: Path) -> Iterator[Runtime]:
    """Start the image's command as Lambda would, and kill it at the end of the block."""
    program, *arguments = image.command
    assert program in ("python", "/usr/local/bin/python", "/usr/bin/python3"), "the command must start Python"
    output = image.root.with_name("output.txt")
    with RuntimeApi() as api, output.open("wb") as sink:
        variables = {
            "PIGEONHOLE_MODEL_DIR": str(docker_image.within(image.root, Settings().model_dir)),
            **image.environment,
            **api.environment,
        }
        command = [str(virtual_environments.python(environment)), *arguments]
        process = subprocess.Popen(command, cwd=image.folder, env=variables, stdout=sink, stderr=subprocess.STDOUT)
        try:
            yield Runtime(api, process, output)
        finally:
            process.kill()
            process.wait()


def files_under(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts}


def reply(runtime: Runtime, event: object) -> ClassifyReply:
    """Return the function's reply to an event. Raises AssertionError, with the log, if the function fails."""
    answer = runtime.api.invoke(event)
    assert answer.kind == "response", f"{answer.body}\n{runtime.log()}"
    return ClassifyReply.model_validate(answer.body)


def ranked_labels(result: ChunkResult | None) -> list[tuple[str, float]]:
    """Return the labels of the first sample, best first, with their similarities."""
    assert result is not None
    assert result.scores is not None
    assert result.scores[0] is not None
    return [(score.label, score.similarity) for score in result.scores[0]]


def test_the_image_answers_as_the_classifier_in_this_process(image: Image, environment: Path, model: Path) -> None:
    services = inference.classify_services(Settings(model_dir=str(model)))
    expected = services.pipeline.classify(ClassifyCommand.model_validate(CLASSIFY))

    with started(image, environment) as runtime:
        first_reply, second_reply = reply(runtime, CLASSIFY), reply(runtime, CLASSIFY)

    assert first_reply.error is None, runtime.log()
    assert first_reply.result is not None
    assert first_reply.result.predictions == expected.predictions
    for (label, similarity), (expected_label, expected_similarity) in zip(
        ranked_labels(first_reply.result), ranked_labels(expected), strict=True
    ):
        assert label == expected_label
        assert similarity == pytest.approx(expected_similarity, abs=1e-3)
    assert ranked_labels(second_reply.result) == ranked_labels(first_reply.result), "one process answers many invocations"


def test_the_image_describes_its_model(image: Image, environment: Path) -> None:
    with started(image, environment) as runtime:
        described = reply(runtime, DESCRIBE).model

    assert described is not None, runtime.log()
    assert (described.model_id, described.engine) == ("tiny", "onnxruntime")


def test_an_error_of_the_caller_is_a_reply_and_no_crash(image: Image, environment: Path) -> None:
    broken = {**REQUEST, "dataset": [{"type": "image", "value": "data:image/png;base64,aGVsbG8="}]}

    with started(image, environment) as runtime:
        error = reply(runtime, {**CLASSIFY, "request": broken}).error
        after = reply(runtime, DESCRIBE)

    assert error is not None
    assert error.code in ("unreadable_image", "unsupported_media")
    assert after.model is not None


def test_no_file_of_the_image_changes_and_no_sample_is_logged(image: Image, environment: Path) -> None:
    before = files_under(image.root)

    with started(image, environment) as runtime:
        reply(runtime, CLASSIFY)

    log = runtime.log()
    assert files_under(image.root) == before
    assert "answered" in log
    assert "motorcycle" not in log
    assert PHOTO[30:90] not in log


def test_the_image_does_not_run_as_root(image: Image) -> None:
    assert image.user not in ("root", "0")


def test_torch_is_not_in_the_image(environment: Path) -> None:
    installed = virtual_environments.names(environment)
    assert {"onnxruntime", "numpy", "awslambdaric"} <= installed
    assert installed & {"torch", "transformers", "onnx", "moto", "pip", "setuptools"} == set()

    process = subprocess.run([virtual_environments.python(environment), "-c", "import torch"], capture_output=True, text=True)
    assert process.returncode == 1
    assert "No module named 'torch'" in process.stderr


def test_the_workers_command_runs_in_the_same_image_and_answers_for_each_message(image: Image, environment: Path) -> None:
    worker = read_template()["Resources"]["WorkerFunction"]
    assert worker["Metadata"]["Dockerfile"] == "functions/classify/Dockerfile"
    as_worker = replace(image, command=[*image.command[:-1], *worker["Properties"]["ImageConfig"]["Command"]])
    sample = json.loads((ROOT / "events/sqs-chunk.json").read_text())
    sample["Records"][0]["body"] = "no chunk"

    with started(as_worker, environment) as runtime:
        answer = runtime.api.invoke(sample)

    assert (answer.kind, answer.body) == ("response", {"batchItemFailures": []}), runtime.log()


def read_init_error(image: Image, environment: Path) -> str:
    """Start an image that can't start, and return its error once it has ended with a status other than 0."""
    with started(image, environment) as runtime:
        answer = runtime.api.init_error()
        status = runtime.exit_status()
    assert answer.kind == "init", runtime.log()
    assert status != 0
    return f"{answer.body['errorType']}: {answer.body['errorMessage']}"


def test_a_handler_with_a_failing_import_is_an_init_error(image: Image, environment: Path) -> None:
    handler = image.folder / "functions/classify/handler.py"
    handler.write_text(handler.read_text() + "\nimport not_there\n")

    assert read_init_error(image, environment) == (
        "Runtime.ImportModuleError: Unable to import module 'functions.classify.handler': No module named 'not_there'"
    )


def test_a_module_that_was_not_copied_is_an_init_error(image: Image, environment: Path) -> None:
    (image.folder / "pigeonhole/inference/scoring/log_odds.py").unlink()
    error = read_init_error(image, environment)

    assert "Unable to import module 'functions.classify.handler'" in error
    assert "log_odds" in error


# pyarrow is loaded with the first Parquet part, which most workers never write.
@pytest.mark.parametrize("name", sorted(set(required()) - {"awslambdaric", "pyarrow"}))
def test_a_missing_requirement_is_an_init_error(name: str, image: Image, environment: Path, tmp_path: Path) -> None:
    lacking = virtual_environments.without(environment, name, tmp_path / "lacking")

    assert "Runtime.ImportModuleError" in read_init_error(image, lacking)


def test_a_command_without_a_handler_is_an_init_error(image: Image, environment: Path) -> None:
    misspelt = replace(image, command=[*image.command[:-1], "functions.classify.handler.handel"])

    assert "Runtime.HandlerNotFound" in read_init_error(misspelt, environment)
