"""Manifests of bulk jobs on Amazon S3, read by ranges."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from pigeonhole.aws.s3 import PRECONDITION_FAILED, READ_BYTES, error_status, is_transient
from pigeonhole.bulk.ports import ListedObject, ManifestLocation, ManifestObject
from pigeonhole.errors import Overloaded, UnfetchableUrl

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

RANGE_NOT_SATISFIABLE = 416
UNREADABLE = "the manifest can't be read; check its bucket and key, and that this service may read it"
UNLISTABLE = "the prefix can't be listed; check its bucket, and that this service may list it"
REPLACED = "the manifest was replaced or deleted while the job ran; send a new job"


@dataclass(frozen=True)
class S3ManifestStore:
    """The ManifestStore of a deployment. Its client may be used by several threads."""

    client: S3Client

    def find(self, location: ManifestLocation) -> ManifestObject:
        """Read the ETag of an object. See `ManifestStore.find`."""
        try:
            # Not HEAD, whose errors have no code that tells a busy S3 from an absent object.
            answer = self.client.get_object(**_to_object(location))
            answer["Body"].close()
        except (ClientError, BotoCoreError, UnicodeError) as error:
            raise _translate(error, UNREADABLE) from error
        return ManifestObject(location, answer["ETag"], answer["ContentLength"])

    def open(self, manifest: ManifestObject) -> S3Manifest:
        """Return the source of a manifest."""
        return S3Manifest(self.client, manifest)

    def list_pages(self, location: ManifestLocation, after: str | None = None) -> Iterator[list[ListedObject]]:
        """List a prefix. See `ManifestStore.list_pages`."""
        start: dict[str, Any] = {"StartAfter": after} if after is not None else {}
        try:
            paginator = self.client.get_paginator("list_objects_v2")
            for page in paginator.paginate(Bucket=location.bucket, Prefix=location.object_key, **start):
                yield [ListedObject(found["Key"], found["Size"]) for found in page.get("Contents", ())]
        except (ClientError, BotoCoreError, UnicodeError) as error:
            raise _translate(error, UNLISTABLE) from error


@dataclass(frozen=True)
class S3Manifest:
    """A ManifestSource on S3. Each range is one GET, which fails if the object isn't the one that the job began with."""

    client: S3Client
    manifest: ManifestObject

    def read(self, start_byte: int = 0, stop_byte: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range.

        Raises:
            UnfetchableUrl: The object is absent, was replaced, or can't be read.
            Overloaded: A retry may help.
        """
        if start_byte == stop_byte:
            return
        last = "" if stop_byte is None else stop_byte - 1
        condition: dict[str, Any] = {"IfMatch": self.manifest.etag} if self.manifest.etag else {}
        try:
            answer = self.client.get_object(
                **_to_object(self.manifest.location),
                Range=f"bytes={start_byte}-{last}",
                **condition,
            )
            with closing(answer["Body"]) as stream:
                yield from stream.iter_chunks(READ_BYTES)
        except ClientError as error:
            if error_status(error) == RANGE_NOT_SATISFIABLE:  # at the end of the object, or the object is empty
                return
            is_replaced = error_status(error) == PRECONDITION_FAILED
            raise _translate(error, REPLACED if is_replaced else UNREADABLE) from error
        except (BotoCoreError, UnicodeError) as error:
            raise _translate(error, UNREADABLE) from error


def _to_object(location: ManifestLocation) -> dict[str, Any]:
    """Return the arguments that name an object to S3."""
    version = {"VersionId": location.version_id} if location.version_id else {}
    return {"Bucket": location.bucket, "Key": location.object_key, **version}


def _translate(error: Exception, message: str) -> Exception:
    return Overloaded() if is_transient(error) else UnfetchableUrl(message)
