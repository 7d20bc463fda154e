"""The playground in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, expect

from support.stack.clients import install_javascript

AXE = "axe-core@4.14.1"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_MS = 60_000  # a model may have to load first
# Makes files of what a test has, as a drop brings them.
TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const { name, type, data } of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type }));
  }
  return transfer;
}"""


def launch(playwright: Playwright) -> Browser:
    """Start the browser of this machine. Playwright's own download isn't needed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise FileNotFoundError("Chromium is missing. On Debian: apt-get install chromium. Or name a browser: CHROMIUM=/path")
    # Chromium's sandbox refuses to run as root, which CI is. The pages are this repository's own.
    return playwright.chromium.launch(executable_path=found, chromium_sandbox=os.geteuid() != 0)


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
        self.page.set_default_timeout(15_000)
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
            self.page.goto(f"{self.url}#{place}")
        return self.page

    def allow_failed_requests(self) -> None:
        """Allow the lines that the browser itself writes for answers that are errors."""
        self.allowed.append("Failed to load resource")

    def check(self) -> None:
        """Assert that nothing was wrong during the visit."""
        assert [text for text in self.complaints if not text.startswith(tuple(self.allowed))] == []

    def drop(self, selector: str, files: Mapping[str, bytes]) -> None:
        """Drop files on an element."""
        carried = [{"name": name, "type": "image/png", "data": base64.b64encode(data).decode()} for name, data in files.items()]
        transfer = self.page.evaluate_handle(TRANSFER, carried)
        self.page.dispatch_event(selector, "drop", {"dataTransfer": transfer})

    def add_labels(self, labels: Sequence[str]) -> None:
        """Type labels into the field of the view Classify."""
        field = self.page.locator("#labels .chip-input")
        for label in labels:
            field.fill(label)
            field.press("Enter")

    def answers(self, count: int) -> dict[str, list[str]]:
        """Wait until so many samples have answers to the labels as they are now, and return their labels by name."""
        expect(self.page.locator("#results .card:has(.bar.chosen)")).to_have_count(count, timeout=ANSWER_MS)
        expect(self.page.locator("#results")).to_have_attribute("aria-busy", "false", timeout=ANSWER_MS)
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

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", f"blob:{self.url}")):
            self._complain(f"a request to {request.url}")

    def _complain(self, text: str) -> None:
        self.complaints.append(text)
