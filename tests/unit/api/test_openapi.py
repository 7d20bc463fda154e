"""The OpenAPI document: valid, complete, and committed as it is generated."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import ValidationError

from pigeonhole.api import openapi
from pigeonhole.api.routes import OPERATIONS
from pigeonhole.contract.classification import ClassificationRequest, ClassificationResponse, ErrorResponse, parse_request
from pigeonhole.contract.limits import RequestLimits
from pigeonhole.contract.uploads import UploadRequest
from pigeonhole.errors import BY_CODE, InvalidRequest
from support.handlers import ROOT

COMMITTED = ROOT / "docs/openapi.json"
DOCUMENT: dict[str, Any] = openapi.document()
EXAMPLE: dict[str, Any] = openapi.EXAMPLE_REQUEST


def test_the_committed_document_is_the_generated_one() -> None:
    assert COMMITTED.read_text("utf-8") == openapi.as_json(), "docs/openapi.json is out of date: run make documents"


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_every_operation_needs_a_key_unless_it_is_open() -> None:
    assert DOCUMENT["security"] == [{"apiKey": []}, {"bearer": []}]
    assert DOCUMENT["components"]["securitySchemes"]["apiKey"] == {"type": "apiKey", "in": "header", "name": "x-api-key"}
    for operation in OPERATIONS:
        described = DOCUMENT["paths"][operation.path][operation.method.lower()]
        assert ({} in described.get("security", DOCUMENT["security"])) is operation.is_open


def test_the_schemas_are_those_of_the_contract() -> None:
    post = DOCUMENT["paths"]["/v1/classification"]["post"]
    schemas = DOCUMENT["components"]["schemas"]

    assert post["requestBody"]["content"]["application/json"]["schema"] == {
        "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ("ClassificationRequest", "QuestionsRequest")]
    }
    assert set(schemas["ClassificationRequest"]["properties"]) == set(ClassificationRequest.model_fields)
    assert schemas["ClassificationRequest"]["required"] == ["dataset"]
    assert "_usage" in schemas["ClassificationResponse"]["properties"]
    answers = post["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"]
    assert [answer["$ref"].rpartition("/")[2] for answer in answers] == ["ClassificationResponse", "QuestionsResponse"]


def test_the_parts_of_forms_are_named() -> None:
    form = DOCUMENT["paths"]["/v1/systemone"]["post"]["requestBody"]["content"]["multipart/form-data"]
    file_form = DOCUMENT["paths"]["/v1/store/file"]["post"]["requestBody"]["content"]["multipart/form-data"]

    assert form["schema"]["properties"] == {"request": {"$ref": "#/components/schemas/SystemOneRequest"}}
    assert form["schema"]["required"] == ["request"]
    assert form["schema"]["additionalProperties"]["format"] == "binary"
    assert form["encoding"] == {"request": {"contentType": "application/json"}}
    assert (set(file_form["schema"]["properties"]), file_form["schema"]["required"]) == ({"body", "file"}, ["file"])
    assert set(DOCUMENT["components"]["schemas"]["StoredFileOptions"]["properties"]) == {
        parameter["name"] for parameter in DOCUMENT["paths"]["/v1/store/file"]["post"]["parameters"]
    }


def test_the_documented_limits_are_the_limits() -> None:
    fields = DOCUMENT["components"]["schemas"]["ClassificationRequest"]["properties"]
    limits = RequestLimits()

    assert (fields["dataset"]["maxItems"], fields["labels"]["anyOf"][0]["maxItems"]) == (limits.max_samples, limits.max_labels)
    assert f"to {limits.max_samples} " in fields["dataset"]["description"]
    assert f"most {limits.max_labels} " in fields["labels"]["description"]


@pytest.mark.parametrize("status", ["400", "401", "413", "429", "500", "503", "504"])
def test_classification_documents_its_errors(status: str) -> None:
    response = DOCUMENT["paths"]["/v1/classification"]["post"]["responses"][status]
    if "$ref" in response:
        response = DOCUMENT["components"]["responses"][response["$ref"].rpartition("/")[2]]

    assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
    assert set(openapi.RATE_HEADERS) <= set(response["headers"])
    assert ("Retry-After" in response["headers"]) is (status in ("429", "503"))
    codes = [code for code, kind in BY_CODE.items() if str(kind.status) == status and f"`{code}`" in response["description"]]
    assert codes


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"scores": None, "multiple_labels": None, "on_error": None, "top_k": None}, True),
        ({"labels": None, "label_set": "faults"}, True),
        ({"labels": None}, False),
        ({"labels": None, "label_set": None}, False),
        ({"labels": None, "label_set": "Not a name"}, False),
        ({"label_set": "faults"}, False),
        ({"dataset": None}, False),
        ({"scores": "yes"}, False),
        ({"prompt_templates": ["a {}"] * 16}, True),
        ({"prompt_templates": ["a {}"] * 17}, False),
        ({"prompt_templates": []}, False),
        ({"prompt_templates": ["{}" + "a" * 511]}, False),
        ({"instruction": "a" * 2_000}, True),
        ({"instruction": "a" * 2_001}, False),
        ({"labels": [{"type": "text", "value": "a", "key": "k" * 513}, {"type": "text", "value": "b"}]}, False),
    ],
)
def test_the_schema_of_a_request_takes_what_the_service_takes(changes: dict[str, Any], fits: bool) -> None:
    sent = EXAMPLE | changes

    assert is_valid(sent, "ClassificationRequest") is fits
    # The service puts the labels of a label set into the body before it validates it.
    labels = [*EXAMPLE["labels"]] if sent["labels"] is None and sent.get("label_set") else sent["labels"]
    if fits:
        parse_request(ClassificationRequest, sent | {"labels": labels}, RequestLimits())
    elif not (sent["labels"] and sent.get("label_set")):  # wiring refuses both together
        with pytest.raises(InvalidRequest):
            parse_request(ClassificationRequest, sent | {"labels": labels}, RequestLimits())


@pytest.mark.parametrize(
    ("sent", "fits"),
    [
        ({"content_type": "image/jpeg"}, True),
        ({"content_type": "image/jpeg", "label_set": None, "filename": None, "size": None}, True),
        ({"content_type": "text/plain", "label_set": "faults"}, True),
        ({"content_type": "text/plain"}, False),
        ({"content_type": "text/plain", "label_set": None}, False),
        ({"content_type": "image/jpeg", "filename": "a" * 201}, False),
    ],
)
def test_the_schema_of_an_upload_takes_what_the_service_takes(sent: dict[str, Any], fits: bool) -> None:
    assert is_valid(sent, "UploadRequest") is fits
    if fits:
        UploadRequest.model_validate(sent)
    else:
        with pytest.raises(ValidationError):
            UploadRequest.model_validate(sent)


def is_valid(body: dict[str, Any], model: str) -> bool:
    """Whether a body is valid by the document's schema of a model."""
    schema = {"$ref": f"#/components/schemas/{model}", "components": DOCUMENT["components"]}
    valid: bool = Draft202012Validator(schema).is_valid(body)
    return valid


def test_the_examples_are_valid() -> None:
    for example in (openapi.EXAMPLE_REQUEST, openapi.EXAMPLE_IMAGE_REQUEST):
        parse_request(ClassificationRequest, json.loads(json.dumps(example)), RequestLimits())
    ClassificationResponse.model_validate(openapi.EXAMPLE_ANSWER)
    ErrorResponse.model_validate(openapi.EXAMPLE_ERROR)
    usage = openapi.EXAMPLE_ANSWER["_usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] + usage["inference_time_tokens"]
