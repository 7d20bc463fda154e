"""Split a job's results into the results of the uploads that its samples came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pigeonhole.bulk.outputs import MANIFEST_NAME
from pigeonhole.contract.classification import LabelScore, SampleFault
from pigeonhole.contract.jobs import JobStatus, Progress
from pigeonhole.contract.labels import LabelSetRef
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.errors import UnsupportedMedia
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.results import Answers, JobResults, prediction
from pigeonhole.object_keys import bulk_results_prefix, upload_results_key
from pigeonhole.uploads.upload_result import DetailedUploadResult, UploadFault, UploadResult
from pigeonhole.uploads.uploaded_file import KINDS, to_sortable_sequencer

CANCELED = UploadFault(code="canceled", message="The job of this upload was canceled. Upload the file again.")
NO_LINE = UploadFault(
    code="invalid_request",
    message="No line of the file could be classified. The errors parts of its job say why, line by line.",
)
NOT_DONE = UploadFault(code="internal_error", message="The file could not be classified. Upload it again.")


def refuse_upload(
    tenant_id: str,
    upload: UploadedFile,
    fault: UploadFault,
    *,
    label_set: LabelSetRef | None,
    now: float,
    expires_at: int,
) -> UploadResult:
    """Create the result of an upload that no job can classify.

    Args:
        tenant_id: The tenant that uploaded the file.
        upload: The file.
        fault: Why it can't be classified.
        label_set: The label set of its folder, if there is one.
        now: Seconds since 1970, UTC.
        expires_at: From when the table may delete the result.
    """
    return UploadResult(
        tenant_id=tenant_id,
        object_key=upload.key,
        version_id=upload.version_id,
        sequencer=to_sortable_sequencer(upload.sequencer),
        classified_at=now,
        expires_at=expires_at,
        label_set=label_set,
        fault=fault,
    )


def to_bulk_result(job: Job, upload: UploadedFile, *, now: float, job_bucket: str) -> UploadResult:
    """Create the result of an upload whose lines a bulk job classified.

    Args:
        job: The ended job.
        upload: The file.
        now: Seconds since 1970, UTC.
        job_bucket: The bucket that has the job's results.
    """
    result = UploadResult(
        tenant_id=job.tenant_id,
        object_key=upload.key,
        version_id=upload.version_id,
        sequencer=to_sortable_sequencer(upload.sequencer),
        classified_at=now,
        expires_at=job.expires_at,
        label_set=job.label_set,
        job_id=job.id,
    )
    if job.status is JobStatus.CANCELED:
        return replace(result, fault=CANCELED)
    if job.error is not None:
        return replace(result, fault=UploadFault(job.error.code, job.error.message))
    return replace(
        result,
        samples=Progress(total=job.total, succeeded=job.succeeded, failed=job.failed),
        fault=None if job.succeeded else NO_LINE,
        results_uri=f"s3://{job_bucket}/{bulk_results_prefix(job.tenant_id, job.id)}{MANIFEST_NAME}",
    )


@dataclass(frozen=True, kw_only=True)
class JobResultsSplitter:
    """Splits the results of one ended job.

    Attributes:
        job: The job.
        results: The results of its samples.
        now: Seconds since 1970, UTC.
        bucket: The upload bucket.
    """

    job: Job
    results: JobResults
    now: float
    bucket: str

    def split(self, uploads: Sequence[UploadedFile]) -> Iterator[DetailedUploadResult]:
        """Create the results of the job's uploads, whose samples follow each other in the job."""
        faults = {fault.index: fault for fault in self.results.errors}
        start = 0
        for line, upload in enumerate(uploads, 1):
            span = range(start, start + upload.samples)
            start = span.stop
            result = self._to_result(upload, line)
            yield self._complete_lines(result, span, faults) if upload.is_lines else self._complete(result, span.start, faults)

    @property
    def results_key(self) -> str:
        """The object key of the job's results object, whose lines are the results in the order of the uploads."""
        label_set = self.job.label_set
        return upload_results_key(self.job.tenant_id, label_set.name if label_set else "", self.job.id)

    @property
    def _answers(self) -> Answers:
        """The answers of the labels. A job of uploads has no questions."""
        return self.results.answers[0]

    def _to_result(self, upload: UploadedFile, line: int) -> UploadResult:
        """Create a result that lacks its prediction or fault."""
        return UploadResult(
            tenant_id=self.job.tenant_id,
            object_key=upload.key,
            version_id=upload.version_id,
            sequencer=to_sortable_sequencer(upload.sequencer),
            classified_at=self.now,
            expires_at=self.job.expires_at,
            label_set=self.job.label_set,
            job_id=self.job.id,
            results_uri=f"s3://{self.bucket}/{self.results_key}",
            results_line=line,
        )

    def _complete(self, result: UploadResult, index: int, faults: Mapping[int, SampleFault]) -> DetailedUploadResult:
        """Add the prediction of a file that is one sample."""
        chosen, scores = self._answers.predictions[index], self._answers.scores[index]
        if chosen is None:
            return DetailedUploadResult(replace(result, fault=_name_kinds(self._to_fault(faults.get(index)))))
        result = replace(
            result,
            prediction=prediction(chosen, multiple=self.job.multiple_labels),
            scores=_select_scores(chosen, scores),
        )
        return DetailedUploadResult(result, scores=scores)

    def _complete_lines(self, result: UploadResult, span: range, faults: Mapping[int, SampleFault]) -> DetailedUploadResult:
        """Add the counts and predictions of a .jsonl file, whose lines are samples."""
        chosen = self._answers.predictions[span.start : span.stop]
        succeeded = sum(labels is not None for labels in chosen)
        errors = []
        for line, labels in enumerate(chosen):
            if labels is None:
                fault = self._to_fault(faults.get(span.start + line))
                errors.append(SampleFault(index=line, code=fault.code, message=fault.message))
        result = replace(
            result,
            samples=Progress(total=len(span), succeeded=succeeded, failed=len(span) - succeeded),
            fault=None if succeeded else UploadFault(errors[0].code, errors[0].message),
        )
        predictions = [prediction(labels, multiple=self.job.multiple_labels) for labels in chosen]
        return DetailedUploadResult(result, predictions=predictions, errors=errors or None)

    def _to_fault(self, fault: SampleFault | None) -> UploadFault:
        """Convert a sample's fault. A sample without a result and without a fault was never classified."""
        if fault:
            return UploadFault(fault.code, fault.message)
        return CANCELED if self.job.status is JobStatus.CANCELED else NOT_DONE


def _name_kinds(fault: UploadFault) -> UploadFault:
    """Say how files are read if one was read as an image and is another kind of file, such as a table."""
    return replace(fault, message=f"{fault.message}. {KINDS}") if fault.code == UnsupportedMedia.code else fault


def _select_scores(chosen: Sequence[str], scores: Sequence[LabelScore] | None) -> list[LabelScore] | None:
    """Return the scores of the chosen labels, in their order."""
    by_label = {score.label: score for score in scores or ()}
    return [by_label[label] for label in chosen if label in by_label] or None
