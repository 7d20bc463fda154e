"""Servers on this machine that misbehave, and backends that reach them by a public name."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import httpcore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[socket.socket, str], None]


class LoopbackServer:
    """Gives each connection and the head of its request to `answer`, which writes any bytes. A context manager.

    The server ends with its `with` block, whatever its connections are doing.

    Attributes:
        host: The address on which it listens.
        port: The port on which it listens.
        heads: The heads of all requests.
    """

    def __init__(
        self, answer: Answer, *, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None, mute: bool = False
    ) -> None:
        self._answer = answer
        self._tls = tls
        self._mute = mute  # accept connections, but make no handshake and read nothing
        self._listener = socket.create_server((host, port))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.host = host
        self.port = self._listener.getsockname()[1]
        self.heads: list[str] = []

    def url(self, path: str = "/") -> str:
        return f"http://{self.host}:{self.port}{path}"

    def __enter__(self) -> LoopbackServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):  # the client has closed the connection
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=5)
        for connection in self._connections:
            connection.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        if self._mute:
            return
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._connections.append(connection)
            head = b""
            while b"\r\n\r\n" not in head:
                received = connection.recv(65_536)
                if not received:
                    return
                head += received
            self.heads.append(head.decode())
            self._answer(connection, self.heads[-1])
            connection.close()
        except OSError:
            pass  # in many tests the client closes the connection


class RoutingBackend(httpcore.NetworkBackend):
    """Opens every connection to one local server, and records the address that was wanted."""

    def __init__(self, server: LoopbackServer, dead: Iterable[str] = ()) -> None:
        self._server = server
        self._dead = set(dead)
        self.connected: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **_: object) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        if host in self._dead:
            raise httpcore.ConnectTimeout
        return httpcore.SyncBackend().connect_tcp(self._server.host, self._server.port, timeout=timeout)


class SpyBackend(httpcore.NetworkBackend):
    """Opens no connection. It records the address that was wanted, and refuses."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, **_: object) -> httpcore.NetworkStream:
        self.connected.append((host, port))
        raise httpcore.ConnectError


class SpyResolver:
    """Resolves with the next of `answers`, and with the last one from then on. It records the lookups."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.lookups: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> list[str]:
        self.lookups.append((host, port))
        return self._answers[min(len(self.lookups), len(self._answers)) - 1]


def respond(body: bytes = b"", *, status: str = "200 OK", headers: Iterable[str] = (), length: int | None = None) -> Answer:
    """Return an answer. Its Content-Length is that of the body, or `length`."""

    def answer(connection: socket.socket, _: str) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
        connection.sendall("\r\n".join(head).encode("latin-1") + body)

    return answer


def redirect(location: str, status: str = "302 Found") -> Answer:
    """Return an answer that redirects."""
    return respond(status=status, headers=[f"Location: {location}"])


def forward(port: int) -> Answer:
    """Return an answer that hands a connection on to another port of this machine, until either end closes it."""

    def answer(connection: socket.socket, head: str) -> None:
        with socket.create_connection(("127.0.0.1", port)) as beyond:
            beyond.sendall(head.encode())
            back = threading.Thread(target=_pump, args=(beyond, connection), daemon=True)
            back.start()
            _pump(connection, beyond)
            back.join(timeout=5)

    return answer


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while received := source.recv(65_536):
            target.sendall(received)
    with suppress(OSError):  # the target has closed the connection
        target.shutdown(socket.SHUT_RDWR)


def certificate(name: str) -> bytes:
    """Return a self-signed certificate for a name and its private key, as PEM."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private_pem = private_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return private_pem + signed.public_bytes(pem)
