"""Generate the OpenAPI document from the contract's models and the table of operations. docs/openapi.json is a copy of it."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from pigeonhole import __version__
from pigeonhole.api.decisions.dialects import is_value_fault
from pigeonhole.api.forms.description import FormDescription
from pigeonhole.api.parameters import Parameter
from pigeonhole.api.routes import OPERATIONS, Operation
from pigeonhole.contract.bulk import BulkJobRequest, BulkQuestionsJobRequest
from pigeonhole.contract.classification import ClassificationResponse, ErrorResponse
from pigeonhole.contract.decisions.openai import DECISIONS, DecisionRequest
from pigeonhole.contract.decisions.typesafe import SYSTEM_ONE, SystemOneRequest, TypeSafeErrorResponse
from pigeonhole.contract.jobs import JOBS, QuestionsJobRequest
from pigeonhole.contract.label_sets import LABEL_SETS, LabelSetRequest
from pigeonhole.contract.questions import QuestionsRequest
from pigeonhole.contract.schemas import json_schemas
from pigeonhole.contract.uploads import STORED_FILES, UPLOADS, UploadRequest
from pigeonhole.errors import BY_CODE

Json = dict[str, Any]

DESCRIPTION = """\
Sorts texts and images into labels that the caller names, without training. A client of JigsawStack's classification works
unchanged when its base URL points here. Everything beyond that is optional.

Bodies are JSON in UTF-8, or what an operation takes in its place. They may be compressed, with `Content-Encoding: gzip` or
`zstd`. Unknown fields of a body are ignored, and unknown parameters of a query are refused. `HEAD` is answered wherever
`GET` is.

Every error has the shape of `ErrorResponse`, or of RFC 9457 if the request has `Accept: application/problem+json`.
`/v1/decisions` and `/v1/systemone` have the errors of OpenAI and TypeSafe. `/api/v1/...` is the same as `/v1/...`.
Answers are never cached, and samples, labels and URLs are never logged. The headers `x-jigsaw-skip-cache` and
`x-jigsaw-no-request-log` are accepted and change nothing."""

SERVERS = [
    {"url": ".", "description": "The deployment that serves this document"},
    {
        "url": "https://{host}",
        "description": "Your deployment",
        "variables": {
            "host": {"default": "pigeonhole.example.com", "description": "Host, followed by the stage if there is one"}
        },
    },
]

EXAMPLE_REQUEST: Json = {
    "dataset": [
        {"type": "text", "value": "I love this product! It's amazing and works perfectly."},
        {"type": "text", "value": "It broke after a day, and support never answers."},
    ],
    "labels": [{"type": "text", "value": "positive"}, {"type": "text", "value": "negative"}],
}
EXAMPLE_IMAGE_REQUEST: Json = {
    "dataset": [{"type": "image", "value": "https://example.com/lunch.jpg"}],
    "labels": [
        {"key": "hotdog", "type": "text", "value": "a hot dog in a bun"},
        {"key": "hotdog", "type": "image", "value": "https://example.com/hotdog.jpg", "text": "a hot dog"},
        {"key": "other", "type": "text", "value": "any other food"},
    ],
    "scores": True,
}
EXAMPLE_BULK_REQUEST: Json = {
    "input": {"s3_uri": "s3://my-bucket/acme/reviews.jsonl"},
    "labels": [{"type": "text", "value": "positive"}, {"type": "text", "value": "negative"}],
}
EXAMPLE_QUESTIONS_REQUEST: Json = {
    "dataset": [{"type": "text", "value": "I was charged twice. Please help."}],
    "questions": {
        "mood": {"labels": [{"type": "text", "value": "angry"}, {"type": "text", "value": "calm"}]},
        "topics": {
            "labels": [{"type": "text", "value": "billing"}, {"type": "text", "value": "delivery"}],
            "multiple_labels": True,
        },
    },
}
EXAMPLE_BULK_QUESTIONS_REQUEST: Json = {
    "input": EXAMPLE_BULK_REQUEST["input"],
    "questions": EXAMPLE_QUESTIONS_REQUEST["questions"],
}
# The examples of bodies that a route takes in place of its first one.
OTHER_EXAMPLES: dict[type[BaseModel], tuple[str, Json]] = {
    BulkJobRequest: ("manifest", EXAMPLE_BULK_REQUEST),
    QuestionsRequest: ("questions", EXAMPLE_QUESTIONS_REQUEST),
    QuestionsJobRequest: ("questions", EXAMPLE_QUESTIONS_REQUEST),
    BulkQuestionsJobRequest: ("manifest with questions", EXAMPLE_BULK_QUESTIONS_REQUEST),
}
EXAMPLE_DECISION: Json = {
    "model": "gpt-6-luna",
    "input": "I was charged twice. Please help.",
    "questions": [
        {"type": "predicate", "name": "billing", "instructions": "Is this message about billing?"},
        {"type": "choice", "instructions": "What is the tone?", "choices": [{"value": "calm"}, {"value": "angry"}]},
    ],
}
EXAMPLE_SYSTEM_ONE: Json = {
    "model": "jev-latest",
    "state": {"subject": "Duplicate charge", "message": "I was charged twice. Please help."},
    "questions": {
        "billing": {"type": "noul", "instructions": "Is this message about billing?"},
        "urgency": {"type": "score", "instructions": "How urgent is it?", "criteria": ["can wait", "this week", "today"]},
    },
}
EXAMPLE_ANSWER: Json = {
    "success": True,
    "log_id": "4c9f6f0e-7a55-4a3c-9d3a-0f6a5d1c2b11",
    "predictions": ["positive", "negative"],
    "_usage": {"input_tokens": 31, "output_tokens": 6, "inference_time_tokens": 12, "total_tokens": 49},
}
EXAMPLE_ERROR: Json = {
    "success": False,
    "message": "labels: at least 2 distinct labels are needed, got 1",
    "log_id": "4c9f6f0e-7a55-4a3c-9d3a-0f6a5d1c2b11",
    "error": {
        "code": "invalid_request",
        "details": [{"path": "labels", "message": "at least 2 distinct labels are needed, got 1"}],
    },
}

_FILE: Json = {"type": "string", "format": "binary", "minLength": 1}
_MEDIA_SCHEMAS: Json = {"text/html": {"type": "string"}, "*/*": _FILE}
RATE_HEADERS = {
    "x-jigsaw-rate-limit-limit": "Requests per period.",
    "x-jigsaw-rate-limit-remaining": "Requests left in the period. Best effort: the usage plan enforces the quota.",
    "x-jigsaw-rate-limit-reset": "The end of the period, in milliseconds since 1970, UTC.",
}


def document() -> Json:
    """Generate the document (OpenAPI 3.1). Every call returns the same."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pigeonhole",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": SERVERS,
        "security": [{"apiKey": []}, {"bearer": []}],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same API keys."},
            },
            "headers": {name: {"description": text, "schema": {"type": "integer"}} for name, text in RATE_HEADERS.items()},
            "responses": {code: _error(code) for operation in OPERATIONS for code in operation.errors},
            "schemas": _schemas(),
        },
    }


@cache
def as_json() -> str:
    """Return the document as docs/openapi.json has it."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _schemas() -> Json:
    bodies = [(body, "validation") for operation in OPERATIONS for body in (operation.body, *operation.other_bodies) if body]
    forms = [(operation.form.model, "validation") for operation in OPERATIONS if operation.form]
    models = [
        model
        for operation in OPERATIONS
        for model in (operation.answer, *operation.other_answers, operation.accepted, operation.error)
    ]
    answers = [(model, "serialization") for model in models if model is not None and not isinstance(model, str)]
    every: Any = [*bodies, *forms, *answers, (ErrorResponse, "serialization")]
    schemas: Json = json_schemas(every, "#/components/schemas/{model}")["$defs"]
    return schemas


def _paths() -> Json:
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return paths


def _describe(operation: Operation) -> Json:
    described: Json = {"operationId": operation.id, "tags": [_tag(operation)], "summary": operation.summary}
    if operation.is_open:
        described["security"] = [{}, {"apiKey": []}, {"bearer": []}] if operation.parameters else [{}]
    if operation.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body:
        examples = _body_examples(operation.body)
        content = _content(operation.body, examples)
        if operation.other_bodies:
            content["application/json"]["schema"] = {"anyOf": [*map(_ref, (operation.body, *operation.other_bodies))]}
            others = {name: {"value": example} for name, example in map(OTHER_EXAMPLES.__getitem__, operation.other_bodies)}
            content["application/json"]["examples"] |= others
        described["requestBody"] = {"required": True, "content": content}
    if operation.takes_file:
        described["requestBody"] = {"required": True, "content": {"application/octet-stream": {"schema": _FILE}}}
    if operation.form:
        described["requestBody"]["content"]["multipart/form-data"] = _form(operation.form)
    described["responses"] = {**_answers(operation), **_errors(operation)}
    return described


def _body_examples(body: type[BaseModel]) -> Json:
    examples = {"texts": EXAMPLE_REQUEST, "images": EXAMPLE_IMAGE_REQUEST}
    if body is UploadRequest:
        examples = {"images": {"content_type": "image/jpeg", "size": 8_431_200, "filename": "shelf 7.jpg"}}
    if body is LabelSetRequest:
        examples = {"images": {"labels": EXAMPLE_IMAGE_REQUEST["labels"], "multiple_labels": False}}
    if body is DecisionRequest:
        examples = {"texts": EXAMPLE_DECISION}
    if body is SystemOneRequest:
        examples = {"texts": EXAMPLE_SYSTEM_ONE}
    return {name: {"value": example} for name, example in examples.items()}


def _form(form: FormDescription) -> Json:
    """Describe a form: one part is JSON, and one other or all others are files."""
    parts = {form.json_part: _ref(form.model)}
    others = {"properties": parts | {form.file_part: _FILE}} if form.file_part else {"additionalProperties": _FILE}
    return {
        "schema": {
            "type": "object",
            "description": form.description,
            "properties": parts,
            "required": [form.required_part],
            **others,
        },
        "encoding": {form.json_part: {"contentType": "application/json"}},
    }


def _tag(operation: Operation) -> str:
    if operation.path.startswith(JOBS):
        return "Jobs"
    if operation.path.startswith(LABEL_SETS):
        return "Label sets"
    if operation.path == UPLOADS or operation.path.startswith(STORED_FILES):
        return "Uploads"
    if operation.path in (DECISIONS, SYSTEM_ONE):
        return "Decisions"
    return "Classification" if operation.body else "Service"


def _parameter(parameter: Parameter) -> Json:
    required = {"required": True} if parameter.location == "path" else {}
    described = {"in": parameter.location, "description": parameter.description, "schema": parameter.schema}
    return {"name": parameter.name, **described, **required}


def _answers(operation: Operation) -> Json:
    """Describe the answers that aren't errors, by status."""
    examples = {"texts": {"value": EXAMPLE_ANSWER}} if operation.answer is ClassificationResponse else {}
    answers: Json = {"200": _answer(200, operation.answer, examples)}
    if operation.other_answers:
        content = answers["200"]["content"]["application/json"]
        content["schema"] = {"anyOf": [content["schema"], *map(_ref, operation.other_answers)]}
    if operation.has_etag:
        answers["200"]["headers"]["ETag"] = {
            "description": "Identifies this version of the answer.",
            "schema": {"type": "string"},
        }
    if operation.accepted:
        answers["202"] = _answer(202, operation.accepted, {})
    if operation.may_be_unchanged:
        answers["304"] = {"description": "Not Modified", "headers": _rate_headers()}
    return answers


def _answer(status: int, model: type[BaseModel] | str, examples: Json) -> Json:
    headers: Json = _rate_headers()
    if status == 202:
        headers["Location"] = {"description": "The address of the job.", "schema": {"type": "string"}}
        headers["Retry-After"] = {"description": "Seconds to wait before the next request.", "schema": {"type": "integer"}}
    return {"description": HTTPStatus(status).phrase, "headers": headers, "content": _content(model, examples)}


def _content(model: type[BaseModel] | str, examples: Json) -> Json:
    if isinstance(model, str):
        return {model: {"schema": _MEDIA_SCHEMAS.get(model, {"type": "object"})}}
    more = {"examples": examples} if examples else {}
    return {"application/json": {"schema": _ref(model), **more}}


def _ref(model: type[BaseModel]) -> Json:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _rate_headers() -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_HEADERS}


def _errors(operation: Operation) -> Json:
    """Describe one answer per status. Several codes share 400."""
    by_status: dict[int, list[str]] = {}
    for code in operation.errors:
        is_422 = operation.error is TypeSafeErrorResponse and is_value_fault(BY_CODE[code])
        by_status.setdefault(422 if is_422 else BY_CODE[code].status, []).append(code)
    return {str(status): _shared_error(by_status[status], operation.error) for status in sorted(by_status)}


def _shared_error(codes: list[str], model: type[BaseModel] | None) -> Json:
    if len(codes) == 1 and model is None:
        return {"$ref": f"#/components/responses/{codes[0]}"}
    error = _error(codes[0])
    if model is not None:
        # API Gateway itself answers in the contract's shape.
        schema = {"anyOf": [_ref(model), _ref(ErrorResponse)]}
        error["content"] = {"application/json": {"schema": schema}}
    return {**error, "description": "One of " + ", ".join(map(_link, codes))}


def _error(code: str) -> Json:
    """Describe the answer with one error code."""
    error = BY_CODE[code]
    examples = {"texts": {"value": EXAMPLE_ERROR}} if code == "invalid_request" else {}
    headers = _rate_headers()
    if error.retry_after_s is not None:
        headers["Retry-After"] = {"description": "Seconds to wait before the next request.", "schema": {"type": "integer"}}
    return {
        "description": f"{HTTPStatus(error.status).phrase}: {_link(code)}",
        "headers": headers,
        "content": _content(ErrorResponse, examples),
    }


def _link(code: str) -> str:
    """Write the code of an error as a link to its description at /docs, in Markdown."""
    return f"[`{code}`](docs#error-{code})"
