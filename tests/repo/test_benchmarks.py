"""Each benchmark runs once in the tests, in its smallest size, so that it can't rot."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def benchmarks() -> list[str]:
    """Return the names of the programs in benchmarks/."""
    return sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if 'if __name__ == "__main__":' in path.read_text())


@cache
def list_test_modules() -> list[tuple[str, set[str]]]:
    """Return the docstring and the imports of each test module."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "tests/**/test_*.py"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode().split()
    trees = [ast.parse((ROOT / name).read_text("utf-8")) for name in listed if (ROOT / name).is_file()]
    return [(ast.get_docstring(tree) or "", imported(tree)) for tree in trees]


def imported(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("benchmark", benchmarks())
def test_a_test_names_and_runs_the_benchmark(benchmark: str) -> None:
    named = [imports for docstring, imports in list_test_modules() if f"{benchmark}.py" in docstring]

    assert any(benchmark in imports for imports in named), (
        f"add a test that runs benchmarks/{benchmark}.py in its smallest size, and names it"
    )
