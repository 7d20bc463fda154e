"""Take the pictures of docs/pictures from a running stack, and write the README's table of answers.

    make pictures
    python benchmarks/pictures.py terminal    # one of them: page, folder, terminal

The photos are real ones, from the scikit-image and scikit-learn wheels.
"""

from __future__ import annotations

import base64
import html
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from chromium import add_labels, drop, launch, wait_for_answers
from local_stack import running_stack
from packaged_photos import PHOTOS, create_varied

ROOT = Path(__file__).resolve().parents[1]
PICTURES, README = ROOT / "docs/pictures", ROOT / "README.md"
TABLE = re.compile(r"(?<=<!-- pictures: answers -->\n)\n.*?\n(?=\n<!-- pictures: end -->)", re.DOTALL)
NAMES = ("cat", "coffee", "motorcycle", "astronaut", "rocket", "flower", "china")
LABELS = ("cat", "cup of coffee", "motorcycle", "person", "rocket", "flower", "temple", "other")
FOLDER = 96  # photos of the folder: three jobs
COMMAND = "pigeonhole classify photos/ --label cat --label rocket --label flower --label motorcycle --label other"
COLUMNS = 104  # of the terminal
PATIENCE_S = 120
BAR = re.compile("[\u2588-\u258f]+")  # the full block and its eighths
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TERMINAL = """<body style="margin: 0; background: none"><pre style="display: inline-block; box-sizing: border-box; margin: 0;
  padding: 22px 26px; border-radius: 12px; background: #1f1d1a; color: #f1ede6; font: 14px/1.5 monospace">{}</pre>"""
SETTLED_MS = 900  # the bars move for half a second


def packaged() -> dict[str, bytes]:
    """Return the packaged photos, by the names that the pictures show."""
    return {f"{name}{path.suffix}": path.read_bytes() for name, path in zip(NAMES, PHOTOS, strict=True)}


def open_page(browser: Browser, url: str, api_key: str, scheme: str, height: int, width: int = 1280) -> Page:
    """Open the playground in a window of a size, light or dark."""
    options: dict[str, Any] = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    page = browser.new_context(**options, device_scale_factor=1.5).new_page()
    page.goto(f"{url}/#key={api_key}")
    return page


def save(picture: bytes, name: str) -> None:
    """Save a screenshot as WebP, and print its size."""
    path = PICTURES / f"{name}.webp"
    with Image.open(io.BytesIO(picture)) as image:
        image.save(path, quality=80, method=6)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def take_page(browser: Browser, url: str, api_key: str) -> None:
    """Take the page with a few photos, light and dark."""
    for scheme in ("light", "dark"):
        page = open_page(browser, url, api_key, scheme, height=800)
        drop(page, "#photo-input", dict(list(packaged().items())[:4]))
        add_labels(page, "cat", "cup of coffee", "motorcycle", "not a cat", "other")
        wait_for_answers(page, 4)
        page.wait_for_timeout(SETTLED_MS)
        save(page.screenshot(), f"playground-{scheme}")
        page.context.close()


def take_folder(browser: Browser, url: str, api_key: str) -> None:
    """Take a folder that jobs have classified, with its histogram, the least certain photos first."""
    page = open_page(browser, url, api_key, "light", height=900)
    drop(page, "#photo-input", {f"{number:03}.jpg": photo for number, photo in enumerate(create_varied(FOLDER))})
    add_labels(page, *LABELS)
    page.locator("#start-jobs").click()
    wait_for_answers(page, FOLDER)
    page.get_by_label("Order").select_option("Least certain first")
    page.wait_for_timeout(SETTLED_MS)
    save(page.screenshot(), "folder")
    page.context.close()


def take_terminal(browser: Browser, url: str, api_key: str) -> None:
    """Take a terminal in which the command runs on the packaged photos."""
    with TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for name, data in packaged().items():
            (photos / name).write_bytes(data)
        screen = html.escape(f"$ {COMMAND}\n{run(COMMAND, folder, url, api_key)}")
    page = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=2).new_page()
    page.set_content(TERMINAL.format(BAR.sub(r'<span style="color: #5cc8ba">\g<0></span>', screen)))
    save(page.locator("pre").screenshot(omit_background=True), "terminal")
    page.context.close()


def run(command: str, folder: str, url: str, api_key: str) -> str:
    """Run a command of `pigeonhole` in a folder, in a terminal, and return what it prints.

    Raises:
        SystemExit: The command failed.
    """
    environment = {"JIGSAWSTACK_API_URL": url, "JIGSAWSTACK_API_KEY": api_key, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    arguments = [sys.executable, "-m", "pigeonhole_cli", *command.split()[1:]]
    ours, theirs = pty.openpty()
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        subprocess.Popen(  # noqa: S603
            arguments, cwd=folder, env=os.environ | environment, stdout=theirs, stderr=subprocess.DEVNULL
        ) as process,
    ):
        os.close(theirs)
        printed = b"".join(iter(lambda: read_some(terminal), b""))
        process.wait(timeout=PATIENCE_S)
    screen = ESCAPE.sub("", printed.decode()).replace("\r", "").rstrip()
    if process.returncode:
        raise SystemExit(f"{command} failed with exit code {process.returncode}\n{screen}")
    return screen


def read_some(terminal: io.FileIO) -> bytes:
    """Read what a terminal shows next. Empty if the program has ended, which Linux reports as an error."""
    with suppress(OSError):
        return terminal.read(65_536)
    return b""


def answer_table(answers: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Write the answers of the packaged photos as a table: the best label of each, and the next."""
    rows = ["| photo | answer | next |", "|---|---|---|"]
    for name, scores in zip(packaged(), answers, strict=True):
        best, second = (f"{score['label']} {score['probability']:.0%}" for score in scores[:2])
        rows.append(f"| {name} | **{best.rpartition(' ')[0]}** {best.rpartition(' ')[2]} | {second} |")
    return "\n".join(rows)


def to_url(name: str, data: bytes) -> str:
    """Return an image file as a data: URL."""
    kind = "jpeg" if name.endswith(".jpg") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def read_answers(url: str, api_key: str) -> list[list[dict[str, Any]]]:
    """Classify the packaged photos. Returns the scores of each, the best first."""
    body = {
        "dataset": [{"type": "image", "value": to_url(name, data)} for name, data in packaged().items()],
        "labels": [{"type": "text", "value": label} for label in LABELS],
        "scores": True,
    }
    answer = httpx.post(f"{url}/v1/classification", json=body, headers={"x-api-key": api_key}, timeout=60, trust_env=False)
    scores: list[list[dict[str, Any]]] = answer.raise_for_status().json()["scores"]
    return scores


def write_table(answers: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Write the table into the README."""
    table = answer_table(answers)
    README.write_text(TABLE.sub(lambda _: f"\n{table}\n", README.read_text("utf-8"), count=1), "utf-8")


TAKEN = {"page": take_page, "folder": take_folder, "terminal": take_terminal}


def main(names: Sequence[str]) -> None:
    """Take the named pictures, or all, and write the table."""
    PICTURES.mkdir(exist_ok=True)
    with running_stack() as (url, api_key), sync_playwright() as playwright:
        browser = launch(playwright)
        for name in names or TAKEN:
            TAKEN[name](browser, url, api_key)
        browser.close()
        write_table(read_answers(url, api_key))


if __name__ == "__main__":
    main(sys.argv[1:])
