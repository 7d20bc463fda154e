"""Connections to addresses that were checked, whatever the host's name resolves to by now."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Sequence

import httpcore

from pigeonhole.net.addresses import Address
from pigeonhole.net.deadline import Deadline


class PinnedBackend(httpcore.NetworkBackend):
    """Connects to the first of the checked addresses that answers."""

    def __init__(
        self, addresses: Sequence[Address], backend: httpcore.NetworkBackend, tls: ssl.SSLContext, deadline: Deadline
    ) -> None:
        """Create a backend for one fetch.

        Args:
            addresses: The addresses that were checked.
            backend: Opens TCP connections.
            tls: The certificates to trust.
            deadline: The end of the fetch.
        """
        self._addresses, self._backend, self._tls, self._deadline = addresses, backend, tls, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a checked address. The host, which only names it, isn't resolved again."""
        failure: Exception = httpcore.ConnectError()
        for number, address in enumerate(self._addresses):
            # An address that doesn't answer leaves a share of the time to each of the others.
            share_s = self._deadline.remaining_s() / (len(self._addresses) - number)
            try:
                stream = self._backend.connect_tcp(str(address), port, timeout=share_s)
                return _TimedStream(stream, self._tls, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class _TimedStream(httpcore.NetworkStream):
    """A stream on which each wait ends with the fetch's time."""

    def __init__(self, stream: httpcore.NetworkStream, tls: ssl.SSLContext, deadline: Deadline) -> None:
        self._stream, self._tls, self._deadline = stream, tls, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.remaining_s())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.remaining_s())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(self._tls, server_hostname, self._deadline.remaining_s())
        return _TimedStream(stream, self._tls, self._deadline)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
