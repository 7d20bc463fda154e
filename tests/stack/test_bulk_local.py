"""`pigeonhole bulk local` with the bundled model: the README's commands, a kill in the middle, the answers of the API."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pigeonhole_cli.local.command import ROOT
from support import pages
from support.stack.deployment import Deployment, request, text

WORDS = ("I love it, it is wonderful.", "The worst I ever had.", "It arrived on Monday.", "Lovely, I'd buy it again!")
MOODS = ["positive", "negative"]


def environment(model: Path) -> dict[str, str]:
    """The environment of a shell in which `pigeonhole` is on the path and the model is prepared."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PIGEONHOLE_CACHE": str(model.parent.parent), "MODEL": model.name}


def rows(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


def write_texts(path: Path, count: int) -> None:
    """Write a manifest of which 1 % of the lines are wrong."""
    lines = [
        json.dumps({"custom_id": f"text {k}", "type": "text", "value": f"{WORDS[k % len(WORDS)]} No. {k}"})
        if k % 100 != 50
        else '{"type": "text"'
        for k in range(count)
    ]
    path.write_text("\n".join(lines))


def test_the_readmes_commands(photos: dict[str, bytes], model: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("cat", "temple", "rocket"):
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(photos[name])
    write_texts(tmp_path / "reviews.jsonl", 60)
    code = pages.marked((ROOT / "README.md").read_text(encoding="utf-8"), "bulk").code

    done = subprocess.run(
        ["bash"], cwd=tmp_path, env=environment(model), input=code, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 4, done.stderr  # one of the reviews is no sample
    assert {row["custom_id"]: row["prediction"] for row in rows(tmp_path / "results", "part-*")} == {
        f"{name}.jpg": name for name in ("cat", "temple", "rocket")
    }
    counts = json.loads((tmp_path / "moods" / "_manifest.json").read_bytes())["counts"]
    assert counts == {"total": 60, "succeeded": 59, "failed": 1}


@pytest.mark.parametrize("output", ["jsonl", "parquet"])
def test_a_run_that_was_killed_continues_and_ends_with_the_answers_of_the_api(
    deployed: Deployment, model: Path, tmp_path: Path, output: str
) -> None:
    write_texts(tmp_path / "in.jsonl", 4_000)
    labels = [word for mood in MOODS for word in ("--label", mood)]
    command = [sys.executable, "-m", "pigeonhole_cli", "bulk", "local", "in.jsonl", *labels, "--scores", "--format", output]

    def start(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, "--out", out], cwd=tmp_path, env=environment(model), stderr=subprocess.DEVNULL)

    first = start("out")
    wait_for_span(1, tmp_path / "out", first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start("out")
    wait_for_span(2, tmp_path / "out", second)
    second.send_signal(signal.SIGINT)
    assert second.wait(60) == 130
    stored = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert start("out").wait(300) == 4

    assert {name: (tmp_path / "out" / name).stat().st_mtime_ns for name in stored} == stored, "complete parts stay"
    found = read_all(tmp_path / "out", "part-*", output)
    errors = read_all(tmp_path / "out", "errors-*", output)
    assert [row["line"] for row in found] == [k + 1 for k in range(4_000) if k % 100 != 50]
    assert [row["line"] for row in errors] == [k + 1 for k in range(4_000) if k % 100 == 50]
    asked = found[:: len(found) // 30][:30]
    values = [f"{WORDS[(row['line'] - 1) % len(WORDS)]} No. {row['line'] - 1}" for row in asked]
    answer = deployed.classify(request([text(value) for value in values], [text(mood) for mood in MOODS], scores=True)).json()
    assert [row["prediction"] for row in asked] == answer["predictions"]
    assert [score["probability"] for row in asked for score in row["scores"]] == pytest.approx(
        [score["probability"] for scores in answer["scores"] for score in scores], abs=1e-4
    )


def wait_for_span(number: int, out: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until the journal has a span. Its part is there a moment earlier, and would be written again without the record."""
    deadline_s = time.monotonic() + 120
    journal = out / "_journal.jsonl"
    while not (journal.exists() and f'{{"number":{number},' in journal.read_text()):
        assert process.poll() is None, "the run ended before"
        assert time.monotonic() < deadline_s, f"span {number} is not complete"
        time.sleep(0.02)


def read_all(folder: Path, pattern: str, output: str) -> list[dict[str, Any]]:
    if output == "jsonl":
        return rows(folder, pattern)
    import pyarrow.parquet as pq

    return [row for path in sorted(folder.glob(pattern)) for row in pq.read_table(path).to_pylist()]
