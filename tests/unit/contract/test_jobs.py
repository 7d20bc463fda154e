"""The request of a job: which addresses a webhook can have."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from pigeonhole.contract.jobs import MAX_WEBHOOK_URL_CHARS, JobRequest, check_webhook_url
from support.request_bodies import body


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://acme.example.com/hook", "its scheme is not allowed; use https://"),
        ("ftp://acme.example.com/hook", "its scheme is not allowed; use https://"),
        ("https://me:secret@acme.example.com/hook", "user name or password"),
        ("https://acme.example.com:8443/hook", "port"),
        ("https://acme.example.com:99999/hook", "valid host and port"),
        ("https://[::1/hook", "valid host and port"),
        ("https:///hook", "not a host name"),
        ("https://localhost/hook", "not a public name"),
        ("https://intranet/hook", "not a public name"),
        ("https://127.0.0.1/hook", "on the public internet"),
        ("https://169.254.169.254/latest/meta-data", "on the public internet"),
        ("https://[fd00:ec2::254]/", "on the public internet"),
        ("https://0x7f.1/", "its host is a number"),
        ("https://[v1.x]/", "only around an IPv6 address"),
        ("https://acme.example.com/a hook", "printable ASCII"),
        ("https://acme.example.com/h\u00f6\u00f6k", "printable ASCII"),
        ("https://acme.example.com\\@evil.example.com/", "backslash"),
        ("https://acme.example.com/" + "x" * MAX_WEBHOOK_URL_CHARS, "at most 2000 characters"),
    ],
)
def test_a_webhook_that_could_never_be_reached_is_refused(url: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        check_webhook_url(url, is_local=False)


def test_an_empty_webhook_is_refused() -> None:
    with pytest.raises(ValidationError, match="webhook_url"):
        JobRequest.model_validate(body(webhook_url=""))


def test_a_webhook_on_the_public_internet_is_accepted() -> None:
    url = "https://acme.example.com:443/hook?a=b"

    assert check_webhook_url(url, is_local=False) == url
