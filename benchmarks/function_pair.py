"""functions/api and functions/classify as processes under awslambdaric, and what the two need of AWS, answered at once.

Lambda's place is taken by a Runtime API per function. DynamoDB's endpoint answers from a dictionary. Lambda's endpoint hands an
invocation to the other process, or answers it at once. So the time of a request has no share of an emulated AWS. What remains
of this program is a connection on loopback per call, which AWS has too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

from cold_start import FUNCTION as CLASSIFY_FUNCTION
from cold_start import LIMIT_S, ROOT, Side, pigeonhole_side
from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore
from pigeonhole.tenants.tenant import ApiKeyRecord, Tenant, hash_api_key

if TYPE_CHECKING:
    from support.runtime_api import RuntimeApi

PAGE_BYTES, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
NAMES = ("TABLE_NAME", "CLASSIFY_FUNCTION", "JOB_BUCKET", "JOB_QUEUE", "PLAN_FUNCTION", "PLAN_QUEUE", "UPLOAD_BUCKET")
SAMPLE_EVENT = ROOT / "events/api-classification.json"


class ItemWriter:
    """A DynamoDB client that only remembers the items of a transaction, tagged as DynamoDB has them."""

    def __init__(self) -> None:
        """Create the client without items."""
        self.items: list[dict[str, Any]] = []

    def transact_write_items(self, *, TransactItems: list[dict[str, Any]], **_: Any) -> dict[str, Any]:
        """Remember the items."""
        self.items += [write["Put"]["Item"] for write in TransactItems if "Put" in write]
        return {}


def items_of_api_key(api_key: str) -> dict[str, dict[str, Any]]:
    """Return the items of an API key and its tenant, by `_item_id`."""
    writer = ItemWriter()
    record = ApiKeyRecord("k1e2y3i4d5", hash_api_key(api_key), "benchmark", "load", created_at=int(time.time()))
    store = DynamoTenantStore(writer, "table")  # type: ignore[arg-type]
    store.add_api_key(record, Tenant("benchmark", created_at=record.created_at, grants=()), known=None)
    return {_item_id(item): item for item in writer.items}


def _item_id(key: Mapping[str, Any]) -> str:
    return f"{key['pk']['S']} {key['sk']['S']}"


@dataclass
class Endpoint:
    """DynamoDB's and Lambda's API on a loopback port, for functions/api. A context manager.

    Attributes:
        items: The items of the table.
        invoke: Answers an invocation of functions/classify.
        requests: The count of the rate counter.
        invoked_s: Seconds that `invoke` took the last time.
    """

    items: dict[str, dict[str, Any]]
    invoke: Callable[[bytes], bytes]
    requests: int = 0
    invoked_s: float = 0.0
    url: str = ""

    def __enter__(self) -> Endpoint:
        """Start the server."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"  # a connection is kept, as AWS keeps it
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = endpoint.answer(self.headers.get("X-Amz-Target", ""), body)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                """Write no log."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str, body: bytes) -> bytes:
        """Answer one call."""
        if not target:
            started = time.perf_counter()
            reply = self.invoke(body)
            self.invoked_s = time.perf_counter() - started
            return reply
        request = json.loads(body)
        match target.partition(".")[2]:
            case "GetItem":
                item = self.items.get(_item_id(request["Key"]))
                answer: dict[str, Any] = {"Item": item} if item else {}
            case "UpdateItem":
                self.requests += 1
                answer = {"Attributes": {"requests": {"N": str(self.requests)}}}
            case call:
                raise ValueError(f"{call}: functions/api isn't expected to make this call")
        return json.dumps(answer).encode()


@dataclass
class Running:
    """A function's process.

    Attributes:
        name: The function.
        api: Its Runtime API.
        process: The process.
    """

    name: str
    api: RuntimeApi
    process: subprocess.Popen[bytes]

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Send an event, and return the function's answer.

        Raises:
            SystemExit: The function raised.
        """
        answer = self.api.invoke(event)
        if answer.kind != "response":
            raise SystemExit(f"functions/{self.name} failed: {answer.body}")
        return answer.body

    @property
    def resident_bytes(self) -> int:
        """The memory of the process and of those that it started."""
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES for pid in _family(self.process.pid))

    @property
    def cpu_s(self) -> float:
        """The CPU time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def _family(pid: int) -> list[int]:
    children: list[str] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            children += (thread / "children").read_text().split()
        except OSError:  # this thread has just ended
            continue
    return [pid, *map(int, children)]


@dataclass
class Pair:
    """Both functions, running.

    Attributes:
        api: functions/api.
        classify: functions/classify.
        endpoint: What functions/api calls.
    """

    api: Running
    classify: Running
    endpoint: Endpoint
    event: dict[str, Any] = field(default_factory=lambda: json.loads(SAMPLE_EVENT.read_text()))

    def send(self, body: Mapping[str, Any]) -> float:
        """Send a request body to functions/api, and return the seconds to its answer.

        Raises:
            SystemExit: The answer isn't 200.
        """
        event = self.event | {"body": json.dumps(body)}
        started = time.perf_counter()
        answer = self.api.invoke(event)
        seconds = time.perf_counter() - started
        if answer["statusCode"] != 200:
            raise SystemExit(f"functions/api answered {answer['statusCode']}: {answer['body']}")
        return seconds

    def forward(self, payload: bytes) -> bytes:
        """Answer an invocation by functions/classify."""
        return json.dumps(self.classify.invoke(json.loads(payload))).encode()

    @contextmanager
    def answered_at_once(self, body: Mapping[str, Any]) -> Iterator[None]:
        """Answer each invocation with functions/classify's answer to `body`, without asking it again."""
        replies: list[bytes] = []

        def remember(payload: bytes) -> bytes:
            replies.append(self.forward(payload))
            return replies[0]

        self.endpoint.invoke = remember
        self.send(body)
        self.endpoint.invoke = lambda payload: replies[0]
        try:
            yield
        finally:
            self.endpoint.invoke = self.forward


@contextmanager
def running(name: str, side: Side) -> Iterator[Running]:
    """Start a function's process, and kill it at the end of the block."""
    from support.runtime_api import RuntimeApi

    with RuntimeApi(LIMIT_S) as api, TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        variables = {**api.environment, **side.environment}
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            side.command, cwd=side.folder, env=variables, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield Running(name, api, process)
        finally:
            process.kill()
            process.wait()


@contextmanager
def function_pair(model: Path) -> Iterator[Pair]:
    """Start both functions. `model`: the artifact folder of the model."""
    from support import docker_image, virtual_environments

    environment = virtual_environments.with_requirements(
        CLASSIFY_FUNCTION / "requirements.txt", ROOT / ".cache" / "classify-image"
    )
    api_key = json.loads(SAMPLE_EVENT.read_text())["headers"]["x-api-key"]
    with TemporaryDirectory() as folder, Endpoint(items_of_api_key(api_key), lambda payload: b"") as endpoint:
        image = docker_image.lay_out(CLASSIFY_FUNCTION / "Dockerfile", ROOT, Path(folder), built={"/opt/model": model})
        classify_side = pigeonhole_side("classify", image, str(virtual_environments.python(environment)), model)
        api_side = _api_side(virtual_environments.packages(environment), endpoint.url)
        with running("classify", classify_side) as classify, running("api", api_side) as api:
            pair = Pair(api, classify, endpoint)
            endpoint.invoke = pair.forward
            yield pair


def _api_side(packages: Path, endpoint: str) -> Side:
    """Return functions/api in this environment. `packages` has awslambdaric; those of this environment have priority."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    variables = {
        "PYTHONPATH": f"{ROOT / 'layers/core'}:{site}:{packages}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_LAMBDA_FUNCTION_NAME": "api",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        **{f"PIGEONHOLE_{name}": name.lower() for name in NAMES},
        # On AWS, functions/api waits half a second for the table. A machine with other work takes longer.
        "PIGEONHOLE_LOOKUP_TIMEOUT_S": "5",
    }
    return Side("api", [sys.executable, "-m", "awslambdaric", "handler.handler"], ROOT / "functions/api", variables)
