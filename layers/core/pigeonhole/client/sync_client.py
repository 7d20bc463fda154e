"""The client for programs without an event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

import httpx

from pigeonhole.client import classify, frames, jobs, resources
from pigeonhole.client.environment import read_environment
from pigeonhole.client.exchange import RetryPolicy
from pigeonhole.client.fields import LabelOptions, Labels, Options, Questions
from pigeonhole.client.images import ImageSource
from pigeonhole.client.results import Job, Results
from pigeonhole.client.sync_runner import SyncRunner
from pigeonhole.client.transport import find_endpoint

if TYPE_CHECKING:
    from pigeonhole.client.classify import OnResults
    from pigeonhole.client.jobs import OnJob
    from pigeonhole.contract.jobs import JobInfo, JobStatus
    from pigeonhole.contract.label_sets import LabelSetInfo
    from pigeonhole.contract.service import AccountResponse, ModelInfo

Frame = TypeVar("Frame")


class Client:
    """A client of a Pigeonhole API. It may be used by several threads, and as a context manager.

    Every method raises a `ClientError` if a request fails. A sample that can't be classified has an `error` in its result, and
    doesn't affect the others.

    Example:
        with Client.from_environment() as client:
            for result in client.classify_texts(["I was charged twice"], ["billing", "bug"]):
                print(result.label, result.probability)
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        concurrency: int = 4,
        retries: RetryPolicy | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Create a client. No request is sent yet.

        Args:
            url: The API's base address, stage included.
            api_key: The API key. It is sent only to `url`.
            concurrency: How many requests are sent at the same time, where samples don't fit into one.
            retries: When a request is sent again.
            transport: Sends the requests, such as `httpx.MockTransport` in a test.

        Raises:
            ValueError: The address or the key is invalid.
        """
        endpoint = find_endpoint(url, api_key)
        http = httpx.Client(transport=transport, **endpoint.http_options)
        self._runner = SyncRunner(endpoint, retries or RetryPolicy(), max(1, concurrency), http)

    @classmethod
    def from_environment(cls, *, concurrency: int = 4) -> Self:
        """Create a client by the variables JIGSAWSTACK_API_URL and JIGSAWSTACK_API_KEY."""
        return cls(*read_environment(), concurrency=concurrency)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._runner.endpoint.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._runner.http.close()

    def classify_texts(
        self,
        texts: Iterable[str],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        on_results: OnResults | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """Classify any number of texts, 32 in each request.

        Args:
            texts: The texts.
            labels: The labels to choose from: a list of texts, or the descriptions of each label by its name. A description is
                a text, an example image, or a list of these.
            label_set: The name of a saved label set, in place of labels.
            on_results: Called with the results of each request when it ends.
            **options: See `Options`.

        Returns:
            A result for each text, in order.
        """
        return self._runner.run(classify.classify(classify.texts(texts), labels, label_set, options, on_results))

    def classify_images(
        self,
        images: Iterable[ImageSource],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        on_results: OnResults | None = None,
        **options: Unpack[Options],
    ) -> Results:
        """Classify any number of images, at most 32 in each request. See `classify_texts` for the other arguments.

        Args:
            images: Addresses (https://, s3://, data:), paths of files, bytes of files, PIL images or numpy arrays of uint8.
            labels: The labels to choose from.
            label_set: The name of a saved label set, in place of labels.
            on_results: Called with the results of each request when it ends.
            **options: See `Options`.

        Returns:
            A result for each image, in order.
        """
        return self._runner.run(classify.classify(classify.images(images), labels, label_set, options, on_results))

    def ask_texts(self, texts: Iterable[str], questions: Questions, *, scores: bool = True) -> dict[str, Results]:
        """Ask several questions about each text, which is read once.

        Args:
            texts: The texts.
            questions: The labels of each question, or a `Question` with options, by a name of your own.
            scores: Whether the results have the scores of all labels.

        Returns:
            The results of each question, by its name.
        """
        return self._runner.run(classify.ask(classify.texts(texts), questions, scores=scores))

    def ask_images(self, images: Iterable[ImageSource], questions: Questions, *, scores: bool = True) -> dict[str, Results]:
        """Ask several questions about each image, which is read once. See `ask_texts`."""
        return self._runner.run(classify.ask(classify.images(images), questions, scores=scores))

    def classify_frame(
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
        """Classify a column of a pandas or polars frame. A value that occurs several times is sent once.

        Args:
            frame: The frame. It isn't changed.
            column: The column with texts, or with what `classify_images` takes.
            labels: The labels to choose from.
            label_set: The name of a saved label set, in place of labels.
            images: Whether the column has images.
            prefix: Begins the names of the new columns.
            **options: See `Options`.

        Returns:
            The frame with the columns `prediction`, `probability` and `error`. They are null where the value is null. With
            `multiple_labels`, or a label set that has it, the first two hold lists.
        """
        flow = frames.classify_frame(frame, column, labels, label_set, options, images=images, prefix=prefix)
        return self._runner.run(flow)

    def submit_texts(
        self,
        texts: Sequence[str],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Submit up to 10,000 texts as a job, which runs in the background.

        Args:
            texts: The texts.
            labels: The labels to choose from.
            label_set: The name of a saved label set, in place of labels.
            webhook_url: Gets a signed POST when the job ends.
            idempotency_key: The same key and samples return the same job for 24 hours.
            **options: See `Options`.
        """
        samples = jobs.text_samples(texts)
        keys = {"webhook_url": webhook_url, "idempotency_key": idempotency_key}
        return self._runner.run(jobs.submit(samples, labels, label_set, options, **keys))

    def submit_images(
        self,
        images: Sequence[ImageSource],
        labels: Labels | None = None,
        *,
        label_set: str | None = None,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[Options],
    ) -> Job:
        """Submit up to 10,000 images as a job. Files above 3.5 MB together are uploaded first. See `submit_texts`.

        Each upload has a new address. So a second call with the same `idempotency_key` and uploaded files has another body, and
        the API refuses it with `idempotency_mismatch` (422). Name images by their addresses to repeat a call.
        """
        samples = jobs.image_samples(images)
        keys = {"webhook_url": webhook_url, "idempotency_key": idempotency_key}
        return self._runner.run(jobs.submit(samples, labels, label_set, options, **keys))

    def get_job(self, job_id: str) -> Job:
        """Return a job and, once it has ended, its results."""
        return self._runner.run(jobs.get(job_id))

    def wait_for_job(self, job_id: str, *, timeout_s: float = 3_600, on_job: OnJob | None = None) -> Job:
        """Return a job with its results once it has ended.

        Args:
            job_id: The job.
            timeout_s: The longest time to wait.
            on_job: Called with each state of the job.

        Raises:
            JobNotEnded: The time is over.
        """
        return self._runner.run(jobs.wait(job_id, timeout_s=timeout_s, on_job=on_job))

    def list_jobs(self, *, limit: int = 20, status: JobStatus | str | None = None) -> list[JobInfo]:
        """Return up to `limit` jobs, newest first, or only those with a status."""
        return self._runner.run(jobs.list_newest(limit, status))

    def cancel_job(self, job_id: str) -> Job:
        """Cancel a job that hasn't ended."""
        return self._runner.run(jobs.cancel(job_id))

    def list_label_sets(self) -> list[LabelSetInfo]:
        """Return all label sets, sorted by name."""
        return self._runner.run(resources.list_label_sets())

    def get_label_set(self, name: str) -> LabelSetInfo:
        """Return a label set."""
        return self._runner.run(resources.get_label_set(name))

    def put_label_set(self, name: str, labels: Labels, **options: Unpack[LabelOptions]) -> LabelSetInfo:
        """Save labels and options under a name."""
        return self._runner.run(resources.put_label_set(name, labels, options))

    def delete_label_set(self, name: str) -> None:
        """Delete a label set."""
        self._runner.run(resources.delete_label_set(name))

    def list_models(self) -> list[ModelInfo]:
        """Return the deployed models."""
        return self._runner.run(resources.list_models())

    def get_account(self) -> AccountResponse:
        """Return the tenant, its limits and the prefixes of its images."""
        return self._runner.run(resources.get_account())
