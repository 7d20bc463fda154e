"""A URL is checked by its spelling, scheme, user, host and port before any lookup."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pigeonhole.errors import ForbiddenUrl
from pigeonhole.net.url_rules import NetRules, check_url


@given(st.integers(min_value=0, max_value=2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}", "0x{:08X}"]))
def test_no_address_is_accepted_as_a_number(number: int, spelling: str) -> None:
    with pytest.raises(ForbiddenUrl):
        check_url(f"https://{spelling.format(number)}/", NetRules())


@given(st.text() | st.text(alphabet="htps:/\\@.[]%127?#lo ", max_size=40).map(lambda rest: f"https://{rest}"))
def test_the_check_raises_no_other_error_and_returns_a_plain_url(text: str) -> None:
    with suppress(ForbiddenUrl):
        url = check_url(text, NetRules())
        assert url.scheme == "https"
        assert re.fullmatch(r"[a-z0-9._-]+\.[a-z0-9_-]+|[0-9a-f:]+", url.raw_host.decode())
        assert not url.userinfo


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://example.com", "https://example.com"),
        ("HTTPS://Example.COM:443/Ä b.jpg?x=1&y=a@b#part", "https://example.com/%C3%84%20b.jpg?x=1&y=a@b"),
        ("https://example.com./cat.jpg", "https://example.com/cat.jpg"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
        ("https://example.com/%2e%2e/a%5Cb", "https://example.com/%2e%2e/a%5Cb"),
    ],
)
def test_a_permitted_url_is_returned_as_it_will_be_requested(url: str, wanted: str) -> None:
    assert str(check_url(url, NetRules())) == wanted


def test_a_redirect_does_not_lead_from_https_to_http() -> None:
    with pytest.raises(ForbiddenUrl, match="scheme"):
        check_url("http://example.com/", NetRules(), base=check_url("https://example.com/", NetRules()))
