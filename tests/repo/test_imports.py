"""What importing the package and each handler does: it opens no connection, reads no variable, and stays light for the API.

The rules on who imports what are in pyproject.toml and functions/ruff.toml; `make lint` checks them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers/core"
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/handler.py"))
DROPPED_BY_SAM = {"env", "venv", ".env"}
# The images have these packages; the layer and the zip functions don't.
HEAVY = (
    "numpy",
    "PIL",
    "httpx",
    "httpcore",
    "tokenizers",
    "onnx",
    "onnxruntime",
    "torch",
    "transformers",
    "cachetools",
    "emoji",
    "pi_heif",
)

# Watch from the handlers' side: a static rule misses a helper that runs at import and a library that connects.
IMPORTER = """
import importlib, os, sys
import botocore.session, urllib3.connection  # urllib3 binds a socket once, to find out whether there is IPv6

watched = []
events = ("socket.connect", "socket.bind", "socket.getaddrinfo")
sys.addaudithook(lambda name, args: watched.append(name) if name in events else None)
create = botocore.session.Session.create_client
botocore.session.Session.create_client = lambda self, *a, **k: (watched.append("boto3 client"), create(self, *a, **k))[1]

ours = tuple(os.environ["PYTHONPATH"].split(":"))

def read_by_us():
    frame = sys._getframe(2)
    while frame.f_code.co_filename in ("<frozen os>", "<frozen _collections_abc>"):
        frame = frame.f_back
    return frame.f_code.co_filename.startswith(ours)

class WatchedEnvironment(type(os.environ)):
    def __getitem__(self, name):
        if read_by_us() and name != "AWS_LAMBDA_INITIALIZATION_TYPE":  # see wiring/lambda_start.py
            watched.append(name)
        return super().__getitem__(name)

def watch_constructor(cls):
    original = cls.__init__
    cls.__init__ = lambda self, *a, **k: (watched.append(cls.__name__), original(self, *a, **k))[1]

if sys.argv[1] == "engine":
    import httpx, onnxruntime
    watch_constructor(httpx.Client)
    watch_constructor(onnxruntime.InferenceSession)
os.environ.__class__ = WatchedEnvironment
for name in sys.argv[2:]:
    importlib.import_module(name)
    if watched:
        sys.exit(f"{name}: {watched}")
print(*sys.modules)
"""


def import_watched(names: list[str], *paths: Path, loads_engine: bool = True) -> subprocess.CompletedProcess[str]:
    """Import modules. `loads_engine`: load httpx and the engine first, so that their clients and sessions are watched."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTER, "engine" if loads_engine else "light", *names],
        env={"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_importing_the_package_opens_no_connection_and_reads_no_setting() -> None:
    paths = sorted((PACKAGE / "pigeonhole").rglob("*.py"))
    names = [".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__") for path in paths]

    result = import_watched(names, PACKAGE)

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("function", FUNCTIONS)
def test_importing_a_handler_opens_no_connection_and_reads_no_setting(function: str) -> None:
    result = import_watched(["handler"], ROOT / "functions" / function, PACKAGE)

    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "source",
    [
        "import boto3\ndef build():\n    return boto3.client('s3', region_name='eu-west-1')\nCLIENT = build()",
        "import socket\ndef resolve():\n    return socket.getaddrinfo('127.0.0.1', 80)\nresolve()",
        "import os\nSTAGE = os.environ.get('PIGEONHOLE_STAGE')",
        "import os\ndef f(stage=os.getenv('PIGEONHOLE_STAGE')): ...",
        "import os\nMEMORY = os.environ.get('AWS_LAMBDA_FUNCTION_MEMORY_SIZE')",
        "import httpx\nCLIENT = httpx.Client()",
        "import contextlib, onnxruntime\nwith contextlib.suppress(Exception):\n    onnxruntime.InferenceSession(b'')",
    ],
)
def test_what_a_module_does_at_import_is_noticed(source: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(source)

    assert import_watched(["planted"], tmp_path).stderr.startswith("planted: [")


def test_importing_the_api_handler_loads_no_package_that_only_the_images_have() -> None:
    result = import_watched(["handler"], ROOT / "functions/api", PACKAGE, loads_engine=False)

    loaded = set(result.stdout.split())
    assert "pigeonhole.wiring.api" in loaded, result.stderr
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(("function", "libraries"), [("classify", set()), ("worker", {"PIL", "pi_heif"})])
def test_importing_a_handler_of_the_image_loads_the_engine_so_that_a_broken_image_fails_at_its_start(
    function: str, libraries: set[str]
) -> None:
    result = import_watched(["handler"], ROOT / "functions" / function, PACKAGE, loads_engine=False)

    assert {"onnxruntime", "numpy", "tokenizers", *libraries} <= set(result.stdout.split()), result.stderr


def test_importing_the_classify_handler_leaves_the_image_libraries_to_the_processes_that_decode() -> None:
    result = import_watched(["handler"], ROOT / "functions/classify", PACKAGE, loads_engine=False)

    loaded = set(result.stdout.split())
    assert "pigeonhole.inference.pipeline" in loaded, result.stderr
    assert loaded.isdisjoint({"PIL", "pi_heif"})


def test_importing_the_classify_handler_loads_nothing_of_the_api_and_of_jobs() -> None:
    result = import_watched(["handler"], ROOT / "functions/classify", PACKAGE, loads_engine=False)

    loaded = set(result.stdout.split())
    assert "pigeonhole.wiring.inference" in loaded, result.stderr
    assert not {name for name in loaded if name.startswith(("pigeonhole.api", "pigeonhole.jobs", "pigeonhole.bulk"))}


def repository_files() -> list[str]:
    """Give the files that are committed or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_folder_has_a_name_that_sam_drops() -> None:
    assert [name for name in repository_files() if DROPPED_BY_SAM & set(name.split("/")[:-1])] == []


def test_no_file_is_empty() -> None:
    assert [name for name in repository_files() if not name.endswith("py.typed") and not (ROOT / name).stat().st_size] == []


def test_no_python_file_lacks_a_statement() -> None:
    """A docstring is a statement, a comment isn't."""
    names = [name for name in repository_files() if name.endswith(".py")]

    assert [name for name in names if not ast.parse((ROOT / name).read_text(encoding="utf-8")).body] == []
