"""The image of GPU workers, as far as its Dockerfile shows it: what it copies, installs and starts."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from fnmatch import fnmatchcase

import pytest

from support.docker_image import Instruction, last_stage
from support.handlers import ROOT
from support.template import read_template

ARGUMENTS, STAGE = last_stage((ROOT / "functions/gpu/Dockerfile").read_text("utf-8"))
CONTAINER = read_template()["Resources"]["GpuDefinition"]["Properties"]["ContainerProperties"]


def named(name: str) -> list[Instruction]:
    return [instruction for instruction in STAGE if instruction.name == name]


def test_the_image_starts_what_the_job_definition_starts() -> None:
    (command,) = named("CMD")

    assert json.loads(command.rest) == CONTAINER["Command"]


def test_the_image_runs_as_a_user_without_rights() -> None:
    (user,) = named("USER")

    assert int(user.words[0]) > 1_000


def test_each_file_that_is_copied_exists_and_is_sent_to_the_build() -> None:
    patterns = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for instruction in named("COPY") for source in instruction.words[:-1]]

    assert copied
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if not any(fnmatchcase(source, pattern) for pattern in patterns)] == []


def test_the_image_has_the_torch_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (pinned,) = (requirement for requirement in extras["torch"] if requirement.startswith("torch="))
    installed = " ".join(run.rest for run in named("RUN"))

    assert pinned in installed
    assert re.search(r"download\.pytorch\.org/whl/cu\d+$", ARGUMENTS["TORCH_INDEX"]), "the wheels with CUDA"


@pytest.mark.parametrize(("argument", "parameter"), [("MODEL_ID", "ModelId"), ("SENTENCE_MODEL_ID", "SentenceModelId")])
def test_the_image_has_the_models_of_the_template(argument: str, parameter: str) -> None:
    assert ARGUMENTS[argument] == read_template()["Parameters"][parameter]["Default"]
    assert f"{argument}:-{ARGUMENTS[argument]}" in (ROOT / "functions/gpu/push").read_text()


def test_the_push_script_is_a_script() -> None:
    assert (ROOT / "functions/gpu/push").stat().st_mode & 0o111
    subprocess.run(["bash", "-n", ROOT / "functions/gpu/push"], check=True)
