"""The playground in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page, Request

import chromium
from chromium import ANSWER_MS
from support.stack.clients import install_javascript

AXE = "axe-core@4.14.1"
PASTE = "(data) => document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true }))"


def read_axe(cache: Path) -> str:
    """Return the script of axe-core, which finds what keeps people with disabilities from using a page."""
    return (install_javascript(cache, AXE) / "node_modules/axe-core/axe.min.js").read_text("utf-8")


class Visit:
    """One visit of the playground, in a browser window of its own.

    Attributes:
        page: The page.
        complaints: Errors in the console, uncaught errors, and requests to other addresses. Blocked by the policy is one.
        allowed: The beginnings of complaints that a test expects, such as the browser's own line for an answer 401.
    """

    def __init__(self, context: BrowserContext, url: str, key: str, axe: str) -> None:
        self.url, self.key, self._axe = url + "/", key, axe
        self.page: Page = context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.set_default_navigation_timeout(ANSWER_MS)  # the first page starts the function
        self.complaints: list[str] = []
        self.allowed: list[str] = []
        self.page.on("console", lambda line: self._complain(line.text) if line.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("request", self._watch)

    def open(self, place: str = "", *, key: str | None = None) -> Page:
        """Open the page, with the key of the tests unless another is given. An empty one opens it without a key."""
        sent = self.key if key is None else key
        self.page.goto(self.url + (f"#key={sent}" if sent else ""))
        if place:
            self.page.goto(f"{self.url}#/{place}")
        return self.page

    def allow_failed_requests(self) -> None:
        """Allow the lines that the browser itself writes for answers that are errors."""
        self.allowed.append("Failed to load resource")

    def check(self) -> None:
        """Assert that nothing was wrong during the visit."""
        assert [text for text in self.complaints if not text.startswith(tuple(self.allowed))] == []

    def drop(self, selector: str, files: Mapping[str, bytes]) -> None:
        """Drop image files on an element."""
        chromium.drop(self.page, selector, files)

    def paste(self, files: Mapping[str, bytes]) -> None:
        """Paste image files into the page."""
        self.page.evaluate(PASTE, chromium.transfer(self.page, files))

    def add_labels(self, labels: Sequence[str]) -> None:
        """Type labels into the view Classify."""
        chromium.add_labels(self.page, *labels)

    def type_texts(self, texts: Sequence[str]) -> None:
        """Type texts into the view Classify."""
        self.page.get_by_role("button", name="Texts", exact=True).click()
        self.page.get_by_label("Texts, one per line").fill("\n".join(texts))

    def answers(self, count: int) -> dict[str, list[str]]:
        """Wait until so many samples have answers to the labels as they are now, and return their labels by name."""
        chromium.wait_for_answers(self.page, count)
        cards = self.page.locator("#results .card").all()
        return {
            card.locator(".name, .said").inner_text(): [
                name.removesuffix(" (chosen)") for name in card.locator(".bar.chosen .bar-label").all_text_contents()
            ]
            for card in cards
        }

    def violations(self) -> list[str]:
        """Return what axe-core finds in the page as it is now."""
        self.page.evaluate(self._axe)
        found: dict[str, Any] = self.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        return [f"{rule['id']}: {json.dumps([node['target'] for node in rule['nodes'][:3]])}" for rule in found["violations"]]

    def is_wider_than_the_window(self) -> bool:
        """Whether the page has to be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", f"blob:{self.url}")):
            self._complain(f"a request to {request.url}")

    def _complain(self, text: str) -> None:
        self.complaints.append(text)


Open = Callable[..., Visit]
