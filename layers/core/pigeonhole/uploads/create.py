"""Create forms by which callers send files to S3. Each form takes one file, for one key in the caller's own folders."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import FileKind, UploadRequest
from pigeonhole.contract.validation import invalid_request, to_faults
from pigeonhole.label_sets.apply import unknown_label_set
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.object_keys import incoming_grant, upload_key, uploads_grant
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.ports import UploadForms
from pigeonhole.uploads.uploaded_file import ENDINGS, to_file_kind

# The key of a manifest ends as its media type says, because a bulk job reads it by its ending.
MANIFEST_ENDINGS = {
    "application/jsonl": (".jsonl", ".ndjson"),
    "application/x-ndjson": (".ndjson", ".jsonl"),
    "application/gzip": (".jsonl.gz", ".gz"),
    "application/vnd.apache.parquet": (".parquet",),
}


@dataclass(frozen=True, kw_only=True)
class UploadForm:
    """A form by which a caller sends one file to S3. Times are seconds since 1970, UTC.

    Attributes:
        url: Where the form is posted to.
        fields: The form's fields, which precede the file.
        bucket: The upload bucket.
        object_key: The object key that the file gets.
        upload_id: What a bulk job names as its input, if the file is a manifest.
        max_bytes: The largest file that the form takes.
        expires_at: Until when S3 takes the form.
        kept_until: Until when, at least, the file is stored.
    """

    url: str
    fields: Mapping[str, str]
    bucket: str
    object_key: str
    upload_id: str | None
    max_bytes: int
    expires_at: int
    kept_until: int


@dataclass(frozen=True, kw_only=True)
class UploadFormCreator:
    """The service behind `POST /v1/uploads`.

    Attributes:
        forms: Creates the forms.
        label_sets: Where label sets are stored.
        limits: How large a file may be.
        bucket: The upload bucket.
        form_s: How long S3 takes a form.
        keep_s: How long a file is stored.
        clock: Returns seconds since 1970.
    """

    forms: UploadForms
    label_sets: LabelSetStore
    limits: RequestLimits
    bucket: str
    form_s: int = 900
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def create(self, body: object, tenant: Tenant) -> UploadForm:
        """Create a form for one file.

        Args:
            body: The decoded JSON body of the request.
            tenant: The caller.

        Raises:
            InvalidRequest: The body is invalid. Its details hold each fault.
            Overloaded: A retry may help.
        """
        try:
            request = UploadRequest.model_validate(body, context=self.limits)
        except ValidationError as error:
            raise invalid_request(to_faults(error)) from None
        now = self.clock()
        max_bytes = request.size or request.max_bytes(self.limits)
        object_key = self._create_key(request, tenant, now)
        url, fields = self.forms.create_form(object_key, request.content_type, request.size or 1, max_bytes, self.form_s)
        return UploadForm(
            url=url,
            fields=fields,
            bucket=self.bucket,
            object_key=object_key,
            upload_id=object_key.rpartition("/")[2] if request.is_manifest else None,
            max_bytes=max_bytes,
            expires_at=int(now) + self.form_s,
            kept_until=int(now) + self.keep_s,
        )

    def _create_key(self, request: UploadRequest, tenant: Tenant, now: float) -> str:
        if request.label_set is None:
            endings = MANIFEST_ENDINGS.get(request.content_type, ())
            return upload_key(uploads_grant(tenant.id, self.bucket).prefix, request.filename, now, endings)
        if self.label_sets.get(tenant.id, request.label_set) is None:
            raise invalid_request((unknown_label_set(request.label_set),))
        prefix = f"{incoming_grant(tenant.id, self.bucket).prefix}{request.label_set}/"
        kind = FileKind.from_content_type(request.content_type)
        object_key = upload_key(prefix, request.filename, now, ENDINGS.get(kind, ()))
        # An image whose filename ends like a text's needs another ending, because the ending decides how it is read.
        return object_key if to_file_kind(object_key) is kind else object_key + ".image"
