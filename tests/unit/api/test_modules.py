"""Modules become one script."""

from __future__ import annotations

from graphlib import CycleError

import pytest

from pigeonhole.api.modules import join_modules

DOM = """// Helpers.
const hidden = 1;
export function h(tag) { return tag; }
export const SIZE = 2;
"""
MAIN = """import { h, SIZE } from "./parts/dom.js";
export async function start() {}
export class View {}
h(SIZE);
"""


def test_a_module_comes_after_those_that_it_imports() -> None:
    script = join_modules({"main": MAIN, "dom": DOM})

    assert script.index("// dom.js") < script.index("// main.js")


def test_an_import_reads_what_the_other_module_returned() -> None:
    script = join_modules({"main": MAIN, "dom": DOM})

    assert "const { h, SIZE } = dom_module;" in script
    assert "return { h, SIZE };" in script
    assert "return { start, View };" in script


def test_no_statement_is_left_that_only_a_module_may_have() -> None:
    script = join_modules({"main": MAIN, "dom": DOM})

    assert "import " not in script
    assert "export " not in script


def test_a_missing_module_is_named() -> None:
    with pytest.raises(KeyError, match="dom"):
        join_modules({"main": MAIN})


def test_modules_that_import_each_other_are_an_error() -> None:
    with pytest.raises(CycleError):
        join_modules({"a": 'import { b } from "./b.js";\nexport const a = 1;\n', "b": 'import { a } from "./a.js";\n'})
