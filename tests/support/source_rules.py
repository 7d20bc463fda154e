"""What the import rules of docs/architecture.md forbid, read from a module's syntax tree: nothing is imported to find out.

A rule takes a `Module` and gives the lines that break it, as `path:line what`; test_purity.py runs each over the repository.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

PACKAGE = "layers/core/pigeonhole/"
WIRING = PACKAGE + "wiring/"
CLI = "cli/pigeonhole_cli/"

AWS = frozenset({"boto3", "botocore", "aws_lambda_powertools", "aws_xray_sdk"})
ENGINES = frozenset({"torch", "transformers", "onnxruntime"})
CONNECTORS = frozenset({"httpx", "httpcore", "socket", "requests", "urllib3", "aiohttp", "http.client", "urllib.request"})
# The images' own: the zip functions and the layer don't have them.
HEAVY = ENGINES | {"numpy", "PIL", "httpx", "httpcore", "tokenizers", "onnx", "safetensors"}

# Calls that open a connection or build what does, by the end of their dotted name.
CLIENT_CALLS = (
    *("boto3.client", "boto3.resource", "boto3.session.Session", "boto3.Session", "session.client", "session.resource"),
    *("httpx.Client", "httpx.AsyncClient", "httpcore.ConnectionPool", "httpcore.AsyncConnectionPool"),
    *("socket.socket", "socket.create_connection", "socket.create_server", "socket.getaddrinfo", "urlopen"),
    *("InferenceSession", "Tokenizer.from_file", "from_pretrained"),
)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Module:
    """One Python file: `path` from the repository's root with forward slashes, and its text."""

    path: str
    source: str

    @classmethod
    def read(cls, root: Path, path: Path) -> Module:
        return cls(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, self.path)

    def line(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 0)} {what}"

    @property
    def is_handler(self) -> bool:
        return self.path.startswith("functions/") and self.path.endswith("/handler.py")


def imports(module: Module, *, at_import_time: bool = False) -> Iterator[tuple[ast.AST, str]]:
    """Each imported dotted name, with its statement; `from a import b` gives `a.b`, so that a submodule is seen.

    `at_import_time`: only what runs when the module is imported (outside functions, and not for type checkers alone).
    """
    for node in _executed(module.tree) if at_import_time else ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _dotted(node.func).endswith(("import_module", "__import__")):
            yield from (
                (node, arg.value) for arg in node.args[:1] if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )


def foreign_imports(module: Module, names: frozenset[str], *, at_import_time: bool = False) -> list[str]:
    """Imports of `names` or of anything under them."""
    return [
        module.line(node, f"imports {name}")
        for node, name in imports(module, at_import_time=at_import_time)
        if any(name == banned or name.startswith(banned + ".") for banned in names)
    ]


def aws_outside_its_rooms(module: Module) -> list[str]:
    """boto3, botocore and Powertools belong to aws/, observability.py, wiring/, handlers; boto3 to the command line, too."""
    if module.path.startswith(PACKAGE + "aws/") or module.is_handler:
        return []
    if module.path == PACKAGE + "observability.py" or module.path.startswith(WIRING):
        return []
    return foreign_imports(module, AWS - {"boto3", "botocore"} if module.path.startswith(CLI) else AWS)


def engines_outside_encoders(module: Module) -> list[str]:
    """torch, transformers and onnxruntime belong to encoders/."""
    return [] if module.path.startswith(PACKAGE + "inference/encoders/") else foreign_imports(module, ENGINES)


def connections_outside_net(module: Module) -> list[str]:
    """Only net.py connects to an address; AWS is reached through boto3, and the command line is no caller's server."""
    if module.path == PACKAGE + "net/guarded_http.py" or module.path.startswith(CLI):
        return []
    return foreign_imports(module, CONNECTORS)


def environment_outside_wiring(module: Module) -> list[str]:
    """The environment is read by wiring, handlers and the command line; everything else is given what it needs."""
    if module.path.startswith((WIRING, CLI)) or module.is_handler:
        return []
    return [module.line(node, f"reads the environment ({what})") for node, what in _environment_reads(ast.walk(module.tree))]


def environment_at_import(module: Module) -> list[str]:
    """Nobody reads the environment while being imported: an import's result would depend on who came first."""
    reads = _environment_reads(_executed(module.tree))
    return [
        module.line(node, f"reads the environment at import ({what})")
        for node, what in reads
        if not isinstance(node, ast.ImportFrom)
    ]


def clients_at_import(module: Module) -> list[str]:
    """Nobody builds a client, a session of a model or a socket while being imported."""
    return [
        module.line(node, f"calls {name} at import")
        for node in _executed(module.tree)
        if isinstance(node, ast.Call) and (name := _dotted(node.func)) and _ends_with(name, CLIENT_CALLS)
    ]


def is_empty(module: Module) -> bool:
    """Whether a Python file holds no statement at all (a docstring is one)."""
    return not module.tree.body


def closure(start: Module, root: Path) -> list[Module]:
    """`start` and every module of the package that importing it imports, at any depth."""
    found = {start.path: start}
    waiting = [start]
    while waiting:
        for _, name in imports(waiting.pop(), at_import_time=True):
            for path in _files_of(name, root):
                module = Module.read(root, path)
                if module.path not in found:
                    found[module.path] = module
                    waiting.append(module)
    return list(found.values())


def _files_of(name: str, root: Path) -> Iterator[Path]:
    parts = name.split(".")
    if parts[0] != "pigeonhole":
        return
    for depth in range(1, len(parts) + 1):  # importing a.b.c runs a/__init__.py and a/b/__init__.py first
        base = root / "layers/core" / Path(*parts[:depth])
        yield from (path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file())


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: class bodies, decorators and defaults do, function bodies don't."""
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, SCOPES):
            stack.extend(node.args.defaults)
            stack.extend(default for default in node.args.kw_defaults if default)
            stack.extend(getattr(node, "decorator_list", []))
        elif isinstance(node, ast.If) and (_is_for_types(node.test) or _is_main(node.test)):
            stack.extend(node.orelse)
        else:
            stack.extend(ast.iter_child_nodes(node))


def _environment_reads(nodes: Iterator[ast.AST]) -> Iterator[tuple[ast.AST, str]]:
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            if node.attr in ("environ", "environb", "getenv", "getenvb"):
                yield node, f"os.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (
                (node, f"from os import {alias.name}") for alias in node.names if alias.name.startswith(("environ", "getenv"))
            )


def _is_for_types(test: ast.expr) -> bool:
    return _dotted(test).split(".")[-1] == "TYPE_CHECKING"


def _is_main(test: ast.expr) -> bool:
    return isinstance(test, ast.Compare) and _dotted(test.left) == "__name__"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    return ""


def _ends_with(name: str, ends: Sequence[str]) -> bool:
    return any(name == end or name.endswith("." + end) for end in ends)
