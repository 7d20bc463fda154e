"""Measure the playground: the size of its files, its first paint, and the seconds from dropped photos to the last bar.

    python benchmarks/playground.py

It runs a local stack of its own, and Chromium.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

from playwright.sync_api import Browser, Page, sync_playwright

from chromium import ANSWER_MS, add_labels, drop, launch, wait_for_answers
from local_stack import running_stack
from packaged_photos import LABELS, create_varied
from pigeonhole.api.playground import find_page, list_files

VISITS = 5  # the figures are medians
PHOTOS = 32  # as many as one request takes
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
# What the browser received: the page itself, and the files that it names.
WEIGHT = """performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
  .reduce((sum, entry) => sum + entry.transferSize, 0)"""


def count_bytes() -> dict[str, int]:
    """Return the compressed size of each file of the playground. An image is not compressed again."""
    pages = {name: find_page(name) for name in list_files()}
    return {name: len(page.compressed if page.is_compressible else page.content) for name, page in pages.items()}


def open_page(browser: Browser, url: str, api_key: str) -> Page:
    """Open the playground in a window that has no cache yet."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_navigation_timeout(ANSWER_MS)
    page.goto(f"{url}/#key={api_key}", wait_until="networkidle")
    return page


def read_visit(page: Page) -> tuple[float, int]:
    """Return the milliseconds to the first paint of something, and the received bytes."""
    return float(page.evaluate(PAINT)), int(page.evaluate(WEIGHT))


def time_photos(page: Page, photos: Sequence[bytes]) -> float:
    """Return the seconds from dropping photos until each has its bars."""
    add_labels(page, *LABELS[:8])
    started = time.perf_counter()
    drop(page, "#photo-input", {f"{number}.jpg": photo for number, photo in enumerate(photos)})
    wait_for_answers(page, len(photos))
    return time.perf_counter() - started


def main() -> None:
    """Print the figures."""
    sizes = count_bytes()
    shown = {name: sizes[name] for name in ("index.html", "playground.js", "style.css", "logo.svg")}
    print(f"files, compressed: {sum(sizes.values()):,} bytes; to show the page: {sum(shown.values()):,} bytes")
    photos = create_varied(PHOTOS)
    with running_stack() as (url, api_key), sync_playwright() as playwright:
        browser = launch(playwright)
        open_page(browser, url, api_key).context.close()  # the function and the model are loaded
        visits, seconds = [], []
        for _ in range(VISITS):
            page = open_page(browser, url, api_key)
            visits.append(read_visit(page))
            seconds.append(time_photos(page, photos))
            page.context.close()
        browser.close()
    paints, weights = zip(*visits, strict=True)
    print(f"first paint: {statistics.median(paints):.0f} ms (of {VISITS}: {min(paints):.0f} to {max(paints):.0f} ms)")
    print(f"received at the first visit: {statistics.median(weights):,.0f} bytes")
    print(
        f"{PHOTOS} dropped photos to the last bar: {statistics.median(seconds):.1f} s "
        f"(of {VISITS}: {min(seconds):.1f} to {max(seconds):.1f} s)"
    )


if __name__ == "__main__":
    main()
