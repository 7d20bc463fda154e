"""Classify with a deployed API."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pigeonhole.client import AsyncClient, Results, RetryPolicy
from pigeonhole_cli.classify.engine import Engine, OnResults, Values
from pigeonhole_cli.classify.samples import SampleType

RETRIES = RetryPolicy(connect_attempts=2)  # a wrong address is reported soon


def deployed_engine(url: str, api_key: str) -> Engine:
    """Return an engine that calls an API.

    Ctrl-C ends the requests in progress at once, because they run in an event loop.
    """

    async def classify(kind: SampleType, values: Values, fields: Mapping[str, Any], on_results: OnResults) -> Results:
        async with AsyncClient(url, api_key, retries=RETRIES) as client:
            if kind == "text":
                return await client.classify_texts(map(str, values), on_results=on_results, **fields)
            return await client.classify_images(values, on_results=on_results, **fields)

    return lambda *arguments: asyncio.run(classify(*arguments))
