"""Each test of this folder runs with both clients."""

from __future__ import annotations

import pytest

from support.client_api import Call, FakeApi, async_call, sync_call


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture(params=[sync_call, async_call], ids=["sync", "async"])
def call(api: FakeApi, request: pytest.FixtureRequest) -> Call:
    """Calls a method of a client by its name."""
    made: Call = request.param(api)
    return made
