"""Fake APIs for the tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.cli.job_api import JobApi
from support.cli.label_api import LabelApi
from support.cli.upload_api import UploadApi


@pytest.fixture
def api() -> Iterator[JobApi]:
    with JobApi() as server:
        yield server


@pytest.fixture
def label_api() -> Iterator[LabelApi]:
    with LabelApi() as server:
        yield server


@pytest.fixture
def upload_api() -> Iterator[UploadApi]:
    with UploadApi() as server:
        yield server
