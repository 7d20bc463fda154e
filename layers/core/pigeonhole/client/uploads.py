"""Upload files that are too large for a request, by the forms of `POST /v1/uploads`."""

from __future__ import annotations

from pigeonhole.client.errors import ApiError, UnexpectedAnswer
from pigeonhole.client.exchange import call
from pigeonhole.client.fields import to_json
from pigeonhole.client.flow import Flow, HttpRequest, send
from pigeonhole.client.images import MEDIA_TYPE
from pigeonhole.contract.uploads import UPLOADS, UploadResponse
from pigeonhole.errors import TooLarge

JSON_HEADERS = {"content-type": "application/json"}


def upload_image(data: bytes) -> Flow[str]:
    """Upload an image, and return its `s3://` address.

    Raises:
        TooLarge: The image is larger than the service takes.
        ClientError: The upload failed.
    """
    body = to_json({"content_type": MEDIA_TYPE, "size": len(data)})
    try:
        answer = yield from call(UploadResponse, HttpRequest("POST", UPLOADS, headers=JSON_HEADERS, content=body))
    except ApiError as error:
        if [fault.path for fault in error.details] == ["size"]:
            raise TooLarge(error.message) from None
        raise
    form = answer.upload
    response = yield from send(HttpRequest("POST", form.url, form=form.fields, file=data))
    if not 200 <= response.status < 300:
        raise UnexpectedAnswer(f"The bucket refused the upload of an image (HTTP {response.status}). Try again.")
    return form.s3_uri
