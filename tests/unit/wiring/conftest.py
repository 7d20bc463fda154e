"""What all tests of the composition root need."""

from __future__ import annotations

from pathlib import Path

import pytest

from pigeonhole.inference.encoders import registry
from pigeonhole.inference.images import decode_pool
from pigeonhole.wiring import api, inference
from support.fake_model import fake_loaded_model


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set credentials and a region, and forget services that another test has built."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    api.api_services.cache_clear()
    inference.classify_services.cache_clear()


@pytest.fixture(autouse=True)
def started_decoders(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Count decode processes that would be started ahead. Other tests' pools would take real ones."""
    started: list[None] = []
    monkeypatch.setattr(decode_pool, "start_ahead", lambda: started.append(None))
    return started


@pytest.fixture
def loaded_folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Load a fake model instead of a real one, and record from which folders."""
    folders: list[Path] = []

    def load(folder: Path, *, threads: int, starts_quickly: bool) -> registry.LoadedModel:
        folders.append(folder)
        return fake_loaded_model()

    monkeypatch.setattr(registry, "load", load)
    return folders
