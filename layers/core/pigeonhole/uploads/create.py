"""Give a form by which a caller sends a file to its own prefixes of the upload bucket, and no other file to no other place."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.contract.classification import RequestLimits
from pigeonhole.contract.uploads import UploadRequest, kind_of_type, most_bytes
from pigeonhole.contract.validation import faults_of, invalid_request
from pigeonhole.label_sets.apply import unknown_label_set
from pigeonhole.label_sets.ports import LabelSetStore
from pigeonhole.object_keys import incoming_grant, upload_key, uploads_grant
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.ports import UploadForms
from pigeonhole.uploads.uploaded_file import ENDINGS, to_file_kind


@dataclass(frozen=True, kw_only=True)
class UploadForm:
    """A form by which a caller sends one file to S3. Times are seconds since 1970, UTC.

    Attributes:
        url: Where the form is posted to.
        fields: The form's fields, which precede the file.
        bucket: The upload bucket.
        object_key: The object key that the file gets.
        max_bytes: The largest file that the form takes.
        expires_at: Until when S3 takes the form.
        kept_until: Until when, at least, the file is stored.
    """

    url: str
    fields: Mapping[str, str]
    bucket: str
    object_key: str
    max_bytes: int
    expires_at: int
    kept_until: int


@dataclass(frozen=True, kw_only=True)
class UploadFormCreator:
    """The service behind `POST /v1/uploads`. `form_s`: how long a form is taken; `keep_s`: how long an upload is kept."""

    forms: UploadForms
    sets: LabelSetStore
    limits: RequestLimits
    bucket: str
    form_s: int = 900
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def create(self, body: object, tenant: Tenant) -> UploadForm:
        """Make a form. Raises InvalidRequest with every fault, Overloaded."""
        try:
            asked = UploadRequest.model_validate(body, context=self.limits)
        except ValidationError as error:
            raise invalid_request(faults_of(error)) from None
        now, most = self.clock(), most_bytes(kind_of_type(asked.content_type), self.limits)
        key = self._key(asked, tenant, now)
        url, fields = self.forms.form(key, asked.content_type, asked.size or 1, asked.size or most, self.form_s)
        return UploadForm(
            url=url,
            fields=fields,
            bucket=self.bucket,
            object_key=key,
            max_bytes=asked.size or most,
            expires_at=int(now) + self.form_s,
            kept_until=int(now) + self.keep_s,
        )

    def _key(self, asked: UploadRequest, tenant: Tenant, now: float) -> str:
        if asked.label_set is None:
            return upload_key(uploads_grant(tenant.id, self.bucket).prefix, asked.filename, now)
        if self.sets.get(tenant.id, asked.label_set) is None:
            raise invalid_request((unknown_label_set(asked.label_set),))
        prefix = f"{incoming_grant(tenant.id, self.bucket).prefix}{asked.label_set}/"
        kind = kind_of_type(asked.content_type)
        key = upload_key(prefix, asked.filename, now, ENDINGS.get(kind, ""))
        return key if to_file_kind(key) is kind else key + ".image"  # an image whose name ends like a text's
