"""The client for programs with an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

import httpx

from pigeonhole.client import classify, frames, jobs, resources
from pigeonhole.client.async_runner import AsyncRunner
from pigeonhole.client.environment import read_environment
from pigeonhole.client.exchange import RetryPolicy
from pigeonhole.client.fields import LabelOptions, Labels, Options, Questions
from pigeonhole.client.images import ImageSource
from pigeonhole.client.results import Job, Results
from pigeonhole.client.transport import find_endpoint

if TYPE_CHECKING:
    from pigeonhole.client.classify import OnResults
    from pigeonhole.client.jobs import OnJob
    from pigeonhole.contract.jobs import JobInfo, JobStatus
    from pigeonhole.contract.label_sets import LabelSetInfo
    from pigeonhole.contract.service import AccountResponse, ModelInfo

Frame = TypeVar("Frame")


class AsyncClient:
    """A client of a Pigeonhole API for asyncio, with the methods of `Client`. It is an asynchronous context manager.

    `on_results` and `on_job` are called in the event loop.

    Example:
        async with AsyncClient.from_environment() as client:
            results = await client.classify_texts(["I was charged twice"], ["billing", "bug"])
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        concurrency: int = 4,
        retries: RetryPolicy | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Create a client. No request is sent yet. See `Client` for the arguments.

        Raises:
            ValueError: The address or the key is invalid.
        """
        endpoint = find_endpoint(url, api_key)
        http = httpx.AsyncClient(transport=transport, **endpoint.http_options)
        self._runner = AsyncRunner(endpoint, retries or RetryPolicy(), max(1, concurrency), http)

    @classmethod
    def from_environment(cls, *, concurrency: int = 4) -> Self:
        """Create a client by the variables JIGSAWSTACK_API_URL and JIGSAWSTACK_API_KEY."""
        return cls(*read_environment(), concurrency=concurrency)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._runner.endpoint.url!r})"

    async def close(self) -> None:
        """Close the connections."""
        await self._runner.http.aclose()

    async def classify_texts(
        self,
        texts: Iterable[str],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        on_results: OnResults | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """Classify any number of texts, 32 in each request. See `Client.classify_texts`."""
        return await self._runner.run(classify.classify(classify.texts(texts), labels, label_set, options, on_results))

    async def classify_images(
        self,
        images: Iterable[ImageSource],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        on_results: OnResults | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """Classify any number of images, at most 32 in each request. See `Client.classify_images`."""
        return await self._runner.run(classify.classify(classify.images(images), labels, label_set, options, on_results))

    async def ask_texts(self, texts: Iterable[str], questions: Questions, *, scores: bool = True) -> dict[str, Results]:
        """Ask several questions about each text, which is read once. See `Client.ask_texts`."""
        return await self._runner.run(classify.ask(classify.texts(texts), questions, scores=scores))

    async def ask_images(
        self, images: Iterable[ImageSource], questions: Questions, *, scores: bool = True
    ) -> dict[str, Results]:
        """Ask several questions about each image, which is read once. See `Client.ask_images`."""
        return await self._runner.run(classify.ask(classify.images(images), questions, scores=scores))

    async def classify_frame(
        self,
        frame: Frame,
        column: str,
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        images: bool = False,
        prefix: str = "",
        **options: Unpack[Options],
    ) -> Frame:
        """Classify a column of a pandas or polars frame. See `Client.classify_frame`."""
        flow = frames.classify_frame(frame, column, labels, label_set, options, images=images, prefix=prefix)
        return await self._runner.run(flow)

    async def submit_texts(
        self,
        texts: Sequence[str],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Submit up to 10,000 texts as a job, which runs in the background. See `Client.submit_texts`."""
        samples = jobs.text_samples(texts)
        keys = {"webhook_url": webhook_url, "idempotency_key": idempotency_key}
        return await self._runner.run(jobs.submit(samples, labels, label_set, options, **keys))

    async def submit_images(
        self,
        images: Sequence[ImageSource],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Submit up to 10,000 images as a job. Files above 3.5 MB together are uploaded first. See `Client.submit_images`.

        With an `idempotency_key` and uploaded files, a second call is refused.
        """
        samples = jobs.image_samples(images)
        keys = {"webhook_url": webhook_url, "idempotency_key": idempotency_key}
        return await self._runner.run(jobs.submit(samples, labels, label_set, options, **keys))

    async def get_job(self, job_id: str) -> Job:
        """Return a job and, once it has ended, its results. See `Client.get_job`."""
        return await self._runner.run(jobs.get(job_id))

    async def wait_for_job(self, job_id: str, *, timeout_s: float = 3_600, on_job: OnJob | None = None) -> Job:
        """Return a job with its results once it has ended. See `Client.wait_for_job`."""
        return await self._runner.run(jobs.wait(job_id, timeout_s=timeout_s, on_job=on_job))

    async def list_jobs(self, *, limit: int = 20, status: JobStatus | str | None = None) -> list[JobInfo]:
        """Return up to `limit` jobs, newest first, or only those with a status. See `Client.list_jobs`."""
        return await self._runner.run(jobs.list_newest(limit, status))

    async def cancel_job(self, job_id: str) -> Job:
        """Cancel a job that hasn't ended. See `Client.cancel_job`."""
        return await self._runner.run(jobs.cancel(job_id))

    async def list_label_sets(self) -> list[LabelSetInfo]:
        """Return all label sets, sorted by name. See `Client.list_label_sets`."""
        return await self._runner.run(resources.list_label_sets())

    async def get_label_set(self, name: str) -> LabelSetInfo:
        """Return a label set. See `Client.get_label_set`."""
        return await self._runner.run(resources.get_label_set(name))

    async def put_label_set(self, name: str, labels: Labels, **options: Unpack[LabelOptions]) -> LabelSetInfo:
        """Save labels and options under a name. See `Client.put_label_set`."""
        return await self._runner.run(resources.put_label_set(name, labels, options))

    async def delete_label_set(self, name: str) -> None:
        """Delete a label set. See `Client.delete_label_set`."""
        await self._runner.run(resources.delete_label_set(name))

    async def list_models(self) -> list[ModelInfo]:
        """Return the deployed models. See `Client.list_models`."""
        return await self._runner.run(resources.list_models())

    async def get_account(self) -> AccountResponse:
        """Return the tenant, its limits and the prefixes of its images. See `Client.get_account`."""
        return await self._runner.run(resources.get_account())
