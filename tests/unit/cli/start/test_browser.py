"""When the page is opened in a browser, and how."""

from __future__ import annotations

import html
import stat
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import typer

from pigeonhole_cli.main import app
from pigeonhole_cli.start.browser import has_browser, opened_page

PATIENCE_S = 30


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"DISPLAY": ""}, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({"CI": "1"}, "darwin", False),
    ],
)
def test_a_browser_needs_a_display_and_a_person(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert has_browser(environment, platform=platform) is expected


def test_the_browser_opens_the_page_without_its_key_in_a_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho noise\necho noise >&2\necho "$1" > {opened}.new\nmv {opened}.new {opened}\n')
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")

    (tmp_path / "open-page.html").write_text("of a stack that was killed")

    with opened_page("http://127.0.0.1:8080/?a=1&b=2#key=pghSesame", tmp_path):
        until = time.monotonic() + PATIENCE_S
        while not opened.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        address = opened.read_text().strip()
        file = Path(urllib.request.url2pathname(address.removeprefix("file://")))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert "url=http://127.0.0.1:8080/?a=1&b=2#key=pghSesame" in html.unescape(file.read_text())

    assert address.startswith("file:///")
    assert "pghSesame" not in address
    assert not file.exists()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "variable", "is_off"),
    [([], None, False), (["--no-browser"], None, True), ([], "1", True), ([], "", False), ([], "0", False)],
    ids=["nothing", "option", "variable", "empty variable", "variable 0"],
)
def test_the_browser_is_switched_off(
    arguments: list[str], variable: str | None, is_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable is for `make start`."""
    monkeypatch.delenv("NO_BROWSER", raising=False)
    if variable is not None:
        monkeypatch.setenv("NO_BROWSER", variable)
    group: Any = typer.main.get_command(app)

    assert group.commands["up"].make_context("up", arguments).params["no_browser"] is is_off
