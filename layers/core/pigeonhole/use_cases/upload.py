"""Give a form by which a caller sends a file to its own prefix of the upload bucket, and no other file to no other place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.contract import RequestLimits
from pigeonhole.contract_uploads import Upload, UploadRequest
from pigeonhole.ports import UploadForms
from pigeonhole.tenants import Tenant
from pigeonhole.times import iso
from pigeonhole.uploads import new_key
from pigeonhole.validation import faults_of, invalid_request


@dataclass(frozen=True)
class MakeUpload:
    """The service behind `POST /v1/uploads`. `form_s`: how long a form is taken; `keep_s`: how long an upload is kept."""

    forms: UploadForms
    limits: RequestLimits
    bucket: str
    form_s: int = 900
    keep_s: int = 7 * 24 * 3600
    clock: Callable[[], float] = time.time

    def __call__(self, body: object, tenant: Tenant) -> Upload:
        """Make a form. Raises InvalidRequest with every fault."""
        try:
            asked = UploadRequest.model_validate(body, context=self.limits)
        except ValidationError as error:
            raise invalid_request(faults_of(error)) from None
        now, most = self.clock(), self.limits.max_upload_bytes
        key = new_key(tenant.id, asked.filename, now)
        url, fields = self.forms.form(key, asked.content_type, asked.size or 1, asked.size or most, self.form_s)
        return Upload(
            url=url,
            fields=fields,
            s3_uri=f"s3://{self.bucket}/{key}",
            max_bytes=asked.size or most,
            expires_at=iso(int(now) + self.form_s),
            kept_until=iso(int(now) + self.keep_s),
        )
