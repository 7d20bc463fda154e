"""The tools. Their docstrings and the descriptions of their arguments are what an agent reads."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import anyio
from anyio import to_thread
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from pigeonhole.client import AsyncClient, ClientError, Job, Options
from pigeonhole.client.fields import Description
from pigeonhole.client.jobs import ENDED
from pigeonhole.ids import is_id
from pigeonhole_cli.mcp import inputs
from pigeonhole_cli.mcp.errors import reported
from pigeonhole_cli.mcp.folders import Folders, Image
from pigeonhole_cli.mcp.labels import to_labels
from pigeonhole_cli.mcp.outputs import (
    Answers,
    Classification,
    JobState,
    LabelSets,
    to_classification,
    to_job_state,
    to_label_set,
)
from pigeonhole_cli.mcp.questions import to_answers, to_question

POLL_S = 1.0  # after the first look at a job that a call waits for. Each further pause is twice as long
MAX_POLL_S = 10.0  # the longest pause
MAX_RESULTS = 1_000  # of a job, in one answer

First = Annotated[int, Field(ge=0, description="The position of the first result to return, from 0.")]
Count = Annotated[int, Field(ge=0, le=MAX_RESULTS, description="How many results to return.")]
JobId = Annotated[str, Field(description="The `job_id` that submit_job returned.")]


class Tools:
    """The tools of one server."""

    def __init__(self, client: AsyncClient, folders: Folders) -> None:
        """Create the tools.

        Args:
            client: The API.
            folders: The files that may be read.
        """
        self._client, self._folders = client, folders

    async def classify_texts(
        self,
        texts: inputs.Texts,
        labels: inputs.Labels,
        multiple_labels: inputs.MultipleLabels = False,
        instruction: inputs.Instruction = None,
        threshold: inputs.Threshold = None,
        scores: inputs.Scores = False,
    ) -> Classification:
        """Sort texts into labels that you name, with no training and no examples.

        Use it for sentiment, topics, intents, spam, urgency, languages. Each result has the label and its probability.
        """
        options: Options = {"multiple_labels": multiple_labels, "instruction": instruction, "threshold": threshold}
        with reported():
            results = await self._client.classify_texts(texts, await self._to_labels(labels), **options)
        return to_classification(results, texts, scores=scores)

    async def classify_images(
        self,
        images: inputs.Images,
        labels: inputs.Labels,
        multiple_labels: inputs.MultipleLabels = False,
        instruction: inputs.Instruction = None,
        threshold: inputs.Threshold = None,
        scores: inputs.Scores = False,
    ) -> Classification:
        """Sort images into labels that you name, with no training.

        A label says what the picture shows: `cat`, `a receipt`, `not a hotdog`. It may have example images. A path of a folder
        stands for its image files.
        """
        options: Options = {"multiple_labels": multiple_labels, "instruction": instruction, "threshold": threshold}
        with reported():
            found = await self._read_images(images)
            described = await self._to_labels(labels)
            results = await self._client.classify_images([image.source for image in found], described, **options)
        return to_classification(results, _names(found), scores=scores)

    async def ask(
        self, questions: inputs.Questions, texts: inputs.OptionalTexts = None, images: inputs.OptionalImages = None
    ) -> Answers:
        """Ask several questions about each text or image at once: choices, yes or no, levels, or all options that fit.

        Cheaper than a call for each question, because a sample is read once. No text is generated: an answer is one of the
        options.
        """
        repeated = {question.name for question in questions if [other.name for other in questions].count(question.name) > 1}
        if repeated:
            raise ToolError(f"questions: the names must differ. Used twice: {', '.join(sorted(repeated))}")
        with reported():
            asked = await to_thread.run_sync(lambda: {asked.name: to_question(asked, self._folders) for asked in questions})
            if not _has_images(texts, images):
                samples = texts or []
                return to_answers(questions, await self._client.ask_texts(samples, asked), samples)
            found = await self._read_images(images or [])
            answered = await self._client.ask_images([image.source for image in found], asked)
        return to_answers(questions, answered, _names(found))

    async def list_label_sets(self) -> LabelSets:
        """List the saved label sets: labels and options under a name, for classify_with_label_set and submit_job."""
        with reported():
            return LabelSets(label_sets=[to_label_set(label_set) for label_set in await self._client.list_label_sets()])

    async def classify_with_label_set(
        self,
        label_set: inputs.LabelSetName,
        texts: inputs.OptionalTexts = None,
        images: inputs.OptionalImages = None,
        scores: inputs.Scores = False,
    ) -> Classification:
        """Sort texts or images into the labels of a saved label set, with its options."""
        with reported():
            if not _has_images(texts, images):
                samples = texts or []
                results = await self._client.classify_texts(samples, label_set=label_set)
                return to_classification(results, samples, scores=scores)
            found = await self._read_images(images or [])
            results = await self._client.classify_images([image.source for image in found], label_set=label_set)
        return to_classification(results, _names(found), scores=scores)

    async def submit_job(
        self,
        context: Context[Any, Any],
        labels: inputs.OptionalLabels = None,
        label_set: inputs.OptionalLabelSet = None,
        texts: inputs.JobTexts = None,
        images: inputs.JobImages = None,
        multiple_labels: inputs.MultipleLabels = False,
        instruction: inputs.Instruction = None,
        wait_s: inputs.WaitS = 0,
    ) -> JobState:
        """Sort up to 10,000 texts or images in the background. Returns the id of the job, or its results if it ends in time.

        Each call creates another job. Give `labels` or a `label_set`, and `texts` or `images`.
        """
        if (labels is None) == (label_set is None):
            raise ToolError("Give either `labels` or the name of a `label_set`.")
        options: Options = {"instruction": instruction}
        if multiple_labels:  # otherwise the label set decides
            options["multiple_labels"] = True
        with reported():
            described = None if labels is None else await self._to_labels(labels)
            if not _has_images(texts, images):
                job = await self._client.submit_texts(texts or [], described, label_set=label_set, **options)
            else:
                found = await to_thread.run_sync(self._folders.read_images, images or [])
                sources = [image.source for image in found]
                job = await self._client.submit_images(sources, described, label_set=label_set, **options)
        if wait_s:
            with suppress(ClientError):  # an error would hide the id of the job, and the agent would submit it again
                job = await self._wait(job.id, wait_s, context)
        return to_job_state(job, first=0, count=100)

    async def job_status(
        self, context: Context[Any, Any], job_id: JobId, wait_s: inputs.WaitS = 0, first: First = 0, count: Count = 100
    ) -> JobState:
        """Return the state of a job and, once it has ended, its results. It can wait for the end and report progress."""
        if not is_id(job_id):
            raise ToolError("job_id: must have 32 hex digits, as submit_job returned it.")
        with reported():
            job = await self._wait(job_id, wait_s, context)
        return to_job_state(job, first=first, count=count)

    async def _wait(self, job_id: str, wait_s: float, context: Context[Any, Any]) -> Job:
        """Return a job when it has ended or the time is over, and report its progress meanwhile."""
        end_s, reported_count, pause_s = anyio.current_time() + wait_s, -1, POLL_S
        while True:
            job = await self._client.get_job(job_id)
            progress = job.info.progress
            done = progress.succeeded + progress.failed
            if done > reported_count:  # progress has to increase
                await context.report_progress(done, progress.total, f"{job.info.status}, {progress.failed} with an error")
                reported_count = done
            remaining_s = end_s - anyio.current_time()
            if job.info.status in ENDED or remaining_s <= 0:
                return job
            await anyio.sleep(min(pause_s, remaining_s))
            pause_s = min(2 * pause_s, MAX_POLL_S)

    async def _to_labels(self, labels: Sequence[inputs.LabelInput]) -> dict[str, list[Description]]:
        return await to_thread.run_sync(to_labels, labels, self._folders)

    async def _read_images(self, images: Sequence[str]) -> list[Image]:
        return await to_thread.run_sync(self._folders.read_images, images, inputs.MAX_SAMPLES)


def _has_images(texts: list[str] | None, images: list[str] | None) -> bool:
    """Whether a call gave images, and not texts. Some agents send an empty list for what they don't give.

    Raises:
        ToolError: The call gave both or neither.
    """
    if bool(texts) == bool(images):
        raise ToolError("Give either `texts` or `images`, with at least one of them.")
    return bool(images)


def _names(images: Sequence[Image]) -> list[str]:
    return [image.name for image in images]
