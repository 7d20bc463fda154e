"""The fake API that the tests of `pigeonhole bulk` call."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cli.bulk_api import BulkApi


@pytest.fixture
def bulk_api() -> Iterator[BulkApi]:
    with BulkApi() as server:
        yield server
