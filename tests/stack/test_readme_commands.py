"""The README's requests and commands, run unchanged against the deployed template."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pigeonhole_cli.local.command import ROOT
from support import pages
from support.stack.clients import run_node
from support.stack.deployment import Deployment
from support.stack.other_clients import OtherClients

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def variables(deployed: Deployment) -> dict[str, str]:
    """The variables that the README tells its reader to set, with this stack's values."""
    values = {"JIGSAWSTACK_API_URL": deployed.url, "JIGSAWSTACK_API_KEY": deployed.key}
    assert set(re.findall(r"(\w+)=", pages.marked(README, "variables").code)) == set(values)
    return values


@pytest.fixture
def local_aws(deployed: Deployment) -> dict[str, str]:
    """The variables that point `pigeonhole keys` to the local stack."""
    exported = dict(re.findall(r"([A-Z_]+)=(\S+)", pages.marked(README, "local aws").code))
    return exported | {"AWS_ENDPOINT_URL": deployed.stack.aws_url}


def run(command: list[str], environment: dict[str, str], stdin: str = "", *, cwd: Path | None = None) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        env=os.environ | environment | {"PATH": path},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_command(variables: dict[str, str]) -> None:
    answer = json.loads(run(["bash", "-e"], variables, pages.marked(README, "curl").code))
    documented = json.loads(pages.marked(README, "answer").code)

    assert without_what_varies(answer) == without_what_varies(documented)
    assert answer["predictions"] == ["positive", "negative"]


def without_what_varies(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without its id and its duration, which vary."""
    usage = {name: count for name, count in answer["_usage"].items() if name not in ("inference_time_tokens", "total_tokens")}
    return {**answer, "log_id": "", "_usage": usage}


def test_the_job_commands(variables: dict[str, str]) -> None:
    output, read = run(["bash", "-e"], variables, pages.marked(README, "jobs").code), json.JSONDecoder()
    submitted, end = read.raw_decode(output)
    listed, _ = read.raw_decode(output[end:].lstrip())

    assert submitted["job"]["progress"] == {"total": 2, "succeeded": 0, "failed": 0}
    assert [job["id"] for job in listed["jobs"]] == [submitted["job"]["id"]]


def test_the_curl_of_label_sets(variables: dict[str, str]) -> None:
    output, read = run(["bash", "-e"], variables, pages.marked(README, "label sets").code), json.JSONDecoder()
    put, end = read.raw_decode(output)
    answer, _ = read.raw_decode(output[end:].lstrip())

    assert put["label_set"]["name"] == "moods"
    assert (answer["predictions"], answer["label_set"]["name"]) == (["positive"], "moods")


def test_the_commands_of_jobs(variables: dict[str, str], photos: dict[str, bytes], tmp_path: Path) -> None:
    lines = pages.marked(README, "job commands").code.splitlines()
    submit_photos, submit_texts, wait, listing, cancel = [line.split("#")[0].split() for line in lines]
    (tmp_path / "photos").mkdir()
    for name in ("temple", "cat"):
        (tmp_path / "photos" / f"{name}.png").write_bytes(photos[name])
    (tmp_path / "reviews.txt").write_text("I love it\nterrible\n")

    assert run(submit_photos, variables, cwd=tmp_path) == "0\tcat\n1\ttemple\n"
    job_id = run(submit_texts, variables, cwd=tmp_path).strip()
    assert run([word.replace("JOB_ID", job_id) for word in wait], variables) == "0\tpositive\n1\tnegative\n"
    assert job_id in run(listing, variables)
    with pytest.raises(AssertionError, match="has ended already"):
        run([word.replace("JOB_ID", job_id) for word in cancel], variables)


def test_the_commands_of_label_sets(variables: dict[str, str], photos: dict[str, bytes], tmp_path: Path) -> None:
    put, get, listing, submit, remove = [
        line.split("#")[0].split() for line in pages.marked(README, "labels").code.splitlines()
    ]
    (tmp_path / "photos").mkdir()
    for name in ("temple", "cat"):
        (tmp_path / "photos" / f"{name}.png").write_bytes(photos[name])
    (tmp_path / "rocket.jpg").write_bytes(photos["rocket"])

    assert run(put, variables, cwd=tmp_path) == "sights version 1\n"
    assert "rocket  image  s3://" in run(get, variables)
    assert "\nsights " in run(listing, variables)
    assert run(submit, variables, cwd=tmp_path) == "0\tcat\n1\ttemple\n"
    run(remove, variables)
    assert "\nsights " not in run(listing, variables)


def test_the_commands_of_uploads(variables: dict[str, str], photos: dict[str, bytes], tmp_path: Path) -> None:
    put, watch, send = [line.split("#")[0].split() for line in pages.marked(README, "upload").code.splitlines()]
    (tmp_path / "photos").mkdir()
    for name in ("temple", "cat"):
        (tmp_path / "photos" / f"{name}.png").write_bytes(photos[name])

    run(put, variables)
    table = run(watch, variables, cwd=tmp_path).splitlines()
    assert [line.split()[:2] for line in table] == [
        ["FILE", "LABEL"],
        ["photos/cat.png", "cat"],
        ["photos/temple.png", "temple"],
    ]
    keys = [line.split("\t")[1] for line in run(send, variables, cwd=tmp_path).splitlines()]
    assert [key.rpartition("-")[2] for key in keys] == ["cat.png", "temple.png"]
    assert all(key.startswith("incoming/tests/things/") for key in keys)


def test_the_python_program(variables: dict[str, str]) -> None:
    program = pages.marked(README, "python").code

    assert run([sys.executable, "-"], variables, program).strip() == program.strip().rsplit("# ", 1)[1]


def test_the_program_of_openai(variables: dict[str, str]) -> None:
    program = pages.marked(README, "openai").code

    assert run([sys.executable, "-"], variables, program).strip() == program.strip().rsplit("# ", 1)[1]


def test_the_program_of_typesafe(variables: dict[str, str], photos: dict[str, bytes], tmp_path: Path) -> None:
    program = pages.marked(README, "typesafe").code
    Image.open(io.BytesIO(photos["cat"])).save(tmp_path / "photo.jpg")

    assert run([sys.executable, "-"], variables, program, cwd=tmp_path).strip() == program.strip().rsplit("# ", 1)[1]


@pytest.mark.parametrize("client", ["litellm", "langchain", "pydantic-ai"])
def test_the_programs_of_other_clients(
    other_clients: OtherClients, deployed: Deployment, photos: dict[str, bytes], tmp_path: Path, client: str
) -> None:
    program = pages.marked(README, client).code
    Image.open(io.BytesIO(photos["cat"])).save(tmp_path / "photo.jpg")

    assert other_clients.run(program, deployed, cwd=tmp_path).strip() == program.strip().rsplit("# ", 1)[1]


def test_the_javascript_program(variables: dict[str, str], javascript: Path, photos: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(javascript / "node_modules")
    Image.open(io.BytesIO(photos["cat"])).save(tmp_path / "photo.jpg")
    (tmp_path / "main.mjs").write_text(pages.marked(README, "javascript").code)

    assert run_node(tmp_path / "main.mjs", **variables).strip() == "[ 'cat' ]"


def test_the_key_commands(deployed: Deployment, local_aws: dict[str, str]) -> None:
    create, listing, rotate, revoke = [line.split("#")[0].split() for line in pages.marked(README, "keys").code.splitlines()]

    key = run(create, local_aws).strip()
    assert deployed.call("GET", "/v1/account", key=key).json()["tenant"]["id"] == "acme"

    (row,) = [line for line in run(listing, local_aws).splitlines() if " acme " in line]
    key_id = row.split()[0]
    newer = run([word.replace("KEY_ID", key_id) for word in rotate], local_aws).strip()
    assert [deployed.call("GET", "/v1/account", key=value).status_code for value in (key, newer)] == [200, 200]

    run([word.replace("KEY_ID", key_id) for word in revoke], local_aws)
    assert [deployed.call("GET", "/v1/account", key=value).status_code for value in (key, newer)] == [401, 200]


def test_the_documentation_is_served(deployed: Deployment) -> None:
    document = deployed.call("GET", "/openapi.json", key=None)
    page = deployed.call("GET", "/docs", key=None)

    assert document.json() == json.loads((ROOT / "docs/openapi.json").read_text())
    assert page.headers["content-type"].startswith("text/html")
    assert "swagger" in page.text.lower()
    assert not re.search(r"""(src|href)=["']https?://""", page.text), "everything comes from us"
