"""The choice between a port's fake and its adapter: a test of both takes the fixture `is_real`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.moto_aws import in_moto


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in this process, empty."""
    with in_moto(monkeypatch):
        yield


@pytest.fixture(params=["fake", "real"])
def is_real(request: pytest.FixtureRequest) -> bool:
    """Run the test twice: for a port's fake, and for its adapter with AWS in this process."""
    if request.param == "real":
        request.getfixturevalue("aws")
        return True
    return False
