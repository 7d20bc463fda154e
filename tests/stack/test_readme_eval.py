"""The README's commands to measure and to calibrate a model, run unchanged on photos and texts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image, ImageOps

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.scoring.calibration import parse_calibration
from pigeonhole_cli.local.command import ROOT
from support import pages

TICKETS = """text,label
My card was charged twice for one order.,billing
Please send me an invoice for March.,billing
The app crashes whenever I open the settings.,bug report
I get an error message after the update.,bug report
The weather is lovely today.,other
"""


def test_the_commands_to_measure_and_to_calibrate(photos: dict[str, bytes], model: Path, tmp_path: Path) -> None:
    for name in ("cat", "temple", "rocket"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        (folder / "0.png").write_bytes(photos[name])
        with Image.open(folder / "0.png") as photo:
            ImageOps.mirror(photo.convert("RGB")).save(folder / "1.png")
    (tmp_path / "tickets.csv").write_text(TICKETS)
    cache = tmp_path / "cache"
    shutil.copytree(model, cache / "models" / "tiny")  # calibrating writes into it
    code = pages.marked((ROOT / "README.md").read_text(encoding="utf-8"), "eval").code

    done = subprocess.run(
        ["bash", "-e"],
        cwd=tmp_path,
        env=os.environ
        | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PIGEONHOLE_CACHE": str(cache)},
        input=code,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    results = [
        json.loads((tmp_path / "build/eval" / name / "tiny/results.json").read_bytes()) for name in ("photos", "tickets")
    ]
    assert [result["counts"]["answered"] for result in results] == [6, 5]
    assert results[0]["metrics"]["accuracy"]["value"] == 1
    loaded = registry.load(cache / "models" / "tiny")
    assert ("image", "text") in parse_calibration(loaded.calibration, loaded.encoder.info).measured
