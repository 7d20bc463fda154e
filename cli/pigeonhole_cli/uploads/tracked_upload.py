"""A file of the command `pigeonhole upload`, and what is known of its upload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pigeonhole_cli.uploads.client import UploadAnswer


@dataclass
class TrackedUpload:
    """A file and the state of its upload.

    Attributes:
        path: The local file.
        object_key: The object key in the service's bucket, once the file is uploaded.
        error: Why the file could not be uploaded.
        result: The upload's result, once the service has classified it.
    """

    path: Path
    object_key: str | None = None
    error: str | None = None
    result: UploadAnswer | None = None

    @property
    def has_error(self) -> bool:
        """Whether the file, or a line of it, could not be uploaded or classified."""
        if self.result is None:
            return self.error is not None
        result = self.result.body
        return result.status == "failed" or bool(result.samples and result.samples.failed)

    @property
    def is_outstanding(self) -> bool:
        """Whether the file was uploaded and has no result yet."""
        return self.object_key is not None and self.result is None
