"""The classify image without Docker: its entry command under awslambdaric, its files alone, its requirements alone.

A virtual environment has what functions/classify/requirements.txt names, a folder what the Dockerfile's last stage COPYs, and a
Runtime API server stands for Lambda.
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

from pigeonhole import wiring
from pigeonhole.contract.messages import ChunkResult, ClassifyCommand, ClassifyReply
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole.settings import Settings
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from support import docker_image, virtual_environments
from support.docker_image import Image
from support.runtime_api import RuntimeApi
from support.template import read_template

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
    """What the image's first stage would leave in /opt/model: the artifact that `make start` uses, made if it isn't there."""
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
    """A started image. `exit_status` waits for it to end; `log` is what it has printed."""

    api: RuntimeApi
    process: subprocess.Popen[bytes]
    output: Path

    def exit_status(self) -> int:
        return self.process.wait(timeout=30)

    def log(self) -> str:
        return self.output.read_text()


@contextmanager
def started(image: Image, environment: Path) -> Iterator[Runtime]:
    """Start the image's command as Lambda would; it ends with the block."""
    program, *arguments = image.command
    assert program in ("python", "/usr/local/bin/python", "/usr/bin/python3"), "the entry command is Python's"
    output = image.root.with_name("output.txt")
    with RuntimeApi() as api, output.open("wb") as sink:
        variables = {
            "PIGEONHOLE_MODEL_DIR": str(docker_image.within(image.root, Settings().model_dir)),
            **image.environment,
            "PATH": "/usr/bin:/bin",
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "AWS_LAMBDA_FUNCTION_NAME": "classify",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
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
    """What the function returns for an event. Raises AssertionError, with the log, if it doesn't return."""
    answer = runtime.api.invoke(event)
    assert answer.kind == "response", f"{answer.body}\n{runtime.log()}"
    return ClassifyReply.model_validate(answer.body)


def standings(result: ChunkResult | None) -> list[tuple[str, float]]:
    """The labels of the first sample, best first, with their similarities."""
    assert result is not None
    assert result.scores is not None
    assert result.scores[0] is not None
    return [(score.label, score.similarity) for score in result.scores[0]]


def test_it_answers_as_the_classifier_does_in_process(image: Image, environment: Path, model: Path) -> None:
    services = wiring.classify_services(Settings(model_dir=str(model)))
    expected = services.pipeline.classify(ClassifyCommand.model_validate(CLASSIFY))

    with started(image, environment) as runtime:
        first, second = reply(runtime, CLASSIFY), reply(runtime, CLASSIFY)

    assert first.error is None, runtime.log()
    assert first.result is not None
    assert first.result.predictions == expected.predictions
    for (label, similarity), (expected_label, expected_similarity) in zip(
        standings(first.result), standings(expected), strict=True
    ):
        assert label == expected_label
        assert similarity == pytest.approx(expected_similarity, abs=1e-3)
    assert standings(second.result) == standings(first.result), "one process answers many invocations"


def test_it_tells_what_model_it_runs(image: Image, environment: Path) -> None:
    with started(image, environment) as runtime:
        described = reply(runtime, DESCRIBE).model

    assert described is not None, runtime.log()
    assert (described.model_id, described.engine) == ("tiny", "onnxruntime")


def test_a_fault_of_the_caller_is_an_answer_not_a_crash(image: Image, environment: Path) -> None:
    broken = {**REQUEST, "dataset": [{"type": "image", "value": "data:image/png;base64,aGVsbG8="}]}

    with started(image, environment) as runtime:
        error = reply(runtime, {**CLASSIFY, "request": broken}).error
        after = reply(runtime, DESCRIBE)

    assert error is not None
    assert error.code in ("unreadable_image", "unsupported_media")
    assert after.model is not None


def test_it_writes_nothing_into_the_image_and_no_sample_into_the_log(image: Image, environment: Path) -> None:
    before = files_under(image.root)

    with started(image, environment) as runtime:
        reply(runtime, CLASSIFY)

    log = runtime.log()
    assert files_under(image.root) == before
    assert "answered" in log
    assert "motorcycle" not in log
    assert PHOTO[30:90] not in log


def test_it_does_not_run_as_root(image: Image) -> None:
    assert image.user not in ("root", "0")


def test_torch_is_not_in_the_image(environment: Path) -> None:
    installed = virtual_environments.names(environment)
    assert {"onnxruntime", "numpy", "awslambdaric"} <= installed
    assert installed & {"torch", "transformers", "onnx", "moto", "pip", "setuptools"} == set()

    tried = subprocess.run([virtual_environments.python(environment), "-c", "import torch"], capture_output=True, text=True)
    assert tried.returncode == 1
    assert "No module named 'torch'" in tried.stderr


def test_the_workers_command_starts_in_the_same_image_and_answers_for_each_message(image: Image, environment: Path) -> None:
    worker = read_template()["Resources"]["WorkerFunction"]
    assert worker["Metadata"]["Dockerfile"] == "functions/classify/Dockerfile"
    as_worker = replace(image, command=[*image.command[:-1], *worker["Properties"]["ImageConfig"]["Command"]])
    sample = json.loads((ROOT / "events/sqs-chunk.json").read_text())
    sample["Records"][0]["body"] = "no chunk"

    with started(as_worker, environment) as runtime:
        answer = runtime.api.invoke(sample)

    assert (answer.kind, answer.body) == ("response", {"batchItemFailures": []}), runtime.log()


def init_error_of(image: Image, environment: Path) -> str:
    """Start an image that can't start: what it tells Lambda, once it has ended with a status that isn't 0."""
    with started(image, environment) as runtime:
        told = runtime.api.init_error()
        status = runtime.exit_status()
    assert told.kind == "init", runtime.log()
    assert status != 0
    return f"{told.body['errorType']}: {told.body['errorMessage']}"


def test_a_handler_that_imports_what_is_not_there_is_an_init_error(image: Image, environment: Path) -> None:
    handler = image.folder / "functions/classify/handler.py"
    handler.write_text(handler.read_text() + "\nimport not_there\n")

    assert init_error_of(image, environment) == (
        "Runtime.ImportModuleError: Unable to import module 'functions.classify.handler': No module named 'not_there'"
    )


def test_a_module_that_was_not_copied_is_an_init_error(image: Image, environment: Path) -> None:
    (image.folder / "pigeonhole/inference/scoring/log_odds.py").unlink()
    told = init_error_of(image, environment)

    assert "Unable to import module 'functions.classify.handler': cannot import name 'scoring'" in told


@pytest.mark.parametrize("name", sorted(set(required()) - {"awslambdaric"}))
def test_a_requirement_that_is_missing_is_an_init_error(name: str, image: Image, environment: Path, tmp_path: Path) -> None:
    lacking = virtual_environments.without(environment, name, tmp_path / "lacking")

    assert "Runtime.ImportModuleError" in init_error_of(image, lacking)


def test_a_command_that_names_no_handler_is_an_init_error(image: Image, environment: Path) -> None:
    misspelt = replace(image, command=[*image.command[:-1], "functions.classify.handler.handel"])

    assert "Runtime.HandlerNotFound" in init_error_of(misspelt, environment)
