"""What tests of the command line share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cli.job_api import JobApi
from support.cli.label_api import LabelApi
from support.cli.upload_api import UploadApi


@pytest.fixture
def api() -> Iterator[JobApi]:
    with JobApi() as running:
        yield running


@pytest.fixture
def label_api() -> Iterator[LabelApi]:
    with LabelApi() as running:
        yield running


@pytest.fixture
def upload_api() -> Iterator[UploadApi]:
    with UploadApi() as running:
        yield running
