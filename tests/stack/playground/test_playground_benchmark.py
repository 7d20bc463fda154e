"""benchmarks/playground.py and pictures.py against the deployed stack, in their smallest size."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

import pictures
import playground
from packaged_photos import create_varied
from support.stack.deployment import Deployment


def test_a_first_visit_and_two_photos_are_measured(browser: Browser, deployed: Deployment) -> None:
    page = playground.open_page(browser, deployed.url, deployed.key)

    paint_ms, received = playground.read_visit(page)
    seconds = playground.time_photos(page, create_varied(2))
    page.context.close()

    assert paint_ms > 0
    assert 0 < received < sum(playground.count_bytes().values())
    assert seconds > 0


@pytest.mark.parametrize("name", ["page", "terminal"])
def test_pictures_are_taken(
    browser: Browser, deployed: Deployment, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "ROOT", tmp_path)
    monkeypatch.setattr(pictures, "PICTURES", tmp_path)

    pictures.TAKEN[name](browser, deployed.url, deployed.key)

    taken = sorted(path.name for path in tmp_path.glob("*.webp"))
    assert taken == {"page": ["playground-dark.webp", "playground-light.webp"], "terminal": ["terminal.webp"]}[name]
    assert all(path.stat().st_size > 5_000 for path in tmp_path.glob("*.webp"))
