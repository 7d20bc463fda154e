"""Objects in S3: callers' (ports.BlobStore, UploadForms, UploadTags), and the deployment's own (ports.ObjectStore)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from pigeonhole.errors import Overloaded, TooLarge, UnfetchableUrl
from pigeonhole.uploads.upload_tags import MAX_TAGS

CHUNK_BYTES = 256 * 1024
UNUSED = "pigeonhole:unused"  # a tag
DENIED, ABSENT = 403, 404


class S3BlobStore:
    """Reads with the client that it is given, whose timeouts and retries hold. Safe to use from several threads."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(
        self,
        bucket: str,
        key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Get an object. See ports.BlobStore."""
        body = BytesIO()
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key, **_version(version_id))
            with closing(answer["Body"]) as stream:
                _hold(answer["ContentLength"], max_bytes)
                for chunk in stream.iter_chunks(CHUNK_BYTES):
                    _hold(body.tell() + len(chunk), max_bytes)
                    if on_bytes is not None:
                        on_bytes(len(chunk))
                    body.write(chunk)
        except (ClientError, BotoCoreError, UnicodeError) as error:  # UnicodeError: a key that is no UTF-8
            if _may_pass(error):
                raise Overloaded() from error
            # Absent and denied read the same: whether an object is there is its owner's to tell.
            raise UnfetchableUrl(
                "the s3:// object can't be read; check its bucket and key, and that this service may read it"
            ) from error
        return body.getvalue()


class S3ObjectStore:
    """The ObjectStore of a deployment: one bucket, with the client that it is given.

    What is denied is not absent, but tried again: a policy may be wrong for a while, and nothing is to be lost by that. S3
    tells the two apart to those who may list the bucket, so each role that reads here may.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, key: str, data: bytes, content_type: str) -> None:
        with _calling():
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type)

    def etag(self, key: str) -> str | None:
        with suppress(_Refused), _calling(ABSENT):
            found: str = self._client.head_object(Bucket=self._bucket, Key=key)["ETag"]
            return found
        return None

    def replace(self, key: str, data: bytes, content_type: str, known: str | None) -> bool:
        condition = {"IfNoneMatch": "*"} if known is None else {"IfMatch": known}
        # 412: another lies there; 409: another is being put there; absent: none lies there any more
        with suppress(_Refused), _calling(ABSENT, 409, 412):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=data, ContentType=content_type, **condition)
            return True
        return False

    def get(self, key: str, version_id: str | None = None) -> bytes | None:
        with suppress(_Refused), _calling(ABSENT):
            answer = self._client.get_object(Bucket=self._bucket, Key=key, **_version(version_id))
            with closing(answer["Body"]) as stream:
                data: bytes = stream.read()
                return data
        return None

    def link(self, key: str, seconds: int) -> str:
        place = {"Bucket": self._bucket, "Key": key}
        address: str = self._client.generate_presigned_url("get_object", Params=place, ExpiresIn=seconds)
        return address

    def mark_unused(self, key: str) -> None:
        # A lifecycle rule removes what is so tagged, by its age. So it is copied onto itself, which makes it new: a job that
        # was sent before may still read it for as long as a job is kept.
        place = {"Bucket": self._bucket, "Key": key}
        self._mark(
            self._client.copy_object,
            Key=key,
            CopySource=place,
            TaggingDirective="REPLACE",
            Tagging=urlencode({UNUSED: "true"}),
            MetadataDirective="REPLACE",  # a copy onto itself has to change something besides
        )

    def mark_used(self, key: str) -> None:
        self._mark(self._client.delete_object_tagging, Key=key)

    def _mark(self, operation: Callable[..., Any], **arguments: Any) -> None:
        with suppress(_Refused), _calling(ABSENT):
            operation(Bucket=self._bucket, **arguments)


class S3UploadForms:
    """The UploadForms of a deployment: forms that are signed here and taken by S3."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def form(self, key: str, content_type: str, least: int, most: int, seconds: int) -> tuple[str, dict[str, str]]:
        fixed = {"Content-Type": content_type}
        made = self._client.generate_presigned_post(
            Bucket=self._bucket,
            Key=key,
            Fields=dict(fixed),
            Conditions=[fixed, ["content-length-range", least, most]],
            ExpiresIn=seconds,
        )
        return made["url"], made["fields"]


class S3UploadTags:
    """The UploadTags of a deployment. S3 replaces all tags of an object at once, so those it has are read first; what others
    change in between is lost."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def add(self, key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        place = {"Bucket": self._bucket, "Key": key, **_version(version_id)}
        # 405: a mark that it was deleted lies in its place. And no retry would mend a tag that S3 doesn't take. Nor is denied
        # told apart from absent here: a tag is the least of what is told, and all else would wait for it.
        with suppress(_Refused), _calling(DENIED, ABSENT, 405, codes=("BadRequest", "InvalidTag")):
            before = {tag["Key"]: tag["Value"] for tag in self._client.get_object_tagging(**place)["TagSet"]}
            after = before | dict(tags)
            if len(after) > MAX_TAGS:
                return False
            if after != before:
                tagged = [{"Key": name, "Value": value} for name, value in after.items()]
                self._client.put_object_tagging(**place, Tagging={"TagSet": tagged})
            return True
        return False


class _Refused(Exception):
    """S3 didn't do it, and its answer says something to whoever asked."""


@contextmanager
def _calling(*statuses: int, codes: Collection[str] = ()) -> Iterator[None]:
    """Raises _Refused where S3 answers with one of these statuses or codes, Overloaded where it fails in any other way."""
    try:
        yield
    except ClientError as error:
        says = error.response["ResponseMetadata"]["HTTPStatusCode"] in statuses or error.response["Error"]["Code"] in codes
        raise (_Refused() if says else Overloaded()) from error
    except BotoCoreError as error:
        raise Overloaded() from error


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: S3 was busy, or the connection broke."""
    if isinstance(error, ClientError):
        status, code = error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        return bool(status >= 500 or code == "RequestTimeout")
    return isinstance(error, BotoConnectionError | HTTPClientError | IncompleteReadError)


def _version(version_id: str | None) -> dict[str, str]:
    return {"VersionId": version_id} if version_id else {}


def _hold(count: int, max_bytes: int) -> None:
    if count > max_bytes:
        raise TooLarge(f"the s3:// object is larger than {max_bytes / 1e6:g} MB; use a smaller one")
