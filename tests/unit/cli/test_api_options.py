"""The options of all commands that call the API: its address, the API key, and values that must not be sent."""

from __future__ import annotations

import pytest

from support.cli.api_server import ApiServer
from support.cli.job_api import JobApi
from support.cli.label_api import LabelApi


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "where is the API? Set JIGSAWSTACK_API_URL"),
        ("example.com", "the API's address (JIGSAWSTACK_API_URL or --url) must begin with https://"),
        ("ftp://example.com", "the API's address (JIGSAWSTACK_API_URL or --url) must begin with https://"),
        ("https://", "the API's address (JIGSAWSTACK_API_URL or --url) must begin with https://"),
    ],
)
def test_a_missing_or_invalid_address_is_reported(api: JobApi, url: str, said: str) -> None:
    stderr = api.run("list", exit_code=2, JIGSAWSTACK_API_URL=url).stderr

    assert stderr.startswith(f"error: {said}")
    assert stderr.count("\n") == 1


@pytest.mark.parametrize("server", ["api", "label_api"])
def test_a_missing_api_key_is_reported(request: pytest.FixtureRequest, server: str) -> None:
    api: ApiServer = request.getfixturevalue(server)
    stderr = api.run("list", exit_code=2, JIGSAWSTACK_API_KEY="").stderr

    assert stderr.startswith("error: an API key is needed. Set JIGSAWSTACK_API_KEY")
    assert api.requests == []


@pytest.mark.parametrize("secret", ["hidden\nvalue", "hidden value", "hiddenä", "hidden" * 50])
def test_an_invalid_api_key_is_neither_sent_nor_printed(api: JobApi, secret: str) -> None:
    result = api.run("list", exit_code=2, JIGSAWSTACK_API_KEY=secret)

    assert "hidden" not in result.output
    assert api.requests == []


def test_options_take_precedence_over_variables_and_spaces_around_an_api_key_are_stripped(api: JobApi) -> None:
    api.prepare({"success": True, "log_id": "l", "jobs": []})

    api.run("list", "--url", f"{api.url}/other", "--key", " mine\n", JIGSAWSTACK_API_URL="http://127.0.0.1:1")

    (request,) = api.requests
    assert (request.path, request.headers["x-api-key"]) == ("/other/v1/classification/jobs?limit=20", "mine")


def test_help_does_not_show_the_api_key(api: JobApi) -> None:
    assert "JIGSAWSTACK_API_KEY" in api.run("wait", "--help").stdout


@pytest.mark.parametrize("command", [("put", "--label", "a", "--label", "b"), ("get",), ("rm",)])
@pytest.mark.parametrize("name", ["", "Pets", "../account", "a/b", "x" * 65, "a?b"])
def test_an_invalid_label_set_name_is_not_sent(label_api: LabelApi, command: tuple[str, ...], name: str) -> None:
    stderr = label_api.run(*command, name, exit_code=2).stderr

    assert "lower-case letters" in stderr
    assert label_api.requests == []


@pytest.mark.parametrize("name", ["", "Pets", "a b"])
def test_an_invalid_label_set_name_is_not_sent_with_a_job(api: JobApi, name: str) -> None:
    arguments = ("submit", "https://example.com/a.jpg", "--label-set", name)

    assert "lower-case letters" in api.run(*arguments, exit_code=2).stderr
    assert api.requests == []
