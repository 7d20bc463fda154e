"""Host names to addresses, each of which is checked before any connection."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable, Sequence

import httpcore
import httpx

from pigeonhole.errors import ForbiddenUrl, UnfetchableUrl
from pigeonhole.net.addresses import BAD_PORT, DEFAULT_PORTS, PORTS, Address, is_loopback, is_public, parse_address
from pigeonhole.net.deadline import Deadline
from pigeonhole.net.url_rules import NetRules

Resolve = Callable[[str, int], Sequence[str]]  # (host, port) to addresses


def system_resolve(host: str, port: int) -> list[str]:
    """Resolve a host with the system's resolver.

    Raises:
        OSError: The host has no address.
        UnicodeError: The host can't be encoded.
    """
    entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def resolve_checked(url: httpx.URL, rules: NetRules, resolve: Resolve, deadline: Deadline) -> list[Address]:
    """Resolve a URL's host once, and check every address. One address that isn't allowed forbids the host.

    Args:
        url: A URL that `check_url` returned.
        rules: The deployment's rules.
        resolve: The resolver.
        deadline: The end of the fetch.

    Raises:
        ForbiddenUrl: An address isn't public, or the port isn't allowed.
        UnfetchableUrl: The host doesn't resolve.
        httpcore.TimeoutException: The time is up.
    """
    host, port = url.raw_host.decode("ascii"), DEFAULT_PORTS[url.scheme] if url.port is None else url.port
    try:
        addresses = [parse_address(host)]
    except ValueError:
        addresses = [parse_address(text) for text in _resolve_in_time(host, port, resolve, deadline)]
    for address in addresses:
        if rules.allow_loopback and is_loopback(address):
            continue
        if not is_public(address):
            raise ForbiddenUrl("the URL's host is not on the public internet; use one that is")
        if port not in PORTS:
            raise ForbiddenUrl(f"the URL is not allowed: {BAD_PORT}")
    return addresses


def _resolve_in_time(host: str, port: int, resolve: Resolve, deadline: Deadline) -> Sequence[str]:
    """Resolve in a thread, because the system's resolver takes no timeout."""
    answers: queue.SimpleQueue[Sequence[str]] = queue.SimpleQueue()

    def answer() -> None:
        try:
            answers.put(resolve(host, port))
        except (OSError, UnicodeError):
            answers.put(())

    threading.Thread(target=answer, name="resolve", daemon=True).start()
    try:
        addresses = answers.get(timeout=deadline.remaining_s())
    except queue.Empty:
        raise httpcore.ConnectTimeout from None
    if not addresses:
        raise UnfetchableUrl("the URL's host name doesn't resolve; check its spelling")
    return addresses
