"""Tell what became of uploaded objects: in the table, as JSON beside them, as tags on them, and as events on the bus.

Each step may be done again, and is, if whoever did it was lost before the last one. The table comes first: of two uploads of
one key the later one has its place there, and of the other nothing is told. So an event may come twice, and never not at all.
The JSON is put over what lay there before the table was written, or not at all: so it is never an older upload's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pigeonhole.contract.classification import LabelScore, LabelSetRef, SampleFault
from pigeonhole.contract.jobs import JobStatus, Progress
from pigeonhole.contract.messages import JobInput, UploadClassified, UploadedFile
from pigeonhole.contract.upload_results import ObjectFault, UploadResult
from pigeonhole.errors import Overloaded
from pigeonhole.jobs.job import Job
from pigeonhole.jobs.read import JobReader
from pigeonhole.jobs.results import JobResults, prediction
from pigeonhole.object_keys import UploadLocation, job_input_key, upload_result_key
from pigeonhole.ports import EventBus, ObjectStore
from pigeonhole.timestamps import to_iso
from pigeonhole.uploads.ports import UploadResultStore, UploadTags
from pigeonhole.uploads.upload_result import ObjectResult
from pigeonhole.uploads.upload_tags import to_tags
from pigeonhole.uploads.uploaded_file import to_sortable_sequencer

AT_ONCE = 16  # objects
TRIES = 5  # of a JSON object, while others tell results of the same key
CANCELED = ObjectFault(code="canceled", message="The job of this upload was canceled. Upload the file again.")
NOT_DONE = ObjectFault(code="internal_error", message="The file could not be classified. Upload it again.")


@dataclass(frozen=True)
class Outcome:
    """A result as the table keeps it, and `whole`: as its JSON object has it."""

    result: ObjectResult
    whole: UploadResult


@dataclass(frozen=True)
class PublishSummary:
    """How many results were told, how many of them errors; of how many a later upload's is known, or another job's of the same
    upload; and how many objects could not be tagged."""

    told: int = 0
    failed: int = 0
    overtaken: int = 0
    untagged: int = 0


@dataclass(frozen=True, kw_only=True)
class UploadResultsPublisher:
    """Tells results. `objects`, `bucket`: of uploads and results; `tags`: None where objects aren't to be tagged."""

    results: UploadResultStore
    objects: ObjectStore
    tags: UploadTags | None
    bus: EventBus
    bucket: str

    def publish(self, outcomes: Sequence[Outcome]) -> PublishSummary:
        """Tell results of different objects. Raises Overloaded where trying again may help."""
        if not outcomes:
            return PublishSummary()
        with ThreadPoolExecutor(min(AT_ONCE, len(outcomes)), thread_name_prefix="publish") as pool:
            kept = list(pool.map(self._keep, outcomes))
        told = [outcome for outcome, tagged in zip(outcomes, kept, strict=True) if tagged is not None]
        self.bus.put([event_of(outcome.result, self.bucket) for outcome in told])
        return PublishSummary(
            told=len(told),
            failed=sum(outcome.result.told.status == "failed" for outcome in told),
            overtaken=kept.count(None),
            untagged=kept.count(False),
        )

    def _keep(self, outcome: Outcome) -> bool | None:
        """Keep a result and tag its object; whether that could be tagged, None if there is a later result."""
        told, place = outcome.result.told, upload_result_key(outcome.result.key)
        before = self.objects.etag(place)
        if not self.results.save(outcome.result) or not self._put(outcome, place, before):
            return None
        tags = to_tags(told)
        return self.tags.add(told.key, told.version_id, tags) if self.tags and tags else True

    def _put(self, outcome: Outcome, place: str, before: str | None) -> bool:
        """Put a result's JSON; False if another result has come into the table meanwhile, whose JSON is to stay."""
        data = outcome.whole.model_dump_json(exclude_none=True).encode()
        for _ in range(TRIES):
            if self.objects.replace(place, data, "application/json", before):
                return True
            now, ours = self.results.get(outcome.result.tenant_id, outcome.result.key), outcome.result
            if now is None or (now.sequencer, now.told.job_id) != (ours.sequencer, ours.told.job_id):
                return False
            before = self.objects.etag(place)
        raise Overloaded()


@dataclass(frozen=True, kw_only=True)
class JobResultsPublisher:
    """Tells the results of a job's uploaded objects. `objects`: what jobs work on."""

    job_reader: JobReader
    objects: ObjectStore
    publisher: UploadResultsPublisher
    clock: Callable[[], float] = time.time

    def publish(self, job: Job) -> PublishSummary:
        """Tell the results of an ended job. Raises Overloaded where trying again may help."""
        data = self.objects.get(job_input_key(job.tenant_id, job.id))
        if data is None:  # its time is over, and with it that of its results
            return PublishSummary()
        kept = JobInput.read(data)
        found = self.job_reader.read_results(job)
        return self.publisher.publish(list(_outcomes(job, kept.objects, found, self.clock(), self.publisher.bucket)))


def refused(
    tenant_id: str,
    upload: UploadedFile,
    fault: ObjectFault,
    *,
    label_set: LabelSetRef | None,
    now: float,
    expires_at: int,
    bucket: str,
) -> Outcome:
    """The outcome of an upload that no job takes."""
    told = UploadResult(
        key=upload.key,
        version_id=upload.version_id,
        status="failed",
        label_set=label_set,
        classified_at=to_iso(now),
        expires_at=to_iso(expires_at),
        error=fault,
        results_uri=f"s3://{bucket}/{upload_result_key(upload.key)}",
    )
    return Outcome(ObjectResult(tenant_id, to_sortable_sequencer(upload.sequencer), now, expires_at, told), told)


def _outcomes(job: Job, uploads: Sequence[UploadedFile], found: JobResults, now: float, bucket: str) -> Iterator[Outcome]:
    errors = {fault.index: fault for fault in found.errors}
    not_done = CANCELED if job.status is JobStatus.CANCELED else NOT_DONE
    start = 0
    for upload in uploads:
        span = range(start, start + upload.samples)
        start = span.stop
        whole = partial(
            UploadResult,
            key=upload.key,
            version_id=upload.version_id,
            label_set=job.label_set,
            job_id=job.id,
            classified_at=to_iso(now),
            expires_at=to_iso(job.expires_at),
            results_uri=f"s3://{bucket}/{upload_result_key(upload.key)}",
        )
        if upload.is_lines:
            made, told = _of_lines(whole, job, span, found, errors, not_done)
        else:
            made, told = _of_one(whole, job, span.start, found, errors, not_done)
        yield Outcome(ObjectResult(job.tenant_id, to_sortable_sequencer(upload.sequencer), now, job.expires_at, told), made)


def _of_one(
    whole: partial[UploadResult], job: Job, index: int, found: JobResults, errors: dict[int, SampleFault], not_done: ObjectFault
) -> tuple[UploadResult, UploadResult]:
    chosen = found.predictions[index]
    if chosen is None:
        fault = errors.get(index)
        error = ObjectFault(code=fault.code, message=fault.message) if fault else not_done
        made = whole(status="failed", error=error)
        return made, made
    made = whole(status="succeeded", prediction=prediction(chosen, multiple=job.multiple_labels), scores=found.scores[index])
    return made, made.model_copy(update={"scores": _of_chosen(chosen, found.scores[index])})


def _of_chosen(chosen: Sequence[str], scores: Sequence[LabelScore] | None) -> list[LabelScore] | None:
    known = {score.label: score for score in scores or ()}
    return [known[label] for label in chosen if label in known] or None


def _of_lines(
    whole: partial[UploadResult],
    job: Job,
    span: range,
    found: JobResults,
    errors: dict[int, SampleFault],
    not_done: ObjectFault,
) -> tuple[UploadResult, UploadResult]:
    chosen = found.predictions[span.start : span.stop]
    succeeded = sum(each is not None for each in chosen)
    progress = Progress(total=len(span), succeeded=succeeded, failed=len(span) - succeeded)
    faults = [
        errors[index].model_copy(update={"index": index - span.start})
        if index in errors
        else SampleFault(index=index - span.start, code=not_done.code, message=not_done.message)
        for index in span
        if found.predictions[index] is None
    ]
    first = ObjectFault(code=faults[0].code, message=faults[0].message) if not succeeded else None
    told = whole(status="succeeded" if succeeded else "failed", samples=progress, error=first)
    predictions = [prediction(each, multiple=job.multiple_labels) for each in chosen]
    return told.model_copy(update={"predictions": predictions, "errors": faults or None}), told


def event_of(result: ObjectResult, bucket: str) -> UploadClassified:
    """The event of an object's result."""
    told, place = result.told, UploadLocation.parse(result.key)
    return UploadClassified(
        tenant_id=result.tenant_id,
        bucket=bucket,
        key=told.key,
        version_id=told.version_id,
        sequencer=result.sequencer,
        label_set=place.label_set if place else "",
        label_set_version=told.label_set.version if told.label_set else None,
        job_id=told.job_id,
        status=told.status,
        labels=told.labels,
        score=told.probability(told.labels[0]) if told.labels else None,
        error=told.error.code if told.error else None,
        results_key=upload_result_key(told.key),
        classified_at=told.classified_at,
    )
