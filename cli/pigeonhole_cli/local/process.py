"""Start and stop the local stack's server process: its sockets, its environment, its data folder."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO

HOST = "127.0.0.1"
REGION = "us-east-1"
ROOT_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
SERVICES = "apigateway,cloudformation,dynamodb,events,iam,lambda,logs,monitoring,s3,sqs,sts"
START_S, STOP_S, LOCK_S = 60.0, 20.0, 5.0


class LocalError(Exception):
    """The local stack can't run; the message is one line that says what to do."""


def open_port(port: int, setting: str) -> socket.socket:
    """Bind `port` of this machine (0: one that the system chooses).

    Raises LocalError naming `setting` if the port is taken.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        opened.bind((HOST, port))
        opened.listen()
    except OSError as error:
        opened.close()
        raise LocalError(
            f"Port {port} can't be used ({error.strerror}). Stop what uses it, or choose another: {setting}."
        ) from None
    return opened


class LocalProcess:
    """One server process over one data folder, whose state it loads at the start and saves at a clean stop.

    A context manager: leaving it stops the process and waits until the state is saved. `module`: what is run, with the two
    sockets and the route file as its arguments. `environment`: added to the bare one.
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
        self.data, self._aws, self._api, self._module = data, aws, api, module
        self.aws_url = f"http://{HOST}:{aws.getsockname()[1]}"
        self.api_url = f"http://{HOST}:{api.getsockname()[1]}"
        self.log = data / "server.log"
        self._route = data / "route.json"
        self._environment = self._bare_environment() | dict(environment or {})
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

    def route_to(self, api_id: str, stage: str) -> None:
        """Serve this API at `api_url`."""
        fresh = self._route.with_suffix(".new")
        fresh.write_text(json.dumps({"api_id": api_id, "stage": stage}))
        fresh.replace(self._route)

    def wait(self) -> None:
        """Wait until the process ends by itself.

        Raises LocalError: it never should.
        """
        assert self._child is not None  # noqa: S101 - only called inside the context
        status = self._child.wait()
        raise LocalError(f"The local stack ended by itself ({status}). Its log: {self.log}")

    def stop(self) -> None:
        """Stop the process and wait until it has saved its state."""
        if self._child is not None:
            with self._child as child:  # closes its standard input, which is the signal to stop
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
                f"{self.data} can't hold the stack's data ({error.strerror}). Choose another: PIGEONHOLE_DATA=..."
            ) from None
        sockets = (self._aws.fileno(), self._api.fileno())
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", self._module, *map(str, sockets), str(self._route)],
                env=self._environment,
                pass_fds=(*sockets, lock.fileno()),  # the lock, too, is the child's until it has saved its state
                stdin=subprocess.PIPE,  # its end tells the child that this process has gone, however that came
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the child in its own time
            )
        self._aws.close()
        self._api.close()

    def _prepare_folder(self) -> IO[str]:
        """Make the data folder and clear it of what the last run left for itself. Gives its lock, which is held."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)  # it will hold API keys
        lock = self._lock = self._take_lock()
        self._check_state()
        self._route.unlink(missing_ok=True)
        shutil.rmtree(self.data / "tmp", ignore_errors=True)  # what functions unpacked last time
        (self.data / "tmp").mkdir(exist_ok=True)  # one of them may still be writing there
        return lock

    def _bare_environment(self) -> dict[str, str]:
        data = self.data.resolve()
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        port = self.aws_url.rsplit(":", 1)[1]
        return kept | {
            "GATEWAY_PORT": port,
            "BIND_HOST": HOST,
            "AUTH": "true",  # roles and policies count, as on AWS
            "AWS_ACCESS_KEY_ID": ROOT_CREDENTIALS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": ROOT_CREDENTIALS["aws_secret_access_key"],
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,  # a person's own would reach into the functions
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "MINISTACK_REGION": REGION,
            "TMPDIR": str(data / "tmp"),
            "PERSIST_STATE": "1",
            "STATE_DIR": str(data / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(data / "s3"),
            "SERVICES": SERVICES,
            "IOT_MTLS_ENABLED": "0",  # its listener would open a fixed port
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
        }

    def _take_lock(self) -> IO[str]:
        """Wait for a child that is still saving what a killed start left."""
        lock = (self.data / "lock").open("w")
        until = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except OSError:
                if time.monotonic() > until:
                    lock.close()
                    raise LocalError(f"Another local stack uses {self.data}. Stop it first.") from None
                time.sleep(0.1)

    def _check_state(self) -> None:
        for path in sorted((self.data / "state").glob("*.json")):
            try:
                json.loads(path.read_bytes())
            except ValueError:
                raise LocalError(f"The saved state {path} is broken. Begin anew, without the keys: rm -r {self.data}") from None

    def _wait_until_ready(self) -> None:
        # The sockets listen already: a connection waits in their queue until ministack has loaded its state.
        assert self._child is not None  # noqa: S101
        until = time.monotonic() + START_S
        host, port = self.aws_url.removeprefix("http://").split(":")
        while time.monotonic() < until:
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
        raise LocalError(f"The local stack was not ready within {START_S:.0f} s. Its log: {self.log}")
