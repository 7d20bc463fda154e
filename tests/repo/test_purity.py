"""The import rules of docs/architecture.md hold; each rule is shown to find a planted fault, so that none can fall asleep."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from support import source_rules as rules
from support.source_rules import Module

ROOT = Path(__file__).resolve().parents[2]
CODE_FOLDERS = ("layers/core/pigeonhole", "functions", "cli/pigeonhole_cli")
FORBIDDEN_FOLDERS = {"env", "venv", ".env"}

Rule = Callable[[Module], list[str]]


def code() -> list[Module]:
    return [Module.read(ROOT, path) for folder in CODE_FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def repository_files() -> list[str]:
    """What is committed or would be: ignored files are nobody's business here."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True, capture_output=True
    )
    return [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def findings(rule: Rule) -> list[str]:
    return [line for module in code() for line in rule(module)]


def planted(path: str, source: str) -> Module:
    return Module(path, textwrap.dedent(source))


def test_there_is_code_to_look_at() -> None:
    paths = {module.path for module in code()}

    assert {"layers/core/pigeonhole/errors.py", "functions/api/handler.py", "functions/classify/handler.py"} <= paths


def test_aws_libraries_stay_in_their_rooms() -> None:
    assert findings(rules.aws_outside_its_rooms) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("layers/core/pigeonhole/labels.py", "import boto3"),
        ("layers/core/pigeonhole/use_cases/classify_now.py", "from botocore.config import Config"),
        ("layers/core/pigeonhole/contract/classification.py", "from aws_lambda_powertools import Logger"),
        ("layers/core/pigeonhole/scoring.py", "def f():\n    import boto3.session"),
        ("layers/core/pigeonhole/scoring.py", "import importlib\nimportlib.import_module('boto3')"),
        ("functions/api/routes.py", "import boto3"),
        ("cli/pigeonhole_cli/keys.py", "import aws_lambda_powertools"),
    ],
)
def test_an_aws_library_outside_its_rooms_is_found(path: str, source: str) -> None:
    assert len(rules.aws_outside_its_rooms(planted(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("layers/core/pigeonhole/aws/s3.py", "import boto3"),
        ("layers/core/pigeonhole/wiring/clients.py", "import boto3"),
        ("layers/core/pigeonhole/observability.py", "from aws_lambda_powertools import Logger"),
        ("functions/api/handler.py", "from aws_lambda_powertools.event_handler import APIGatewayRestResolver"),
        ("cli/pigeonhole_cli/keys.py", "import boto3"),
        ("layers/core/pigeonhole/labels.py", "import boto3stubs"),
    ],
)
def test_an_aws_library_in_its_room_is_no_fault(path: str, source: str) -> None:
    assert rules.aws_outside_its_rooms(planted(path, source)) == []


def test_engines_stay_in_encoders() -> None:
    assert findings(rules.engines_outside_encoders) == []


@pytest.mark.parametrize(
    "source", ["import torch", "from transformers import AutoModel", "def f():\n    import onnxruntime as ort"]
)
def test_an_engine_outside_encoders_is_found(source: str) -> None:
    assert len(rules.engines_outside_encoders(planted("layers/core/pigeonhole/inference/classifier.py", source))) == 1
    assert len(rules.engines_outside_encoders(planted("cli/pigeonhole_cli/models.py", source))) == 1
    assert rules.engines_outside_encoders(planted("layers/core/pigeonhole/inference/encoders/onnx_encoder.py", source)) == []


def test_the_environment_is_read_by_wiring_handlers_and_the_command_line_only() -> None:
    assert findings(rules.environment_outside_wiring) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nSTAGE = os.environ['STAGE']",
        "import os\ndef f():\n    return os.getenv('STAGE')",
        "from os import environ\n",
        "from os import getenv as read\n",
    ],
)
def test_an_environment_read_elsewhere_is_found(source: str) -> None:
    assert len(rules.environment_outside_wiring(planted("layers/core/pigeonhole/settings.py", source))) == 1
    for path in ("layers/core/pigeonhole/wiring/__init__.py", "functions/api/handler.py", "cli/pigeonhole_cli/local.py"):
        assert rules.environment_outside_wiring(planted(path, source)) == []


def test_nothing_reads_the_environment_at_import() -> None:
    assert findings(rules.environment_at_import) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nSTAGE = os.environ.get('STAGE')",
        "import os\nclass A:\n    stage = os.getenv('STAGE')",
        "import os\ndef f(stage=os.getenv('STAGE')): ...",
    ],
)
def test_an_environment_read_at_import_is_found_even_in_a_handler(source: str) -> None:
    assert len(rules.environment_at_import(planted("functions/api/handler.py", source))) == 1


def test_an_environment_read_within_a_function_is_not_at_import() -> None:
    source = "import os\ndef services():\n    return os.environ\nif __name__ == '__main__':\n    os.getenv('A')"
    assert rules.environment_at_import(planted("functions/api/handler.py", source)) == []


def test_nothing_builds_a_client_at_import() -> None:
    assert findings(rules.clients_at_import) == []


@pytest.mark.parametrize(
    "source",
    [
        "import boto3\nclient = boto3.client('s3')",
        "import boto3\nclass Store:\n    table = boto3.resource('dynamodb').Table('t')",
        "import boto3\ndef f(client=boto3.client('s3')): ...",
        "import httpx\nHTTP = httpx.Client()",
        "import socket\nlistener = socket.socket()",
        "import onnxruntime as ort\nMODEL = ort.InferenceSession('model.onnx')",
        "from transformers import AutoModel\nMODEL = AutoModel.from_pretrained('x')",
    ],
)
def test_a_client_built_at_import_is_found(source: str) -> None:
    assert len(rules.clients_at_import(planted("layers/core/pigeonhole/aws/s3.py", source))) == 1


def test_a_client_built_within_a_function_is_no_fault() -> None:
    source = "import boto3\ndef build():\n    return boto3.client('s3')\nlazy = lambda: boto3.client('s3')"
    assert rules.clients_at_import(planted("layers/core/pigeonhole/aws/s3.py", source)) == []


def test_only_net_connects_to_addresses() -> None:
    assert findings(rules.connections_outside_net) == []


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "import httpcore",
        "import socket",
        "from http.client import HTTPSConnection",
        "from urllib import request",
    ],
)
def test_a_connector_outside_net_is_found(source: str) -> None:
    assert len(rules.connections_outside_net(planted("layers/core/pigeonhole/inference/images/fetch.py", source))) == 1
    assert len(rules.connections_outside_net(planted("functions/classify/handler.py", source))) == 1
    assert rules.connections_outside_net(planted("layers/core/pigeonhole/net/guarded_http.py", source)) == []


def test_parsing_an_address_is_not_connecting() -> None:
    assert (
        rules.connections_outside_net(
            planted("layers/core/pigeonhole/inference/images/fetch.py", "from urllib.parse import urlsplit")
        )
        == []
    )


def test_no_folder_has_a_name_that_sam_drops() -> None:
    assert misnamed_folders(repository_files()) == []


def test_a_folder_that_sam_drops_is_found() -> None:
    files = ["functions/env/handler.py", "README.md", "cli/a/.env/x", "venv/bin/python", "env.py", "cli/environment/x.py"]
    assert misnamed_folders(files) == ["functions/env/handler.py", "cli/a/.env/x", "venv/bin/python"]


def misnamed_folders(files: list[str]) -> list[str]:
    return [name for name in files if FORBIDDEN_FOLDERS & set(name.split("/")[:-1])]


def test_no_file_is_empty() -> None:
    files = [ROOT / name for name in repository_files()]
    assert [str(path.relative_to(ROOT)) for path in files if path.name != "py.typed" and path.stat().st_size == 0] == []
    assert [path for path in files if path.suffix == ".py" and rules.is_empty(Module.read(ROOT, path))] == []


@pytest.mark.parametrize(("source", "empty"), [("", True), ("# later\n", True), ('"""Adapters."""', False), ("x = 1", False)])
def test_a_file_without_a_statement_counts_as_empty(source: str, empty: bool) -> None:
    assert rules.is_empty(planted("layers/core/pigeonhole/aws/__init__.py", source)) is empty


def test_the_api_imports_nothing_that_only_the_images_have() -> None:
    modules = rules.closure(Module.read(ROOT, ROOT / "functions/api/handler.py"), ROOT)

    assert "layers/core/pigeonhole/contract/classification.py" in {module.path for module in modules}, (
        "the walk follows the package's imports"
    )
    assert heavy_imports(modules) == []


def heavy_imports(modules: list[Module]) -> list[str]:
    return [line for module in modules for line in rules.foreign_imports(module, rules.HEAVY, at_import_time=True)]


@pytest.mark.parametrize("package", ["numpy", "PIL", "httpx", "onnxruntime", "torch"])
def test_a_heavy_import_two_modules_away_from_the_api_is_found(package: str, tmp_path: Path) -> None:
    folder = tmp_path / "layers/core/pigeonhole"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""The package."""')
    (folder / "wiring.py").write_text("from pigeonhole.scoring import score")
    types_only = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tokenizers\n"
    (folder / "scoring.py").write_text(f"{types_only}import {package}\n")
    handler = planted("functions/api/handler.py", "from pigeonhole import wiring")

    assert heavy_imports(rules.closure(handler, tmp_path)) == [f"layers/core/pigeonhole/scoring.py:4 imports {package}"]


# Run with the handlers' own libraries: what a static look can't see (a helper called at import, a library that connects).
IMPORTER = """
import importlib, sys
import botocore.session, urllib3.connection  # urllib3 tries whether there is IPv6 by binding a socket
watched = []
events = ("socket.connect", "socket.bind", "socket.getaddrinfo")
sys.addaudithook(lambda name, args: watched.append(name) if name in events else None)
create = botocore.session.Session.create_client
botocore.session.Session.create_client = lambda self, *a, **k: (watched.append("boto3 client"), create(self, *a, **k))[1]
for name in sys.argv[1:]:
    importlib.import_module(name)
    if watched:
        sys.exit(f"{name}: {watched}")
"""


def import_watched(names: list[str], *paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTER, *names],
        env={"PYTHONPATH": ":".join(map(str, paths)), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )


def test_importing_the_package_opens_no_connection() -> None:
    folder = ROOT / "layers/core"
    paths = sorted((folder / "pigeonhole").rglob("*.py"))
    names = [".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__") for path in paths]

    ran = import_watched(names, folder)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("function", ["api", "classify", "worker", "dead_letters", "sweep"])
def test_importing_a_handler_opens_no_connection(function: str) -> None:
    ran = import_watched(["handler"], ROOT / "functions" / function, ROOT / "layers/core")

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "source",
    [
        "import boto3\ndef build():\n    return boto3.client('s3', region_name='eu-west-1')\nCLIENT = build()",
        "import socket\ndef ask():\n    return socket.getaddrinfo('127.0.0.1', 80)\nask()",
    ],
)
def test_a_connection_hidden_behind_a_helper_is_found(source: str, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(source)

    assert import_watched(["planted"], tmp_path).returncode == 1
