"""Join JavaScript modules into one script.

A browser fetches the modules of a page side by side, and Lambda starts an environment for each request that runs at the same
time. One script needs one. The sources stay modules that a browser could run as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from graphlib import TopologicalSorter

IMPORT = re.compile(r'^import \{(?P<names>[^}]*)\} from "(?:[./\w]*/)(?P<module>\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?P<declaration>(?:async )?(?:function|class|const)\*? (?P<name>\w+))", re.MULTILINE)


def join_modules(sources: Mapping[str, str]) -> str:
    """Return a script that does what the modules do, each in a scope of its own.

    Args:
        sources: The source of each module, by its name without `.js`. A module may import names of others with
            `import { a, b } from "./other.js";`, and export functions, classes and constants where it declares them.

    Raises:
        KeyError: A module imports one that isn't among the sources.
        graphlib.CycleError: Modules import each other.
    """
    imported = {name: [found["module"] for found in IMPORT.finditer(source)] for name, source in sources.items()}
    order = TopologicalSorter(imported).static_order()
    return "\n".join(_to_scope(name, sources[name]) for name in order) + "\n"


def _to_scope(name: str, source: str) -> str:
    exported = ", ".join(found["name"] for found in EXPORT.finditer(source))
    body = IMPORT.sub(lambda found: f"const {{{found['names']}}} = {found['module']}_module;", source)
    body = EXPORT.sub(lambda found: found["declaration"], body)
    return f"// {name}.js\nconst {name}_module = (() => {{\n{body}return {{ {exported} }};\n}})();"
