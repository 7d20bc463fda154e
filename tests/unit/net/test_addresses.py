"""Only addresses and names of the public internet count as public."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.net.addresses import NOT_PUBLIC, check_host, is_loopback, is_public, parse_address

PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.255.255", "172.32.0.0", "192.0.1.0", "223.255.255.255"]
PUBLIC += ["2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "2001:4860:4860::8888"]
PUBLIC += ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]  # a public IPv4 address within an IPv6 address

PRIVATE = ["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.0.1"]
PRIVATE += ["169.254.169.254", "169.254.170.2", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1"]
PRIVATE += ["192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.250"]
PRIVATE += ["240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1"]
PRIVATE += ["ff02::1", "2001::1", "2001:10::1", "2001:db8::1", "3fff::1", "5f00::1", "2002:7f00:1::", "2002:808:808::"]
PRIVATE += ["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"]
PRIVATE += ["64:ff9b::10.0.0.1", "64:ff9b:1::8.8.8.8", "fe80::1%eth0", "2606:4700:4700::1111%eth0"]


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_is_public(text: str) -> None:
    assert is_public(parse_address(text))


@pytest.mark.parametrize("text", PRIVATE)
def test_a_private_or_reserved_address_is_not_public(text: str) -> None:
    assert not is_public(parse_address(text))


@pytest.mark.parametrize("network", [network for network, _ in NOT_PUBLIC])
def test_both_ends_of_each_row_are_not_public(network: str) -> None:
    parsed = ip_network(network)

    assert not is_public(parsed[0])
    assert not is_public(parsed[-1])


@given(st.ip_addresses(v=4))
def test_what_the_standard_library_calls_special_is_never_public(address: IPv4Address) -> None:
    special = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast or address.is_reserved

    assert not (is_public(address) and special)


@given(st.ip_addresses(v=4))
def test_a_mapped_or_translated_address_is_checked_as_the_one_within(address: IPv4Address) -> None:
    mapped, translated = IPv6Address(f"::ffff:{address}"), IPv6Address(f"64:ff9b::{address}")

    assert is_public(mapped) == is_public(translated) == is_public(address)


@given(st.ip_addresses(v=6))
def test_outside_the_global_block_only_mapped_and_translated_ipv6_addresses_are_public(address: IPv6Address) -> None:
    known = address in IPv6Network("2000::/3") or address.ipv4_mapped or address in IPv6Network("64:ff9b::/96")

    assert known or not is_public(address)


@pytest.mark.parametrize(
    ("text", "expected"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True)]
)
def test_loopback_is_this_machine(text: str, expected: bool) -> None:
    assert is_loopback(parse_address(text)) is expected


@pytest.mark.parametrize("text", ["10.0.0.1", "0.0.0.0", "::", "64:ff9b::127.0.0.1", "169.254.169.254", "8.8.8.8"])
def test_nothing_else_is_loopback(text: str) -> None:
    assert not is_loopback(parse_address(text))


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", "example.com"),
        ("images.example.com.", "images.example.com"),
        ("a_b.example.co.uk", "a_b.example.co.uk"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("8.8.8.8", "8.8.8.8"),
        ("2606:4700:4700:0::1111", "2606:4700:4700::1111"),
        ("home.example.com", "home.example.com"),
        ("mylocal.example", "mylocal.example"),
    ],
)
def test_a_full_name_or_canonical_address_is_allowed(host: str, expected: str) -> None:
    assert check_host(host, allow_loopback=False) == expected


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            ".",
            "localhost",
            "a.localhost",
            "db",
            "db.internal",
            "printer.local",
            "nas.lan",
            "x.home.arpa",
            "a..com",
            ".com",
        ),
        *(
            "a b.com",
            "a%2eb.com",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.0.0.01",
            "1.2.3.4.5",
            "x.0x1",
        ),
        *("a" * 64 + ".com", "a." * 127 + "com"),
    ],
)
def test_any_other_host_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match="its host is"):
        check_host(host, allow_loopback=False)


def test_localhost_is_allowed_only_with_loopback() -> None:
    assert check_host("localhost", allow_loopback=True) == "localhost"
    with pytest.raises(ValueError, match="not a public name"):
        check_host("db", allow_loopback=True)
