"""The n8n node: its own tests pass, n8n's linters accept it, and its package has only what n8n loads."""

from __future__ import annotations

import json

import pytest

from pigeonhole.settings import Settings
from support.node_package import FOLDER, npm

pytestmark = pytest.mark.slow  # npm installs packages, and the TypeScript compiler takes seconds


def test_the_tests_of_the_node_pass() -> None:
    assert "# fail 0" in npm("test")


def test_the_linters_of_n8n_accept_the_package() -> None:
    npm("run", "lint")


def test_the_package_has_what_n8n_loads_and_nothing_else() -> None:
    npm("run", "build")

    (packed,) = json.loads(npm("pack", "--dry-run", "--json"))

    names = {file["path"] for file in packed["files"]}
    loaded = json.loads((FOLDER / "package.json").read_text())["n8n"]
    assert {*loaded["nodes"], *loaded["credentials"]} <= names
    assert {"dist/icons/pigeonhole.svg", "dist/icons/pigeonhole.dark.svg"} <= names
    assert {name for name in names if not name.startswith("dist/")} == {"package.json", "README.md"}
    assert packed["size"] < 50_000


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (FOLDER / "package-lock.json").read_text()


def test_the_limits_of_the_node_are_the_defaults_of_the_service() -> None:
    source = (FOLDER / "nodes/Pigeonhole/limits.ts").read_text()

    for name, value in (
        ("MAX_BODY_BYTES", Settings.max_body_bytes),
        ("MAX_SAMPLES", Settings.max_samples),
        ("MAX_JOB_SAMPLES", Settings.max_job_samples),
        ("MAX_TEXT_CHARS", Settings.max_text_chars),
    ):
        assert f"export const {name} = {value:_};" in source
