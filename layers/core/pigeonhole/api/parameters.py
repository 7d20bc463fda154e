"""The parameters of operations, beside the body: in the path, the query or a header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pigeonhole.contract.jobs import JobStatus
from pigeonhole.contract.labels import LABEL_SET_NAME as NAME_PATTERN
from pigeonhole.contract.uploads import MAX_MEDIA_TYPE_CHARS, MEDIA_TYPE, STORED_FILE_KEY


@dataclass(frozen=True)
class Parameter:
    """One parameter of an operation, as the OpenAPI document describes it.

    Attributes:
        location: Where the parameter is sent.
        name: Its name there.
        description: What it means.
        schema: Its JSON Schema.
    """

    location: Literal["path", "query", "header"]
    name: str
    description: str
    schema: dict[str, Any]


def page_size(description: str) -> Parameter:
    """Return the parameter that limits the items of a page."""
    return Parameter("query", "limit", description, {"type": "integer", "default": 20, "minimum": 1, "maximum": 100})


CURSOR = Parameter(
    "query", "cursor", "The `cursor` of the page before. Absent for the first page.", {"type": "string", "minLength": 1}
)

IDEMPOTENCY_KEY = Parameter(
    "header",
    "Idempotency-Key",
    "A value that identifies the request for 24 hours. The same value with the same body returns the same job. "
    "With another body the answer is 422. A request that is answered without a job doesn't use the value.",
    {"type": "string", "maxLength": 255},
)
PREFER = Parameter(
    "header",
    "Prefer",
    "`respond-async`: answer 202 with a job. `wait=20`: first wait up to 20 seconds for the result, 24 at most. "
    "With either of them the body can have the `webhook_url` of a job.",
    {"type": "string"},
)

JOB_ID = Parameter("path", "job_id", "The id of the job.", {"type": "string"})
JOB_STATUS = Parameter(
    "query", "status", "Only jobs with this status.", {"type": "string", "enum": [str(status) for status in JobStatus]}
)
WAIT = Parameter(
    "query",
    "wait",
    "Seconds to wait for the end of the job before answering. More than 24 are cut to 24.",
    {"type": "integer", "default": 0, "minimum": 0},
)
JOB_IF_NONE_MATCH = Parameter(
    "header",
    "If-None-Match",
    "The ETag of an earlier answer. If the job hasn't changed since, the answer is 304.",
    {"type": "string"},
)

LABEL_SET_NAME = Parameter(
    "path",
    "name",
    "The name of the label set: up to 64 lower-case letters, digits, `-` and `_`.",
    {"type": "string", "pattern": f"^{NAME_PATTERN}$"},
)
IF_MATCH = Parameter(
    "header",
    "If-Match",
    "The ETag of the label set that you read. If the label set has been changed since, the answer is 412.",
    {"type": "string"},
)
IF_NONE_MATCH = Parameter(
    "header", "If-None-Match", "`*`: if a label set of this name exists, the answer is 412.", {"type": "string", "enum": ["*"]}
)

UPLOAD_KEY = Parameter(
    "query",
    "key",
    "The object key or `s3://` address of one upload. The answer is 404 while it has no result.",
    {"type": "string"},
)
UPLOAD_PREFIX = Parameter(
    "query",
    "prefix",
    "Only uploads whose object keys begin with this prefix. Without `since` and `until`, they are sorted by object key.",
    {"type": "string"},
)
FILE_KEY = Parameter("path", "key", "The key of the file.", {"type": "string", "pattern": f"^{STORED_FILE_KEY}$"})
PLAYGROUND_FILE = Parameter("path", "file", "The name of the file.", {"type": "string", "pattern": r"^[a-z0-9_-]+\.[a-z]+$"})
NEW_FILE_KEY = Parameter(
    "query",
    "key",
    "The key of the file: up to 200 letters, digits, `.`, `-` and `_`. Without it the file gets a new key.",
    {"type": "string", "pattern": f"^{STORED_FILE_KEY}$"},
)
OVERWRITE = Parameter(
    "query",
    "overwrite",
    "Whether the file replaces another one of the same key. If it may not, the answer is 412.",
    {"type": "boolean", "default": True},
)
FILE_TYPE = Parameter(
    "query",
    "content_type",
    "The media type of the file. Default: that of the header `Content-Type`.",
    {"type": "string", "pattern": f"^{MEDIA_TYPE}$", "maxLength": MAX_MEDIA_TYPE_CHARS},
)
TEMP_PUBLIC_URL = Parameter(
    "query",
    "temp_public_url",
    "Whether the answer has an address by which anybody can read the file for an hour.",
    {"type": "boolean", "default": True},
)

SINCE = Parameter(
    "query",
    "since",
    "Only results from this time on, in ISO 8601.",
    {"type": "string", "format": "date-time"},
)
UNTIL = Parameter("query", "until", "Only results up to this time, in ISO 8601.", {"type": "string", "format": "date-time"})

DEEP = Parameter(
    "query",
    "deep",
    "Also ask the classifier. Requires an API key.",
    {"type": "boolean", "default": False},
)
