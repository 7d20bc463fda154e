"""Keep callers' files in the upload bucket under keys of their own, as the reference's file store does."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pigeonhole.contract.uploads import MAX_MEDIA_TYPE_CHARS, MEDIA_TYPE, STORED_FILES, StoredFileOptions, is_stored_file_key
from pigeonhole.contract.validation import invalid_request
from pigeonhole.errors import Fault, InvalidRequest, NotFound, PreconditionFailed
from pigeonhole.ids import new_id
from pigeonhole.object_keys import stored_file_key
from pigeonhole.tenants.tenant import Tenant
from pigeonhole.uploads.ports import FileObjects

LINK_S = 3_600
_WRONG_KEY = Fault("key", "must be 1 to 200 letters, digits, `.`, `-` and `_`, and begin with none of `.` and `-`")
_NO_FILE = f"There is no such file. POST {STORED_FILES} stores one."


@dataclass(frozen=True)
class StoredFile:
    """A file that was stored.

    Attributes:
        key: The caller's key of the file.
        url: Its address on S3.
        size: Bytes.
        link: An address by which anybody can read it for `LINK_S` seconds, if it was asked for.
    """

    key: str
    url: str
    size: int
    link: str | None


@dataclass(frozen=True)
class FileContent:
    """What a file holds.

    Attributes:
        data: Its bytes.
        media_type: The media type that the caller named.
    """

    data: bytes
    media_type: str


@dataclass(frozen=True, kw_only=True)
class FileStore:
    """The service behind `/v1/store/file`.

    Attributes:
        objects: Where the files are stored.
        bucket: The upload bucket.
        clock: Returns seconds since 1970.
    """

    objects: FileObjects
    bucket: str
    clock: Callable[[], float] = time.time

    def store(self, content: FileContent, tenant: Tenant, options: StoredFileOptions) -> StoredFile:
        """Store a file.

        Args:
            content: The file.
            tenant: The caller.
            options: Its key, and whether it replaces another file and gets a link. The media type is that of `content`.

        Raises:
            InvalidRequest: The file is empty, or its key or media type can't be stored.
            PreconditionFailed: Another file has the key.
            Overloaded: A retry may help.
        """
        if not content.data:
            raise InvalidRequest("the file is empty: it must have at least one byte")
        if len(content.media_type) > MAX_MEDIA_TYPE_CHARS or not re.fullmatch(MEDIA_TYPE, content.media_type):
            raise invalid_request((Fault("content_type", "must be a media type such as image/jpeg"),))
        if options.key is not None and not is_stored_file_key(options.key):
            raise invalid_request((_WRONG_KEY,))
        name = options.key or new_id(self.clock())
        object_key = stored_file_key(tenant.id, name)
        if options.overwrite:
            self.objects.put(object_key, content.data, content.media_type)
        elif not self.objects.create(object_key, content.data, content.media_type):
            raise PreconditionFailed("Another file has this key: delete it, use another key, or send `overwrite=true`.")
        link = self.objects.link(object_key, LINK_S) if options.temp_public_url else None
        return StoredFile(name, f"s3://{self.bucket}/{object_key}", len(content.data), link)

    def read(self, tenant: Tenant, file_key: str) -> FileContent:
        """Read a file.

        Raises:
            NotFound: The tenant has no file of this key.
            Overloaded: A retry may help.
        """
        found = self.objects.read(stored_file_key(tenant.id, file_key)) if is_stored_file_key(file_key) else None
        if found is None:
            raise NotFound(_NO_FILE)
        return FileContent(*found)

    def delete(self, tenant: Tenant, file_key: str) -> None:
        """Delete a file. An absent file is no error.

        Raises:
            NotFound: No file can have this key.
            Overloaded: A retry may help.
        """
        if not is_stored_file_key(file_key):
            raise NotFound(_NO_FILE)
        self.objects.delete(stored_file_key(tenant.id, file_key))
