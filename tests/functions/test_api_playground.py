"""functions/api serves the playground: the page at /, and its files."""

from __future__ import annotations

import gzip
import re
from typing import Any

import pytest

from pigeonhole import __version__
from support.api_calls import Api, api_with_fakes
from support.handlers import EVENT, event

FILES = ("/", "/playground/playground.js", "/playground/style.css", "/playground/logo.svg", "/playground/cat.jpg")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    return api_with_fakes(monkeypatch)


def at_stage(path: str) -> dict[str, Any]:
    """Return the event of a request whose URL ends with `path` of the stage prod."""
    context = EVENT["requestContext"] | {"stage": "prod", "path": path}
    return event("GET", "/", api_key=None) | {"requestContext": context}


def test_the_page_is_open_and_names_the_version(api: Api) -> None:
    answer = api.call("GET", "/", api_key=None)

    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f'<meta name="version" content="{__version__}">' in answer.text
    assert api.store.lookups == 0


@pytest.mark.parametrize("path", FILES)
def test_a_file_comes_with_a_strict_policy_and_is_never_read_as_another_type(api: Api, path: str) -> None:
    headers = api.call("GET", path, api_key=None).headers

    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", FILES)
def test_a_browser_that_has_a_file_gets_304(api: Api, path: str) -> None:
    etag = api.call("GET", path, api_key=None).headers["etag"]

    again = api.call("GET", path, api_key=None, if_none_match=etag)

    assert (again.status, again.text, again.data) == (304, "", b"")
    assert again.headers["etag"] == etag
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/", "/playground/playground.js", "/playground/style.css", "/docs"])
def test_a_text_is_compressed_for_a_caller_that_takes_gzip(api: Api, path: str) -> None:
    plain = api.call("GET", path, api_key=None)
    compressed = api.call("GET", path, api_key=None, accept_encoding="gzip, deflate, br")

    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(compressed.data).decode() == plain.text
    assert plain.headers["vary"] == compressed.headers["vary"] == "Accept-Encoding"


def test_a_photo_is_not_compressed_again(api: Api) -> None:
    answer = api.call("GET", "/playground/cat.jpg", api_key=None, accept_encoding="gzip")

    assert (answer.headers["content-type"], answer.data[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("name", ["nope.js", "main.js", "playground.css", "..", "%2e%2e"])
def test_a_file_that_does_not_exist_is_404(api: Api, name: str) -> None:
    answer = api.call("GET", f"/playground/{name}", api_key=None)

    assert (answer.status, answer.code) == (404, "not_found")


@pytest.mark.parametrize("path", FILES)
def test_a_playground_that_is_switched_off_is_404_and_says_how_to_switch_it_on(api: Api, path: str) -> None:
    api.has_playground = False

    answer = api.call("GET", path, api_key=None)

    assert (answer.status, answer.code) == (404, "not_found")
    assert "parameter Playground" in answer.json["message"]


@pytest.mark.parametrize(("has_playground", "links"), [(True, 2), (False, 0)])
def test_the_docs_link_to_a_playground_that_there_is(api: Api, has_playground: bool, links: int) -> None:
    api.has_playground = has_playground

    page = api.call("GET", "/docs", api_key=None).text

    assert len(re.findall(r'<a [^>]*href="\./"', page)) == links


def test_the_stage_without_a_slash_leads_to_the_stage_with_one(api: Api) -> None:
    """A browser reads the page's relative addresses as siblings of `/prod`, which lie outside the stage."""
    bare, whole = api.send(at_stage("/prod")), api.send(at_stage("/prod/"))

    assert (bare.status, bare.headers["location"]) == (302, "prod/")
    assert whole.status == 200
