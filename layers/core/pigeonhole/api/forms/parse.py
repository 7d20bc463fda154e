"""Parse the bodies that may be forms: those of `POST /v1/systemone` and of `POST /v1/store/file`."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from pigeonhole.api.forms.form import Form
from pigeonhole.api.forms.multipart import is_multipart, parse_parts
from pigeonhole.api.request_body import parse_json
from pigeonhole.contract.uploads import FILE_PART, OPTIONS_PART, StoredFileOptions
from pigeonhole.contract.validation import invalid_request, to_faults
from pigeonhole.errors import InvalidRequest
from pigeonhole.uploads.stored_files import FileContent

REQUEST_PART = "request"
ANY_FILE = "application/octet-stream"
# JigsawStack's JavaScript client sends this as its options if it has none.
_NO_OPTIONS = (b"", b"undefined", b"null")


@dataclass(frozen=True)
class SentFile:
    """A file to store, and how to store it."""

    content: FileContent
    options: StoredFileOptions


def parse_form(data: bytes, content_type: str) -> Form:
    """Parse a decompressed body of `POST /v1/systemone`: JSON, or a form whose part `request` is the JSON.

    Args:
        data: The body.
        content_type: The header, empty if the request has none.

    Raises:
        InvalidRequest: The body is neither JSON nor a form with a part of that name.
        UnsupportedEncoding: The charset of the JSON isn't UTF-8.
    """
    if not is_multipart(content_type):
        return Form(parse_json(data, content_type))
    parts = parse_parts(data, content_type)
    if REQUEST_PART not in parts:
        raise InvalidRequest(f"the form must have a part `{REQUEST_PART}` with the JSON of the request")
    request = parts.pop(REQUEST_PART)
    return Form(parse_json(request.content, ""), {name: part.content for name, part in parts.items()})


def parse_file(data: bytes, content_type: str, query: StoredFileOptions) -> SentFile:
    """Parse a decompressed body of `POST /v1/store/file`: the file itself, or a form with the file and its options.

    Args:
        data: The body.
        content_type: The header, empty if the request has none.
        query: The options of the query. Those of the form count more.

    Raises:
        InvalidRequest: The body is no such form, or its options have faults.
        UnsupportedEncoding: The charset of the options isn't UTF-8.
    """
    if not is_multipart(content_type):
        return SentFile(FileContent(data, query.content_type or content_type or ANY_FILE), query)
    parts = parse_parts(data, content_type)
    if FILE_PART not in parts:
        raise InvalidRequest(f"the form must have a part `{FILE_PART}` with the file")
    file, options = parts[FILE_PART], query
    if OPTIONS_PART in parts:
        options = query.model_copy(update=_parse_options(parts[OPTIONS_PART].content).model_dump(exclude_unset=True))
    return SentFile(FileContent(file.content, options.content_type or file.media_type or ANY_FILE), options)


def to_options(fields: object, whole: str) -> StoredFileOptions:
    """Validate the options of a file to store.

    Args:
        fields: What was sent.
        whole: What was validated, for the message if it is no object.

    Raises:
        InvalidRequest: The options have faults. The details list each.
    """
    try:
        return StoredFileOptions.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(to_faults(error, whole=whole)) from None


def _parse_options(data: bytes) -> StoredFileOptions:
    if data.strip() in _NO_OPTIONS:
        return StoredFileOptions()
    return to_options(parse_json(data, ""), f"the part `{OPTIONS_PART}`")
