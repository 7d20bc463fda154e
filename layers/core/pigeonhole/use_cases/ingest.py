"""Take files that were dropped under incoming/: each batch of one tenant and label set becomes a job, or a few.

    an image    a sample            those of a batch together in one job
    .txt        a sample            likewise, in another
    .jsonl      a sample per line   a job of its own

Whatever can't be taken gets a result that says why. S3 may tell of a file twice, late, or after it was overwritten: of one key
the last upload counts, and what has a result already is passed over. A batch that comes again is the same job.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import ValidationError

from pigeonhole.contract import ClassificationRequest, LabelSetRef, RequestLimits, Sample, is_set_name, parse_as
from pigeonhole.contract_results import ObjectFault
from pigeonhole.errors import Fault, InvalidRequest, NotFound, TooLarge, UnfetchableUrl, UnsupportedMedia
from pigeonhole.incoming import Kind, in_order, kind_of, place_of
from pigeonhole.jobs import IdempotencyKey
from pigeonhole.messages import UploadedObject
from pigeonhole.ports import ObjectStore, ResultStore, TenantStore
from pigeonhole.tenants import Tenant
from pigeonhole.use_cases.apply_label_set import Applied, ApplyLabelSet
from pigeonhole.use_cases.publish import PublishResults, refused
from pigeonhole.use_cases.submit import Submit
from pigeonhole.validation import faults_of, within

READ_AT_ONCE = 16  # texts
MOST_FAULTS = 5  # of a file, in its result
EMPTY = "The file is empty."
GONE = "The file was deleted before it could be read. Upload it again."
NO_TEXT = "The file is not text in UTF-8. Convert it, and upload it again."

Failed = Callable[[str, Exception], None]


@dataclass
class Ingested:
    """What became of a batch. `jobs`, `samples`: taken; `refused`: files with an error for a result; `known`: files that have a
    result, or that a later upload of the batch replaces; `strays`: files that are no tenant's; `left`: not taken, for another
    try."""

    jobs: int = 0
    samples: int = 0
    refused: int = 0
    known: int = 0
    strays: int = 0
    left: set[UploadedObject] = field(default_factory=set)


@dataclass(frozen=True)
class Ingest:
    """The service behind functions/ingest. `files`, `bucket`: of uploads; `keep_s`: how long a result is kept."""

    tenants: TenantStore
    apply: ApplyLabelSet
    submit: Submit
    files: ObjectStore
    results: ResultStore
    publish: PublishResults
    limits: RequestLimits
    bucket: str
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def __call__(
        self, uploads: Sequence[UploadedObject], log_id: str, failed: Failed = lambda tenant_id, error: None
    ) -> Ingested:
        """Take files. Those of one tenant and label set share their fate, and no other's.

        `failed`: is told of each tenant some of whose files are left, and why.
        """
        done = Ingested()
        newest: dict[str, UploadedObject] = {}
        for upload in sorted(uploads, key=lambda upload: in_order(upload.sequencer)):
            newest[upload.key] = upload
        done.known += len(set(uploads)) - len(newest)
        groups: dict[tuple[str, str], list[UploadedObject]] = defaultdict(list)
        for upload in newest.values():
            if place := place_of(upload.key):
                groups[place.tenant_id, place.label_set].append(upload)
            else:
                done.strays += not upload.key.endswith("/")  # which the console makes of a folder
        for (tenant_id, label_set), group in groups.items():
            try:
                self._take(tenant_id, label_set, group, log_id, done)
            except Exception as error:  # whatever it is, the others' turn comes
                done.left.update(group)
                failed(tenant_id, error)
        return done

    def _take(self, tenant_id: str, label_set: str, group: Sequence[UploadedObject], log_id: str, done: Ingested) -> None:
        tenant = self.tenants.tenant(tenant_id)
        if tenant is None:
            done.strays += len(group)
            return
        named: dict[str, Any] = {"label_set": label_set, "scores": True, "on_error": "null"}
        applied = self.apply(named, tenant)
        if applied.used is None:
            fault = _no_such_set(label_set)
            self._refuse(tenant, dict.fromkeys(group, fault), None, done)
            return
        known = self.results.sequencers(tenant.id, [upload.key for upload in group])
        new = [upload for upload in group if in_order(upload.sequencer) > known.get(upload.key, "")]
        done.known += len(group) - len(new)
        faults: dict[UploadedObject, ObjectFault] = {}
        for samples in self._samples(new, faults):
            self._submit(tenant, applied, samples, log_id, faults, done)
        self._refuse(tenant, faults, applied.used, done)

    def _samples(
        self, uploads: Sequence[UploadedObject], faults: dict[UploadedObject, ObjectFault]
    ) -> Iterator[dict[UploadedObject, list[dict[str, Any]]]]:
        """The samples of each file, job by job. `faults`: gets those of files that can't be taken."""
        images: dict[UploadedObject, list[dict[str, Any]]] = {}
        texts: dict[UploadedObject, list[dict[str, Any]]] = {}
        of_text = [upload for upload in uploads if kind_of(upload.key) is not Kind.IMAGE]
        with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="read") as pool:
            read = dict(zip(of_text, pool.map(self._read, of_text), strict=True))
        for upload in uploads:
            found = read[upload] if upload in read else self._image(upload)
            if isinstance(found, ObjectFault):
                faults[upload] = found
            elif kind_of(upload.key) is Kind.LINES:
                yield {upload: found}
            else:
                (texts if upload in read else images)[upload] = found
        most = self.limits.max_samples
        for together in (images, texts):
            files = list(together)
            for first in range(0, len(files), most):
                yield {file: together[file] for file in files[first : first + most]}

    def _image(self, upload: UploadedObject) -> list[dict[str, Any]] | ObjectFault:
        if upload.size > self.limits.max_upload_bytes:
            return _too_large(upload.size, self.limits.max_upload_bytes)
        if not upload.size:
            return ObjectFault(code=UnsupportedMedia.code, message=EMPTY)
        return [{"type": "image", "value": f"s3://{self.bucket}/{upload.key}"}]

    def _read(self, upload: UploadedObject) -> list[dict[str, Any]] | ObjectFault:
        """A file's samples, or why it has none. Raises Overloaded."""
        if upload.size > self.limits.max_body_bytes:
            return _too_large(upload.size, self.limits.max_body_bytes)
        data = self.files.get(upload.key, upload.version_id)
        if data is None:
            return ObjectFault(code=UnfetchableUrl.code, message=GONE)
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return ObjectFault(code=UnsupportedMedia.code, message=NO_TEXT)
        if not text.strip():
            return ObjectFault(code=UnsupportedMedia.code, message=EMPTY)
        try:
            if kind_of(upload.key) is Kind.LINES:
                return _lines(text, self.limits)
            return [{"type": "text", "value": within(text.strip(), self.limits.max_text_chars, "a text")}]
        except ValueError as error:
            return ObjectFault(code=InvalidRequest.code, message=f"The file can't be taken: {error}.")

    def _submit(
        self,
        tenant: Tenant,
        applied: Applied,
        samples: Mapping[UploadedObject, list[dict[str, Any]]],
        log_id: str,
        faults: dict[UploadedObject, ObjectFault],
        done: Ingested,
    ) -> None:
        dataset = [sample for each in samples.values() for sample in each]
        assert isinstance(applied.body, dict)  # noqa: S101 - as it was given
        try:
            request = parse_as(ClassificationRequest, applied.body | {"dataset": dataset}, self.limits)
        except InvalidRequest as error:  # the set was kept under other limits; of lines each was looked at before
            fault = ObjectFault(code=error.code, message=f"The label set can't be applied: {_in_words(error.details)}.")
            faults.update(dict.fromkeys(samples, fault))
            return
        objects = [
            upload.model_copy(update={"samples": len(own), "is_lines": kind_of(upload.key) is Kind.LINES})
            for upload, own in samples.items()
        ]
        self.submit(request, tenant=tenant, log_id=log_id, key=_key_of(list(samples)), label_set=applied.used, objects=objects)
        done.jobs += 1
        done.samples += len(dataset)

    def _refuse(
        self, tenant: Tenant, faults: Mapping[UploadedObject, ObjectFault], label_set: LabelSetRef | None, done: Ingested
    ) -> None:
        now = self.clock()
        make = partial(refused, label_set=label_set, now=now, expires_at=int(now) + self.keep_s, bucket=self.bucket)
        self.publish([make(tenant.id, upload, fault) for upload, fault in faults.items()])
        done.refused += len(faults)


def _key_of(uploads: Sequence[UploadedObject]) -> IdempotencyKey:
    """What makes a batch that comes again the same job."""
    named = sorted([upload.key, upload.version_id or "", upload.sequencer] for upload in uploads)
    body = json.dumps(named).encode()
    # No header may hold a line break, so no caller's own key can be this one.
    return IdempotencyKey(f"uploads\n{hashlib.sha256(body).hexdigest()}", body)


def _lines(text: str, limits: RequestLimits) -> list[dict[str, Any]]:
    """The samples of a .jsonl file. Raises ValueError with what is wrong, by the numbers of its lines from 1."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > limits.max_samples:
        raise ValueError(f"at most {limits.max_samples} lines are taken, got {len(lines)}")
    samples: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, line in lines:
        try:
            samples.append(Sample.model_validate(json.loads(line), context=limits).model_dump())
        except ValidationError as error:
            faults += [Fault(f"line {number} {fault.path}".rstrip(), fault.message) for fault in faults_of(error)]
        except (ValueError, RecursionError):
            faults.append(Fault(f"line {number}", 'is not JSON; write {"type": "text", "value": "…"}'))
    if faults:
        raise ValueError(_in_words(faults))
    if len({sample["type"] for sample in samples}) > 1:
        raise ValueError("its lines must be all texts or all images; upload two files for a mix")
    return samples


def _in_words(faults: Sequence[Fault]) -> str:
    more = len(faults) - MOST_FAULTS
    shown = "; ".join(f"{fault.path}: {fault.message}" for fault in faults[:MOST_FAULTS])
    return shown if more <= 0 else f"{shown}; and {more} more"


def _no_such_set(name: str) -> ObjectFault:
    way_out = f"PUT /v1/label-sets/{name} first, and upload the file again" if is_set_name(name) else "Nor can there be one"
    return ObjectFault(code=NotFound.code, message=f"There is no label set called {name!r}. {way_out}.")


def _too_large(size: int, most: int) -> ObjectFault:
    return ObjectFault(code=TooLarge.code, message=f"The file has {size} bytes, and {most} are taken. Upload a smaller one.")
