"""Rules for hosts that need no network: which names and which addresses are public.

The table of addresses follows the IANA special-purpose registries (RFC 6890). `ipaddress.is_global` isn't used, because its
results differ between patch releases of the supported Pythons.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

NOT_PUBLIC: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "this host, this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carriers' NAT, and some clouds' metadata service"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local: the metadata service 169.254.169.254, container credentials 169.254.170.2"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments, and some clouds' metadata service"),
    ("192.0.2.0/24", "documentation"),
    ("192.88.99.0/24", "6to4 relays"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved, and broadcast"),
    # IANA has allocated only 2000::/3 of IPv6 for global use. The next three rows are everything else.
    ("::/3", "unspecified, loopback, IPv4-compatible, local NAT64 64:ff9b:1::/48, discard-only"),
    ("4000::/2", "not allocated, and segment routing 5f00::/16"),
    ("8000::/1", "unique local with the metadata service fd00:ec2::254, link-local, site-local, multicast"),
    ("2001::/23", "protocol assignments: Teredo, benchmarks, ORCHID"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4: an IPv4 address of any kind in disguise"),
    ("3fff::/20", "documentation"),
)
DEFAULT_PORTS = {"http": 80, "https": 443}
PORTS = frozenset(DEFAULT_PORTS.values())
BAD_PORT = f"its port is not allowed; use {' or '.join(map(str, sorted(PORTS)))}"
PRIVATE_ZONES = ("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa")

_NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = tuple(ip_network(network) for network, _ in NOT_PUBLIC)
_NAT64 = IPv6Network("64:ff9b::/96")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def parse_address(text: str) -> Address:
    """Parse an address in its canonical spelling. IPv4 has four decimal parts without leading zeros.

    Raises:
        ValueError: The text is no address in that spelling.
    """
    return ip_address(text)


def is_public(address: Address) -> bool:
    """Return whether an address is on the public internet: in no row of `NOT_PUBLIC`.

    An IPv4 address inside an IPv6 address (mapped ::ffff:0:0/96, NAT64 64:ff9b::/96) is checked as the IPv4 address. An address
    with a zone (`%eth0`) is local by definition.
    """
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return False
        if address in _NAT64:
            address = IPv4Address(int(address) & 0xFFFF_FFFF)
        elif address.ipv4_mapped:
            address = address.ipv4_mapped
    return not any(address in network for network in _NOT_PUBLIC)


def is_loopback(address: Address) -> bool:
    """Return whether an address is this machine: ::1, 127.0.0.0/8, or the latter mapped into IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def check_host(host: str, *, allow_loopback: bool) -> str:
    """Check that a URL's host has the form of a public host. No name is resolved.

    Args:
        host: The host in lower-case ASCII.
        allow_loopback: Whether names that end in `localhost` are allowed.

    Returns:
        The host without a final dot.

    Raises:
        ValueError: The host isn't allowed. The message says how to fix it.
    """
    host = host.removesuffix(".")
    if ":" in host:
        return str(parse_address(host))
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # a resolver reads it as an address, in octal and hexadecimal as well
        try:
            return str(parse_address(host))
        except ValueError:
            raise ValueError("its host is a number; write an IPv4 address as four decimal numbers") from None
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("its host is not a host name")
    if allow_loopback and labels[-1] == "localhost":
        return host
    if len(labels) == 1 or f".{host}".endswith(tuple(f".{zone}" for zone in PRIVATE_ZONES)):
        raise ValueError("its host is not a public name; use a full one, such as images.example.com")
    return host


def check_url_parts(scheme: str, *, has_user: bool, host: str, port: int | None, allow_http: bool, allow_loopback: bool) -> str:
    """Check the parts of a URL against the rules that need no network.

    Args:
        scheme: The URL's scheme.
        has_user: Whether the URL holds a user name or a password.
        host: The host in lower-case ASCII.
        port: The port, None if the URL has none.
        allow_http: Whether `http` is allowed beside `https`.
        allow_loopback: Whether hosts and ports of this machine are allowed.

    Returns:
        The host, as `check_host` returns it.

    Raises:
        ValueError: A part isn't allowed. The message says how to fix it.
    """
    if scheme not in (DEFAULT_PORTS if allow_http else ("https",)):
        raise ValueError("its scheme is not allowed; use https://")
    if has_user:
        raise ValueError("it holds a user name or password; use one that needs neither")
    host = check_host(host, allow_loopback=allow_loopback)
    if port is not None and port not in PORTS and not (allow_loopback and 0 < port < 65_536):
        raise ValueError(BAD_PORT)
    return host
