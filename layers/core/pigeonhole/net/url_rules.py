"""The rules that a deployment sets for URLs that a caller names, and the check of a URL that needs no network."""

from __future__ import annotations

import re
from dataclasses import dataclass

import httpx

from pigeonhole import __version__
from pigeonhole.errors import ForbiddenUrl
from pigeonhole.net.addresses import check_url_parts

MAX_URL_CHARS = 8_192


@dataclass(frozen=True)
class NetRules:
    """What a deployment may set.

    Attributes:
        allow_http: Whether `http` is allowed beside `https`.
        allow_loopback: Whether this machine's addresses are allowed.
        timeout_s: The time for one fetch with all its redirects.
        max_redirects: How many redirects are followed.
        contact: A web or mail address of the deployment's operator, which the User-Agent names. Empty for none.
    """

    allow_http: bool = False
    allow_loopback: bool = False
    timeout_s: float = 10.0
    max_redirects: int = 3
    contact: str = ""

    @property
    def user_agent(self) -> str:
        """The User-Agent of all requests, as RFC 9110 (10.1.5) has it: a product, and a comment."""
        return f"Pigeonhole/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    def __post_init__(self) -> None:
        """Check the contact, because HTTP has no other signs in a comment.

        Raises:
            ValueError: The contact has other signs than printable ASCII, or a parenthesis or backslash.
        """
        if not re.fullmatch(r"[^()\\\x00-\x1f\x7f-\U0010ffff]{0,200}", self.contact):
            raise ValueError("user_agent_contact must be a web or mail address in printable ASCII, without parentheses")


def check_url(url: str, rules: NetRules, *, base: httpx.URL | None = None) -> httpx.URL:
    """Check a URL's spelling, scheme, user, host and port.

    Args:
        url: The URL, which may be relative to `base`.
        rules: The deployment's rules.
        base: The URL that redirected to `url`.

    Returns:
        The parsed URL, without a fragment. Requests use it and never the text.

    Raises:
        ForbiddenUrl: The URL breaks a rule. The message says which.
    """
    if len(url) > MAX_URL_CHARS:
        raise ForbiddenUrl(f"the URL is longer than {MAX_URL_CHARS} characters; use a shorter one")
    if "\\" in url:
        raise ForbiddenUrl("the URL holds a backslash; write it as %5C")
    try:
        parsed = base.join(url) if base else httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise ForbiddenUrl("the URL is malformed: it has a control character, or an invalid host or port") from None
    try:
        host = check_url_parts(
            parsed.scheme,
            has_user=bool(parsed.userinfo),
            host=parsed.raw_host.decode("ascii"),
            port=parsed.port,
            allow_http=rules.allow_http,
            allow_loopback=rules.allow_loopback,
        )
    except ValueError as error:
        raise ForbiddenUrl(f"the URL is not allowed: {error}") from None
    return parsed.copy_with(host=host, fragment=None)
