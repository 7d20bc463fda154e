"""What the tools return, as structured content."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from pigeonhole.client.jobs import ENDED
from pigeonhole.client.results import Job, Result, Results
from pigeonhole.contract.label_sets import LabelSetInfo

MAX_SAMPLE_CHARS = 80  # of a text that is repeated in its result


class LabelScore(BaseModel):
    """The probability of a label."""

    label: str
    probability: float


class SampleError(BaseModel):
    """Why a sample can't be classified. The others are not affected."""

    code: str
    message: str


class SampleResult(BaseModel):
    """The result of one sample."""

    index: int = Field(description="The position of the sample, from 0.")
    sample: str = Field(description="The name of the image, or the beginning of the text.")
    labels: list[str] = Field(description="The chosen labels, best first. Empty with an error, or below the threshold.")
    probability: float | None = Field(None, description="That of the first label.")
    scores: list[LabelScore] | None = Field(None, description="All labels, best first, if `scores` was asked for.")
    error: SampleError | None = None


class Classification(BaseModel):
    """The result of each sample, in order."""

    results: list[SampleResult]
    warnings: list[str] = []


class Answer(BaseModel):
    """The answer to a question about a sample."""

    question: str
    answers: list[str] = Field(description="The chosen options, best first. More than one only for `multiple`.")
    level: float | None = Field(None, description="For `level`: the mean position of the options, from 0.")
    probabilities: dict[str, float] = Field(description="The probability of each option.")


class SampleAnswers(BaseModel):
    """The answers about one sample."""

    index: int
    sample: str
    answers: list[Answer] = Field(description="In the order of the questions. Empty with an error.")
    error: SampleError | None = None


class Answers(BaseModel):
    """The answers about each sample, in order."""

    results: list[SampleAnswers]
    warnings: list[str] = []


class LabelSet(BaseModel):
    """Labels and options that are saved under a name."""

    name: str
    version: int
    labels: list[str]
    multiple_labels: bool
    instruction: str | None = None


class LabelSets(BaseModel):
    """All label sets, sorted by name."""

    label_sets: list[LabelSet]


class JobState(BaseModel):
    """A job and, once it has ended, its results."""

    job_id: str
    status: str = Field(description="queued, processing, succeeded, failed or canceled.")
    total: int
    succeeded: int
    failed: int = Field(description="The samples that have an error.")
    results: list[SampleResult] | None = Field(None, description="The results that were asked for by `first` and `count`.")
    answers: dict[str, list[SampleResult]] | None = Field(
        None, description="The same of each question, if the job has questions."
    )
    warnings: list[str] = []
    advice: str | None = Field(None, description="What to call next.")


def to_classification(results: Results, samples: Sequence[str], *, scores: bool) -> Classification:
    """Convert the results of a call."""
    converted = [to_sample_result(result, name, scores=scores) for result, name in zip(results, samples, strict=True)]
    return Classification(results=converted, warnings=list(results.warnings))


def to_sample_result(result: Result, sample: str, *, scores: bool) -> SampleResult:
    """Convert the result of one sample. Probabilities have three places, which is what they are good for."""
    return SampleResult(
        index=result.index,
        sample=to_name(sample),
        labels=list(result.labels),
        probability=None if result.probability is None else round(result.probability, 3),
        scores=[LabelScore(label=score.label, probability=round(score.probability, 3)) for score in result.scores or ()]
        if scores and result.scores is not None
        else None,
        error=to_error(result),
    )


def to_error(result: Result) -> SampleError | None:
    """Return why a sample has no result."""
    return None if result.error is None else SampleError(code=result.error.code, message=result.error.message)


def to_name(sample: str) -> str:
    """Return what a result calls its sample."""
    return sample if len(sample) <= MAX_SAMPLE_CHARS else f"{sample[: MAX_SAMPLE_CHARS - 3]}..."


def to_label_set(label_set: LabelSetInfo) -> LabelSet:
    """Convert a label set. Labels with the same key are one label."""
    names = dict.fromkeys(label.value if label.key is None else str(label.key) for label in label_set.labels)
    return LabelSet(
        name=label_set.name,
        version=label_set.version,
        labels=list(names),
        multiple_labels=label_set.multiple_labels,
        instruction=label_set.instruction,
    )


def to_job_state(job: Job, *, first: int, count: int) -> JobState:
    """Convert a job, with a part of its results.

    Args:
        job: The job.
        first: The position of the first result.
        count: The largest number of results.
    """
    progress = job.info.progress
    answers = job.answers or {}
    found = [*([] if job.results is None else [job.results]), *answers.values()]

    def page(results: Results) -> list[SampleResult]:
        part = results[first : first + count]
        return [to_sample_result(result, f"sample {result.index}", scores=False) for result in part]

    return JobState(
        job_id=job.id,
        status=job.info.status,
        total=progress.total,
        succeeded=progress.succeeded,
        failed=progress.failed,
        results=None if job.results is None else page(job.results),
        answers={name: page(results) for name, results in answers.items()} or None,
        warnings=list(dict.fromkeys(warning for results in found for warning in results.warnings)),
        advice=_advise(job, first + count, max(map(len, found), default=0)),
    )


def _advise(job: Job, next_: int, size: int) -> str | None:
    """Return what to do next with a job.

    Args:
        job: The job.
        next_: The position of the first result that isn't returned.
        size: The number of results.
    """
    if job.info.error is not None:
        return job.info.error.message
    if job.info.status not in ENDED:
        return f"It runs. Call job_status with job_id {job.id} and wait_s."
    if job.files is not None:
        return f"No tool reads the files of a bulk job. The user gets them by: pigeonhole bulk fetch {job.id} --out FOLDER"
    return f"{size - next_} more results: call job_status with first {next_}." if size > next_ else None
