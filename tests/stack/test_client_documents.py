"""The examples of docs/client.md, docs/notebook.ipynb and the README for Python, SQL and the terminal, run unchanged."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pigeonhole_cli.local.command import ROOT
from support import notebook, pages
from support.cli.api_server import read_terminal
from support.stack.deployment import Deployment

README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIENT = (ROOT / "docs/client.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "docs/notebook.ipynb"
NAMES = ("cat", "rocket", "temple")


@pytest.fixture
def environment(deployed: Deployment, model: Path) -> dict[str, str]:
    """What the reader has: the two variables, the command, and a prepared model."""
    return {
        "JIGSAWSTACK_API_URL": deployed.url,
        "JIGSAWSTACK_API_KEY": deployed.key,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PIGEONHOLE_CACHE": str(model.parent.parent),
        "MODEL": model.name,
    }


@pytest.fixture
def folder(tmp_path: Path, photos: dict[str, bytes]) -> Path:
    """The working directory of the examples."""
    (tmp_path / "photos").mkdir()
    for name in NAMES:
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(photos[name])
    (tmp_path / "photo.jpg").write_bytes(photos["cat"])
    (tmp_path / "reviews.txt").write_text("I love it, it is wonderful!\nIt broke after one day.\n")
    return tmp_path


def run(command: list[str], code: str, environment: Mapping[str, str], folder: Path) -> list[str]:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, input=code, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("document", "mark", "printed"),
    [
        (README, "client", ["cat 0.99"]),
        (CLIENT, "client", ["['billing', 'bug']", "billing 0.99", "bug 0.99"]),
        (CLIENT, "frames", ["review", "positive", "negative", "None"]),
        (CLIENT, "sql", ["I love it, it is wonderful! │ positive", "It broke after one day.     │ negative"]),
    ],
    ids=["readme", "client", "frames", "sql"],
)
def test_the_examples_in_python(
    environment: dict[str, str], folder: Path, document: str, mark: str, printed: list[str]
) -> None:
    output = "\n".join(run([sys.executable, "-"], pages.marked(document, mark).code, environment, folder))

    assert [words for words in printed if words not in output] == [], output


def test_the_readmes_commands(environment: dict[str, str], folder: Path) -> None:
    lines = run(["bash", "-e"], pages.marked(README, "classify").code, environment, folder)

    assert [line.split("\t")[:2] for line in lines[:4]] == [
        *(["photos/" + name + ".jpg", name] for name in NAMES),
        ["I was charged twice", "billing"],
    ]
    assert lines[4] == "sample,label,probability,error"
    assert [line.split(",")[-3] for line in lines[5:7]] == ["positive", "negative"]
    assert [line.strip() for line in lines if line.startswith('        "')] == [f'"{name}"' for name in (*NAMES, "cat")]


def test_the_readmes_table(environment: dict[str, str], folder: Path) -> None:
    command = pages.marked(README, "classify").code.splitlines()[0].split()
    reader, terminal = pty.openpty()
    dull = {"TERM": "dumb", "COLUMNS": "80", "LANG": "C.UTF-8"}
    with subprocess.Popen(command, cwd=folder, env=os.environ | environment | dull, stdout=terminal) as process:
        os.close(terminal)
        printed = read_terminal(reader)

    assert process.returncode == 0
    assert [line.rstrip() for line in printed.splitlines()] == pages.marked(README, "table").code.splitlines()


def test_the_commands_of_the_page(environment: dict[str, str], folder: Path) -> None:
    lines = run(["bash", "-e"], pages.marked(CLIENT, "classify").code, environment, folder)

    assert lines[0].startswith("I was charged twice\tbilling\t")
    assert lines[-1].startswith("a red car\tcar\t")


def test_the_notebook_holds_what_its_cells_print(environment: dict[str, str]) -> None:
    """If an answer changes on purpose, store it: see support/notebook.py."""
    assert notebook.run_in_process(NOTEBOOK, environment) == notebook.stored_outputs(NOTEBOOK)
