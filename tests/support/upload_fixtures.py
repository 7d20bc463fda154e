"""Uploads and their jobs, over fakes: files are numbers, which are classified as even or odd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.commands import ChunkResult, ClassifyCommand
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.job import Job
from pigeonhole.uploads.publish_results import PublishSummary
from pigeonhole.uploads.upload_result import UploadResult
from support.job_fixtures import ACME, BAD, Jobs, request

NUMBERS = LabelSetRef(name="numbers", version=3)


def score_numbers(command: ClassifyCommand, **_: Any) -> ChunkResult:
    """Classify numbers as even or odd, with probability 0.75. With several labels both are chosen. BAD is an error."""
    dataset, both = command.request.dataset, command.request.multiple_labels
    best = [None if sample.value == BAD else ("even", "odd")[int(sample.value) % 2] for sample in dataset]
    rows = [label and score_row(label) for label in best]
    return ChunkResult(
        predictions=[label and ([label, "other"] if both else [label]) for label in best],  # type: ignore[misc]
        scores=rows if command.request.scores else None,  # type: ignore[arg-type]
        errors=[
            SampleFault(index=command.first_index + index, code="unreadable_image", message="it is bad")
            for index, label in enumerate(best)
            if label is None
        ],
        input_tokens=1,
        output_tokens=1,
        inference_ms=1,
    )


def score_row(label: str) -> list[LabelScore]:
    chances = ((label, 0.75), ("other", 0.5), ("none", 0.25))
    return [LabelScore(label=name, probability=chance, similarity=chance / 2) for name, chance in chances]


def create_jobs(**more: Any) -> Jobs:
    return Jobs(**{"run": score_numbers} | more)


def upload_file(jobs: Jobs, name: str, *, sequencer: str = "1", **more: Any) -> UploadedFile:
    """Upload a file that has no tags. Return what S3's notification reports."""
    key, version_id = f"incoming/acme/numbers/{name}", f"v{sequencer}"
    jobs.tags.tags[key, version_id] = {}
    return UploadedFile(key=key, version_id=version_id, sequencer=sequencer, size=9, **more)


def submit_files(jobs: Jobs, uploads: Sequence[UploadedFile], values: Sequence[str], **more: Any) -> Job:
    dataset = [{"type": "text", "value": value} for value in values]
    job_request = request(0, **{"dataset": dataset, "scores": True} | more)
    return jobs.submitter.submit(job_request, tenant=ACME, log_id="l", label_set=NUMBERS, uploads=uploads)


def publish(jobs: Jobs, job: Job) -> PublishSummary:
    """Publish the results of a job's uploads, without the job's own notification."""
    return jobs.job_results_publisher.publish(jobs.job(job))


def classify_files(jobs: Jobs, uploads: Sequence[UploadedFile], values: Sequence[str], **more: Any) -> Job:
    job = submit_files(jobs, uploads, values, **more)
    jobs.work()
    jobs.notify()
    return jobs.job(job)


def stored_result(jobs: Jobs, upload: UploadedFile) -> UploadResult:
    result: UploadResult = jobs.results.results["acme", upload.key]
    return result


def stored_json(jobs: Jobs, upload: UploadedFile) -> Any:
    """Return the line of the results object that the stored result names."""
    result = stored_result(jobs, upload)
    assert result.results_uri is not None
    assert result.results_line is not None
    data = jobs.uploaded.objects[result.results_uri.removeprefix("s3://uploads/")]
    return json.loads(data.splitlines()[result.results_line - 1])


def stored_tags(jobs: Jobs, upload: UploadedFile) -> dict[str, str]:
    tags: dict[str, str] = jobs.tags.tags[upload.key, upload.version_id]
    return tags
