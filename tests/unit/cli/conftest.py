"""What tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from job_api import JobApi


@pytest.fixture
def api() -> Iterator[JobApi]:
    with JobApi() as running:
        yield running
