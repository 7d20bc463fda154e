"""What callers see of an upload's result: the HTTP model, the JSON object in the upload bucket, and the event."""

from __future__ import annotations

from pigeonhole.contract import upload_results as contract
from pigeonhole.contract.messages import UploadClassified
from pigeonhole.object_keys import UploadLocation, upload_result_key
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.upload_result import DetailedUploadResult, UploadResult


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
    )


def to_json(detailed: DetailedUploadResult) -> bytes:
    """Convert a result with its details to the JSON object that lies in the upload bucket."""
    details = {
        "scores": None if detailed.scores is None else list(detailed.scores),
        "predictions": None if detailed.predictions is None else list(detailed.predictions),
        "errors": None if detailed.errors is None else list(detailed.errors),
    }
    return to_contract(detailed.result).model_copy(update=details).model_dump_json(exclude_none=True).encode()


def to_event(result: UploadResult, bucket: str) -> UploadClassified:
    """Convert a result to the event that is published on the bus.

    Args:
        result: The result.
        bucket: The upload bucket.
    """
    location = UploadLocation.parse(result.object_key)
    return UploadClassified(
        tenant_id=result.tenant_id,
        bucket=bucket,
        key=result.object_key,
        version_id=result.version_id,
        sequencer=result.sequencer,
        label_set=location.label_set if location else "",
        label_set_version=result.label_set.version if result.label_set else None,
        job_id=result.job_id,
        status=result.status,
        labels=result.labels,
        score=result.best_probability,
        error=result.fault.code if result.fault else None,
        results_key=upload_result_key(result.object_key),
        classified_at=to_iso(result.classified_at),
    )
