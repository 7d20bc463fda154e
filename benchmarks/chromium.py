"""The playground in Chromium: start the browser, put files into the page, and wait for its answers."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping

from playwright.sync_api import Browser, JSHandle, Page, Playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
ANSWER_MS = 150_000  # a model may have to load first, on a machine that is busy
TRANSFER = """(files) => {
  const transfer = new DataTransfer();
  for (const { name, data } of files) {
    const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "image/" + name.split(".").pop().replace("jpg", "jpeg") }));
  }
  return transfer;
}"""


def launch(playwright: Playwright) -> Browser:
    """Start the browser of this machine. Playwright's own download isn't needed.

    Raises:
        FileNotFoundError: There is no browser.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise FileNotFoundError("Chromium is missing. On Debian: apt-get install chromium. Or name a browser: CHROMIUM=/path")
    # Chromium's sandbox refuses to run as root, which CI is. The pages are this repository's own.
    return playwright.chromium.launch(executable_path=found, chromium_sandbox=os.geteuid() != 0)


def transfer(page: Page, files: Mapping[str, bytes]) -> JSHandle:
    """Create what a drop or a paste of image files carries."""
    return page.evaluate_handle(
        TRANSFER, [{"name": name, "data": base64.b64encode(data).decode()} for name, data in files.items()]
    )


def drop(page: Page, selector: str, files: Mapping[str, bytes]) -> None:
    """Drop image files on an element."""
    page.dispatch_event(selector, "drop", {"dataTransfer": transfer(page, files)})


def add_labels(page: Page, *labels: str) -> None:
    """Type labels into the view Classify."""
    field = page.locator("#labels .chip-input")
    for label in labels:
        field.fill(label)
        field.press("Enter")


def wait_for_answers(page: Page, count: int) -> None:
    """Wait until so many samples have answers to the labels as they are now."""
    expect(page.locator("#results .card:has(.bar.chosen)")).to_have_count(count, timeout=ANSWER_MS)
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false", timeout=ANSWER_MS)
