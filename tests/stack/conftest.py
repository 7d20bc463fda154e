"""The template, deployed once for all tests of this folder to a local stack on ports that the system chooses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

import recording_server
from pigeonhole.contract.commands import S3Grant
from pigeonhole.inference.encoders.prepare import prepare
from pigeonhole_cli.local.command import GPU_PARAMETERS, ROOT, api_key_manager, local_settings
from pigeonhole_cli.local.process import LocalProcess, open_port
from pigeonhole_cli.local.stack import LocalStack
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from support.loopback import Answer, LoopbackServer, respond
from support.stack.clients import install_javascript
from support.stack.deployment import BUCKET, PREFIX, Deploy, Deployment
from support.stack.job_calls import JobEndEvents
from support.stack.other_clients import OtherClients, install

CLASSIFY_RUNS = 2
LAST = ("test_error_table_whole.py", "test_policies.py")  # in this order


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the checks over all tests after all tests."""
    items.sort(key=lambda item: LAST.index(item.path.name) + 1 if item.path.name in LAST else 0)


@pytest.fixture(scope="session")
def model() -> Path:
    """The artifact folder that `make start` uses. It is prepared if it is missing."""
    name = os.environ.get("MODEL", "tiny")
    folder = cached_folder(name, Path(os.environ.get("PIGEONHOLE_CACHE", DEFAULT_CACHE)))
    prepare(name, folder)
    return folder


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the server records every AWS call, a line of JSON each."""
    return tmp_path_factory.mktemp("record") / "calls.jsonl"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, record: Path) -> Iterator[LocalProcess]:
    sockets = open_port(0, ""), open_port(0, "")
    environment = {"PYTHONPATH": str(Path(recording_server.__file__).parent), "RECORD": str(record)}
    with LocalProcess(tmp_path_factory.mktemp("data"), *sockets, module="recording_server", environment=environment) as process:
        yield process


@pytest.fixture(scope="session")
def opened() -> Iterator[ExitStack]:
    """Closes what the tests opened, at the end."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="session")
def http(opened: ExitStack) -> httpx.Client:
    return opened.enter_context(httpx.Client(timeout=60))


@pytest.fixture(scope="session")
def deployments() -> dict[str, Deployment]:
    """Every stack that has been deployed, by its name."""
    return {}


@pytest.fixture(scope="session")
def deploy(
    server: LocalProcess, model: Path, opened: ExitStack, http: httpx.Client, deployments: dict[str, Deployment]
) -> Deploy:
    """Deploy the template under a name, with parameters, and with settings of functions in addition to the local ones."""

    def deploy(
        name: str,
        *,
        parameters: Mapping[str, str] | None = None,
        settings: Mapping[str, Mapping[str, str]] | None = None,
        classify_concurrency: int = CLASSIFY_RUNS,
    ) -> Deployment:
        stack = opened.enter_context(LocalStack(server.aws_url, name, ROOT))
        local = local_settings(model)
        merged = {
            function: {**local.get(function, {}), **(settings or {}).get(function, {})}
            for function in {*local, *(settings or {})}
        }
        outputs = stack.deploy(classify_concurrency=classify_concurrency, settings=merged, parameters=parameters)
        url = f"{server.aws_url}/restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_"
        deployment = Deployment(url, stack, outputs, api_key_manager(stack, outputs).create("tests", "stack").value, http)
        deployments[name] = deployment
        return deployment

    return deploy


@pytest.fixture(scope="session")
def deployed(server: LocalProcess, deploy: Deploy, model: Path, opened: ExitStack) -> Deployment:
    """The stack of `make start`, on its own port, with tags of uploads, and with an image bucket.

    The tenant is granted a prefix of the bucket.
    """
    account = opened.enter_context(LocalStack(server.aws_url, "none", ROOT))
    account.client("s3").create_bucket(Bucket=BUCKET)
    parameters = {"ImageBucket": BUCKET, "TagUploads": "true", **GPU_PARAMETERS}
    main = deploy("pigeonhole", parameters=parameters)
    gpu = main.stack.gpu_definition(local_settings(model)["GpuDefinition"], parameters)
    runs = {main.outputs["ClassifyFunctionArn"]: CLASSIFY_RUNS}
    server.route_to(main.outputs["ApiId"], main.outputs["StageName"], runs, gpu)
    main.url = server.api_url
    keys = api_key_manager(main.stack, main.outputs)
    main.key = keys.create("tests", "granted", [S3Grant(bucket=BUCKET, prefix=PREFIX)]).value
    return main


@pytest.fixture(scope="session")
def ends(server: LocalProcess, opened: ExitStack) -> JobEndEvents:
    """The events of the ends of jobs, of all stacks."""
    return JobEndEvents(opened.enter_context(LocalStack(server.aws_url, "none", ROOT)))


@pytest.fixture(scope="session")
def photos() -> dict[str, bytes]:
    """The seven photos that the scikit-image and scikit-learn wheels carry, by the text that describes each."""
    import skimage
    import sklearn.datasets

    images, more = Path(skimage.__file__).parent / "data", Path(sklearn.datasets.__file__).parent / "images"
    files = {
        "cat": images / "chelsea.png",
        "cup of coffee": images / "coffee.png",
        "motorcycle": images / "motorcycle_left.png",
        "person": images / "astronaut.png",
        "rocket": images / "rocket.jpg",
        "flower": more / "flower.jpg",
        "temple": more / "china.jpg",
    }
    return {label: path.read_bytes() for label, path in files.items()}


@pytest.fixture(scope="session")
def javascript() -> Path:
    """A folder in which npm's client is installed."""
    return install_javascript(ROOT / ".cache" / "npm")


@pytest.fixture(scope="session")
def other_clients() -> OtherClients:
    """LiteLLM, LangChain and pydantic-ai."""
    return install(ROOT / ".cache")


@pytest.fixture
def web() -> Iterator[Callable[[Mapping[str, bytes | Answer]], LoopbackServer]]:
    """Start servers on this machine that answer each path with a file (bytes) or an answer, and other paths with 404."""
    running: list[LoopbackServer] = []

    def start(pages: Mapping[str, bytes | Answer]) -> LoopbackServer:
        answers = {path: respond(page) if isinstance(page, bytes) else page for path, page in pages.items()}
        missing = respond(b"not here", status="404 Not Found")
        server = LoopbackServer(lambda connection, head: answers.get(head.split()[1], missing)(connection, head))
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__()
