"""Start and stop the server process of the local stack: its sockets, its environment, its data folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO

from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.batch import Definition
from pigeonhole_cli.local.capacity import MAX_IDLE_S
from pigeonhole_cli.local.snapshots import complete_snapshot

HOST = "127.0.0.1"
REGION = "us-east-1"
ROOT_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
SERVICES = "apigateway,cloudformation,dynamodb,events,iam,lambda,logs,monitoring,s3,sqs,sts"
START_S, STOP_S, LOCK_S = 60.0, 20.0, 5.0
MAX_PORTS = 20  # that are tried one after another if they are in use


class LocalError(Exception):
    """The local stack can't run. The message is one line that says what to do."""


class PortInUse(LocalError):
    """Another process listens on the port."""


def open_port(port: int, setting: str) -> socket.socket:
    """Bind a port of this machine and listen on it.

    Args:
        port: The port, or 0 for any free port.
        setting: How to choose another port, for the error: `PORT=8090`.

    Raises:
        LocalError: The port can't be used.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        opened.bind((HOST, port))
        opened.listen()
    except OSError as error:
        opened.close()
        kind = PortInUse if error.errno == errno.EADDRINUSE else LocalError
        raise kind(
            f"Port {port} can't be used ({error.strerror}). Stop what uses it, or choose another port: {setting}."
        ) from None
    return opened


def open_next_port(port: int, setting: str) -> socket.socket:
    """Open a port as `open_port` does. If it is in use, open the first of the next ones that is free.

    Raises:
        LocalError: The port can't be used, or all of MAX_PORTS ports are in use.
    """
    for candidate in range(port, min(port + MAX_PORTS, 65_536)):
        with suppress(PortInUse):
            return open_port(candidate, setting)
    return open_port(port, setting)


class LocalProcess:
    """The server process of one data folder. It loads the saved state at its start, and saves it while it runs and at its end.

    It is a context manager: leaving it stops the process and waits until the state is saved.

    Attributes:
        aws_url: The address of the emulated AWS.
        api_url: The address of the API.
        log: The process's log file.
    """

    def __init__(
        self,
        data: Path,
        aws: socket.socket,
        api: socket.socket,
        *,
        module: str = "pigeonhole_cli.local.server",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare the process. It is started when the context is entered.

        Args:
            data: The data folder.
            aws: The listening socket of the emulated AWS.
            api: The listening socket of the API.
            module: The Python module to run. Its arguments are the two sockets, the data folder's lock and the route file.
            environment: Variables in addition to the minimal ones.
        """
        self.data, self._aws, self._api, self._module = data, aws, api, module
        self.aws_url = f"http://{HOST}:{aws.getsockname()[1]}"
        self.api_url = f"http://{HOST}:{api.getsockname()[1]}"
        self.log = data / "server.log"
        self._route = data / "route.json"
        self._environment = self._minimal_environment() | dict(environment or {})
        self._lock: IO[str] | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalProcess:
        try:
            self._start()
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def route_to(self, api_id: str, stage: str, runs: Mapping[str, int] | None = None, gpu: Definition | None = None) -> None:
        """Serve this API at `api_url` from now on.

        Args:
            api_id: The id of the REST API.
            stage: Its stage.
            runs: How many invocations of a function run at the same time, by its ARN. Others wait. An invocation of a function
                that isn't here never waits: beyond its reserved concurrency it is refused, as on AWS.
            gpu: The job definition of GPU workers, None if none are deployed.
        """
        partial = self._route.with_suffix(".new")
        route = {"api_id": api_id, "stage": stage, "runs": dict(runs or {}), "gpu": asdict(gpu) if gpu else None}
        partial.write_text(json.dumps(route))
        partial.replace(self._route)

    def wait(self) -> None:
        """Wait until the process ends without being stopped.

        Raises:
            LocalError: The process has ended.
        """
        assert self._child is not None  # noqa: S101 - called only inside the context
        status = self._child.wait()
        raise LocalError(f"The local stack ended unexpectedly (status {status}). See its log: {self.log}")

    def stop(self) -> None:
        """Stop the process and wait until it has saved its state."""
        if self._child is not None:
            with self._child as child:  # leaving the context closes the child's standard input, which also stops it
                child.terminate()
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
        if self._lock is not None:
            self._lock.close()
        self._aws.close()
        self._api.close()

    def _start(self) -> None:
        try:
            lock = self._prepare_folder()
        except OSError as error:
            raise LocalError(
                f"{self.data} can't hold the stack's data ({error.strerror}). Choose another folder: PIGEONHOLE_DATA=..."
            ) from None
        # The child holds the lock until it has saved its state.
        descriptors = (self._aws.fileno(), self._api.fileno(), lock.fileno())
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - runs only this package's module
                [sys.executable, "-m", self._module, *map(str, descriptors), str(self._route)],
                env=self._environment,
                pass_fds=descriptors,
                stdin=subprocess.PIPE,  # closed when this process ends, even by a crash: then the child stops
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops the child
            )
        self._aws.close()
        self._api.close()

    def _prepare_folder(self) -> IO[str]:
        """Create the data folder, remove the last run's temporary files, and return the folder's lock, which is held."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # the folder will hold API keys
        lock = self._lock = self._take_lock()
        complete_snapshot(self.data / "state")
        if not any((self.data / "state").glob("*.json")):
            # Buckets of a first start that was killed before its state was saved. ministack would know only their objects.
            shutil.rmtree(self.data / "s3", ignore_errors=True)
        self._check_state()
        self._route.unlink(missing_ok=True)
        shutil.rmtree(self.data / "tmp", ignore_errors=True)  # code that the last run's functions unpacked
        (self.data / "tmp").mkdir(exist_ok=True)  # a function of the last run may still write there
        return lock

    def _minimal_environment(self) -> dict[str, str]:
        data = self.data.resolve()
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        port = self.aws_url.rsplit(":", 1)[1]
        return inherited | {
            "GATEWAY_PORT": port,
            "BIND_HOST": HOST,
            "AUTH": "true",  # enforce roles and policies, as AWS does
            "AWS_ACCESS_KEY_ID": ROOT_CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": ROOT_CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,  # the user's own profiles must not reach the functions
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(data / "tmp"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(data / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(data / "s3"),
            "SERVICES": SERVICES,
            "LAMBDA_WARM_TTL_SECONDS": str(MAX_IDLE_S),
            "IOT_MTLS_ENABLED": "0",  # its listener would open a fixed port
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }

    def _take_lock(self) -> IO[str]:
        """Lock the data folder. A child whose parent was killed may hold the lock until it has saved its state."""
        lock = (self.data / "lock").open("w")
        deadline_s = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except OSError:
                if time.monotonic() > deadline_s:
                    lock.close()
                    running = Addresses.read(self.data)
                    where = f" It is at {running.api_url}." if running else ""
                    raise LocalError(f"Another local stack uses {self.data}.{where} Stop it first.") from None
                time.sleep(0.1)

    def _check_state(self) -> None:
        for path in sorted((self.data / "state").glob("*.json")):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                raise LocalError(
                    f"The saved state {path} is broken. Start without it, which deletes the API keys: rm -r {self.data}"
                ) from None

    def _wait_until_ready(self) -> None:
        # The sockets are listening already. A connection waits in their queue until ministack has loaded its state.
        assert self._child is not None  # noqa: S101
        deadline_s = time.monotonic() + START_S
        host, port = self.aws_url.removeprefix("http://").split(":")
        while time.monotonic() < deadline_s:
            if self._child.poll() is not None:
                lines = self.log.read_text(errors="replace").strip().splitlines() or ["no output"]
                raise LocalError(f"The local stack did not start: {lines[-1]} (log: {self.log})")
            try:
                with socket.create_connection((host, int(port)), 0.5) as probe:
                    probe.settimeout(0.5)
                    probe.sendall(
                        f"GET /_ministack/health HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()
                    )
                    if b" 200 " in probe.recv(64):
                        return
            except OSError:
                time.sleep(0.05)
        raise LocalError(f"The local stack was not ready within {START_S:.0f} s. See its log: {self.log}")
