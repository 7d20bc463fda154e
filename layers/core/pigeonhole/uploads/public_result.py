"""What callers see of uploads' results: the HTTP model, the lines of a job's results object, and the events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pigeonhole.contract import upload_results as contract
from pigeonhole.contract.messages import ClassifiedUpload, UploadsClassified
from pigeonhole.object_keys import UploadLocation
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.upload_result import DetailedUploadResult, UploadResult

# Of the uploads of one event. AWS bills an event for each started 64 KB, and the event has some fields besides its uploads.
MAX_EVENT_BYTES = 60_000


def to_contract(result: UploadResult) -> contract.UploadResult:
    """Convert a result to its HTTP model."""
    fault = result.fault
    return contract.UploadResult(
        key=result.object_key,
        version_id=result.version_id,
        status=result.status,
        label_set=result.label_set,
        job_id=result.job_id,
        classified_at=to_iso(result.classified_at),
        expires_at=to_iso(result.expires_at),
        prediction=result.prediction,
        scores=None if result.scores is None else list(result.scores),
        error=contract.ObjectFault(code=fault.code, message=fault.message) if fault else None,
        samples=result.samples,
        results_uri=result.results_uri,
        results_line=result.results_line,
    )


def to_json_lines(results: Iterable[DetailedUploadResult]) -> bytes:
    """Convert the results of a job's uploads to the object that lies in the upload bucket: a line of JSON for each."""
    return b"".join(_to_json(result) + b"\n" for result in results)


def _to_json(detailed: DetailedUploadResult) -> bytes:
    details = {
        "scores": None if detailed.scores is None else list(detailed.scores),
        "predictions": None if detailed.predictions is None else list(detailed.predictions),
        "errors": None if detailed.errors is None else list(detailed.errors),
    }
    return to_contract(detailed.result).model_copy(update=details).model_dump_json(exclude_none=True).encode()


def to_events(results: Sequence[UploadResult], bucket: str) -> Iterator[UploadsClassified]:
    """Convert results to the events that are published on the bus, as few as their size allows.

    Args:
        results: The results of one job, or of uploads of one label set that no job can classify.
        bucket: The upload bucket.
    """
    for uploads in _divide([_to_classified_upload(result) for result in results]):
        location, first = UploadLocation.parse(results[0].object_key), results[0]
        yield UploadsClassified(
            tenant_id=first.tenant_id,
            bucket=bucket,
            label_set=location.label_set if location else "",
            label_set_version=first.label_set.version if first.label_set else None,
            job_id=first.job_id,
            results_uri=first.results_uri,
            classified_at=to_iso(first.classified_at),
            uploads=uploads,
        )


def _divide(uploads: Iterable[ClassifiedUpload]) -> Iterator[list[ClassifiedUpload]]:
    batch: list[ClassifiedUpload] = []
    batch_bytes = 0
    for upload in uploads:
        upload_bytes = len(upload.model_dump_json().encode()) + 1  # and a comma
        if batch and batch_bytes + upload_bytes > MAX_EVENT_BYTES:
            yield batch
            batch, batch_bytes = [], 0
        batch.append(upload)
        batch_bytes += upload_bytes
    if batch:
        yield batch


def _to_classified_upload(result: UploadResult) -> ClassifiedUpload:
    return ClassifiedUpload(
        key=result.object_key,
        version_id=result.version_id,
        sequencer=result.sequencer,
        status=result.status,
        labels=result.labels,
        score=result.best_probability,
        error=result.fault.code if result.fault else None,
        results_line=result.results_line,
    )
