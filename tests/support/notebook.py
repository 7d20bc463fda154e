"""Run the code cells of a notebook one after another in one namespace, as Jupyter does, without Jupyter.

With a running stack in JIGSAWSTACK_API_URL and JIGSAWSTACK_API_KEY, this stores what the cells print:

    .venv/bin/python tests/support/notebook.py docs/notebook.ipynb --write

Without `--write` the outputs are printed as JSON, and the notebook isn't changed.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Cell = dict[str, Any]


def code_cells(notebook: Mapping[str, Any]) -> list[Cell]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored_outputs(path: Path) -> list[list[Cell]]:
    """Return what a notebook holds as the output of each code cell."""
    return [cell["outputs"] for cell in code_cells(json.loads(path.read_bytes()))]


def run_in_process(path: Path, environment: Mapping[str, str]) -> list[list[Cell]]:
    """Run a notebook in a process of its own, and return the output of each code cell."""
    done = subprocess.run(
        [sys.executable, __file__, str(path)],
        cwd=path.parent,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    outputs: list[list[Cell]] = json.loads(done.stdout)
    return outputs


def run_cell(source: str, count: int, namespace: dict[str, Any]) -> list[Cell]:
    """Run a cell. What it prints is one output, and the value of its last expression another."""
    tree = ast.parse(source)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value = None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, f"cell {count}", "exec"), namespace)
        if last is not None:
            value = eval(compile(last, f"cell {count}", "eval"), namespace)
    outputs: list[Cell] = []
    if printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": printed.getvalue().splitlines(keepends=True)})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        outputs.append({"data": data, "execution_count": count, "metadata": {}, "output_type": "execute_result"})
    return outputs


def main(path: str, *options: str) -> None:
    notebook = json.loads(Path(path).read_bytes())
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell["execution_count"] = count
        cell["outputs"] = run_cell("".join(cell["source"]), count, namespace)
    if options == ("--write",):
        Path(path).write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        print(json.dumps([cell["outputs"] for cell in code_cells(notebook)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
