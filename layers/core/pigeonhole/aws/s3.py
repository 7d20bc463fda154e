"""Objects on Amazon S3: those that a caller names, uploads, and the deployment's own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from pigeonhole.errors import Overloaded, TooLarge, UnfetchableUrl

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import TagTypeDef

READ_BYTES = 256 * 1024  # of an object at a time
MAX_TAGS = 10  # of an object
UNUSED_TAG = "pigeonhole:unused"
# Codes with a status below 500 that aren't the object's fault: S3 or KMS is busy, or this service's credentials are stale.
RETRYABLE_CODES = frozenset(
    {
        "RequestTimeout",
        "RequestTimeTooSkewed",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "KMS.ThrottlingException",
        "TooManyRequestsException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
    }
)
DENIED, ABSENT, NOT_ALLOWED, CONFLICT, PRECONDITION_FAILED = 403, 404, 405, 409, 412


class S3BlobStore:
    """The BlobStore of a deployment. Its client may be used by several threads."""

    def __init__(self, client: S3Client) -> None:
        """Create the store. The client's timeouts and retries apply."""
        self._client = client

    def read(
        self,
        bucket: str,
        object_key: str,
        max_bytes: int,
        *,
        version_id: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> bytes:
        """Read an object in pieces, up to its limit. See `BlobStore.read`."""
        body = BytesIO()
        try:
            answer = self._client.get_object(Bucket=bucket, Key=object_key, **_version(version_id))
            with closing(answer["Body"]) as stream:
                _check_size(answer["ContentLength"], max_bytes)
                for data in stream.iter_chunks(READ_BYTES):
                    _check_size(body.tell() + len(data), max_bytes)
                    if on_bytes is not None:
                        on_bytes(len(data))
                    body.write(data)
        except (ClientError, BotoCoreError, UnicodeError) as error:  # UnicodeError: an object key that isn't UTF-8
            if is_transient(error):
                raise Overloaded() from error
            # The same message for an absent object and for a denied one: only its owner may say whether an object exists.
            raise UnfetchableUrl(
                "the s3:// object can't be read; check its bucket and key, and that this service may read it"
            ) from error
        return body.getvalue()


class S3ObjectStore:
    """The ObjectStore of a deployment, for one bucket.

    A denied object isn't an absent one. A policy may be wrong for a while, so the caller has to retry and not lose the object.
    S3 distinguishes the two only for a role that may list the bucket, so each role that reads here may list it.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        """Create the store for one bucket."""
        self._client = client
        self._bucket = bucket

    def put(self, object_key: str, data: bytes, content_type: str) -> None:
        """Store an object."""
        with _translated_errors():
            self._client.put_object(Bucket=self._bucket, Key=object_key, Body=data, ContentType=content_type)

    def create(self, object_key: str, data: bytes, content_type: str) -> bool:
        """Store an object by a conditional write. See `ObjectStore.create`."""
        # S3 answers with CONFLICT while another writer puts the object.
        with suppress(_Refused), _translated_errors(CONFLICT, PRECONDITION_FAILED):
            self._client.put_object(Bucket=self._bucket, Key=object_key, Body=data, ContentType=content_type, IfNoneMatch="*")
            return True
        return False

    def get(self, object_key: str) -> bytes | None:
        """Return the content of an object. See `ObjectStore.get`."""
        with suppress(_Refused), _translated_errors(ABSENT):
            answer = self._client.get_object(Bucket=self._bucket, Key=object_key)
            with closing(answer["Body"]) as stream:
                return stream.read()
        return None

    def link(self, object_key: str, seconds: int) -> str:
        """Return a presigned URL. See `ObjectStore.link`."""
        parameters = {"Bucket": self._bucket, "Key": object_key}
        return self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)

    def mark_unused(self, object_key: str) -> None:
        """Tag an object for a lifecycle rule. See `ObjectStore.mark_unused`."""
        # A lifecycle rule deletes objects with this tag by their age. The copy onto itself makes the object new, because a job
        # that was submitted before may read it for as long as a job is stored.
        self._change(
            self._client.copy_object,
            Key=object_key,
            CopySource={"Bucket": self._bucket, "Key": object_key},
            TaggingDirective="REPLACE",
            Tagging=urlencode({UNUSED_TAG: "true"}),
            MetadataDirective="REPLACE",  # S3 refuses a copy onto itself that changes nothing but tags
        )

    def mark_used(self, object_key: str) -> None:
        """Remove all tags of an object. See `ObjectStore.mark_used`."""
        self._change(self._client.delete_object_tagging, Key=object_key)

    def _change(self, operation: Callable[..., object], **arguments: Any) -> None:
        with suppress(_Refused), _translated_errors(ABSENT):
            operation(Bucket=self._bucket, **arguments)


class S3FileObjects(S3ObjectStore):
    """The FileObjects of a deployment."""

    def read(self, object_key: str) -> tuple[bytes, str] | None:
        """Read an object with its media type. See `FileObjects.read`."""
        with suppress(_Refused), _translated_errors(ABSENT):
            answer = self._client.get_object(Bucket=self._bucket, Key=object_key)
            with closing(answer["Body"]) as stream:
                return stream.read(), answer["ContentType"]
        return None

    def delete(self, object_key: str) -> None:
        """Delete an object. See `FileObjects.delete`."""
        self._change(self._client.delete_object, Key=object_key)


class S3UploadForms:
    """The UploadForms of a deployment. The forms are signed here, and S3 receives them."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        """Create the adapter for the upload bucket."""
        self._client = client
        self._bucket = bucket

    def create_form(
        self, object_key: str, content_type: str, min_bytes: int, max_bytes: int, expires_in_s: int
    ) -> tuple[str, dict[str, str]]:
        """Sign a form. See `UploadForms.create_form`."""
        fields = {"Content-Type": content_type}
        form = self._client.generate_presigned_post(
            Bucket=self._bucket,
            Key=object_key,
            Fields=dict(fields),
            Conditions=[fields, ["content-length-range", min_bytes, max_bytes]],
            ExpiresIn=expires_in_s,
        )
        return form["url"], form["fields"]


class S3UploadTags:
    """The UploadTags of a deployment.

    S3 replaces all tags of an object at once, so the adapter reads the present tags first. A tag that another client adds
    between the two calls is lost.
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        """Create the adapter for the upload bucket."""
        self._client = client
        self._bucket = bucket

    def add(self, object_key: str, version_id: str | None, tags: Mapping[str, str]) -> bool:
        """Add tags to those that an object has. See `UploadTags.add`."""
        version: Any = {"Bucket": self._bucket, "Key": object_key, **_version(version_id)}
        # S3 answers with NOT_ALLOWED for a delete marker, and with a code for a tag that it never accepts. A denied object is
        # treated as an absent one here: tags are optional, and a retry would delay the results.
        with suppress(_Refused), _translated_errors(DENIED, ABSENT, NOT_ALLOWED, codes=("BadRequest", "InvalidTag")):
            before = {tag["Key"]: tag["Value"] for tag in self._client.get_object_tagging(**version)["TagSet"]}
            after = before | dict(tags)
            if len(after) > MAX_TAGS:
                return False
            if after != before:
                tag_set: list[TagTypeDef] = [{"Key": name, "Value": value} for name, value in after.items()]
                self._client.put_object_tagging(**version, Tagging={"TagSet": tag_set})
            return True
        return False


class _Refused(Exception):
    """S3 answered with an error that the adapter expects."""


@contextmanager
def _translated_errors(*expected: int, codes: Collection[str] = ()) -> Iterator[None]:
    """Translate the errors of the calls inside.

    Args:
        expected: HTTP statuses of errors that the adapter expects.
        codes: S3's codes of such errors.

    Raises:
        _Refused: S3 answered with an expected error.
        Overloaded: The call failed in any other way.
    """
    try:
        yield
    except ClientError as error:
        is_expected = error_status(error) in expected or error.response["Error"]["Code"] in codes
        raise (_Refused() if is_expected else Overloaded()) from error
    except BotoCoreError as error:
        raise Overloaded() from error


def is_transient(error: Exception) -> bool:
    """Return whether a retry may help: S3 was busy, the connection broke, or this service has no valid credentials."""
    if isinstance(error, ClientError):
        return error_status(error) >= 500 or error.response["Error"]["Code"] in RETRYABLE_CODES
    return isinstance(
        error, BotoConnectionError | HTTPClientError | IncompleteReadError | NoCredentialsError | CredentialRetrievalError
    )


def error_status(error: ClientError) -> int:
    """Return the HTTP status of an error."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id else {}


def _check_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes > max_bytes:
        raise TooLarge(f"the s3:// object is larger than {max_bytes / 1e6:g} MB; use a smaller one")
