"""Visits of the playground in Chromium, on the deployed stack."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from chromium import launch
from support.stack.browser import Open, Visit, read_axe
from support.stack.deployment import Deployment

PATIENCE_MS = 30_000  # the functions of a stack that has just started have to start as well
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def axe() -> str:
    return read_axe(ROOT / ".cache" / "npm")


@pytest.fixture
def visit(browser: Browser, deployed: Deployment, axe: str) -> Iterator[Open]:
    """Start visits, with the options of a browser window. After the test each of them is checked."""
    visits: list[Visit] = []

    def start(*, url: str = "", **options: object) -> Visit:
        context = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **options)  # type: ignore[arg-type]
        visits.append(Visit(context, url or deployed.url, deployed.key, axe))
        return visits[-1]

    yield start
    for each in visits:
        each.check()
        each.page.context.close()
