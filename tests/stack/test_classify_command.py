"""`pigeonhole classify` against the deployed stack, and without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.stack.deployment import Deployment
from support.stack.shell import Shell, tenant_name

NAMES = ["cat", "rocket", "temple"]


def test_the_command_classifies_with_and_without_the_stack(
    deployed: Deployment,
    model: Path,
    photos: dict[str, bytes],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    shell = Shell(deployed, tenant_name(request), tmp_path)
    (tmp_path / "photos").mkdir()
    for name in NAMES:
        (tmp_path / "photos" / f"{name}.png").write_bytes(photos[name])
    (tmp_path / "photos" / "broken.png").write_bytes(photos["cat"][:100])
    labels = [word for name in NAMES for word in ("--label", name)]
    arguments = ("classify", "photos", "a photo of a rocket", *labels, "--json", "--scores")

    by_the_stack = json.loads(shell(*arguments, exit_code=4))["results"]
    in_process = json.loads(shell(*arguments, "--local", "--model", str(model), exit_code=4))["results"]

    assert [(result["sample"], result["labels"]) for result in by_the_stack] == [
        ("photos/broken.png", []),
        ("photos/cat.png", ["cat"]),
        ("photos/rocket.png", ["rocket"]),
        ("photos/temple.png", ["temple"]),
        ("a photo of a rocket", ["rocket"]),
    ]
    assert [result["labels"] for result in in_process] == [result["labels"] for result in by_the_stack]
    for mine, its in zip(in_process[1:], by_the_stack[1:], strict=True):
        assert mine["probability"] == pytest.approx(its["probability"], abs=1e-3)
    assert shell("classify", *labels, stdin="a rocket\n").startswith("a rocket\trocket\t")
