"""The client of a Pigeonhole API, for Python programs. It needs the packages of the extra `client`.

    from pigeonhole.client import Client

    with Client.from_environment() as client:
        results = client.classify_texts(["I was charged twice"], ["billing", "bug"])

`AsyncClient` has the same methods for asyncio. docs/client.md describes both.
"""

from pigeonhole.client.async_client import AsyncClient
from pigeonhole.client.errors import ApiError, ClientError, ConnectionFailed, JobNotEnded, UnexpectedAnswer
from pigeonhole.client.exchange import RetryPolicy
from pigeonhole.client.fields import LabelOptions, Options, Question
from pigeonhole.client.results import Job, Result, Results
from pigeonhole.client.sync_client import Client
from pigeonhole.contract.labels import Label

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionFailed",
    "Job",
    "JobNotEnded",
    "Label",
    "LabelOptions",
    "Options",
    "Question",
    "Result",
    "Results",
    "RetryPolicy",
    "UnexpectedAnswer",
]
