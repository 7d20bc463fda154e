"""Records of jobs in S3: what is stored is read again, as it was written by this version of the service and by earlier ones."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from pydantic import ValidationError

from pigeonhole.contract.classification import ClassificationRequest, LabelScore, SampleFault
from pigeonhole.contract.commands import ChunkResult, ErrorReply
from pigeonhole.contract.jobs import JobRequest
from pigeonhole.contract.questions import QuestionsRequest
from pigeonhole.contract.uploads import UploadedFile
from pigeonhole.jobs.records import (
    JobInput,
    RequestRecord,
    decode_job_input,
    decode_names,
    decode_part_results,
    encode_job_input,
    encode_names,
    encode_part_results,
)
from pigeonhole.jobs.results import PartResults, ResultNames

# As the service stored them before records had models of their own.
STORED_INPUT: dict[str, Any] = {
    "version": 1,
    "kind": "job_input",
    "log_id": "log-1",
    "request": {
        "dataset": [{"type": "image", "value": "s3://uploads/incoming/acme/pets/1.jpg"}],
        "labels": [
            {"key": 7, "type": "text", "value": "cat"},
            {"key": "7.5", "type": "image", "value": "https://example.com/dog.png", "text": "a dog"},
            {"key": 1.5, "type": "text", "value": "bird"},
        ],
        "label_set": "pets",
        "multiple_labels": True,
        "instruction": "Animals",
        "scores": True,
        "threshold": 0.25,
        "top_k": 2,
        "prompt_templates": ["a photo of {}"],
        "on_error": "null",
    },
    "objects": [
        {
            "key": "incoming/acme/pets/1.jpg",
            "version_id": "v1",
            "sequencer": "0055AED6DCD90281E5",
            "size": 9,
            "samples": 1,
            "is_lines": False,
        }
    ],
}
STORED_RESULT: dict[str, Any] = {
    "version": 1,
    "result": {
        "version": 1,
        "predictions": [["cat", "dog"], None],
        "scores": [[{"label": "cat", "probability": 0.75, "similarity": 0.3}], None],
        "errors": [{"index": 1, "code": "unreadable_image", "message": "it is bad"}],
        "warnings": ["dataset.0.value: cut"],
        "input_tokens": 12,
        "label_tokens": 10,
        "output_tokens": 1,
        "inference_ms": 3,
    },
}
STORED_ERROR: dict[str, Any] = {
    "version": 1,
    "error": {"code": "internal_error", "message": "Send it again.", "details": [{"path": "labels", "message": "bad"}]},
    "gave_up": True,
}

INPUT = JobInput(
    log_id="log-1",
    request=ClassificationRequest.model_validate(STORED_INPUT["request"]),
    uploads=(UploadedFile.model_validate(STORED_INPUT["objects"][0]),),
)
CHUNK_RESULT = ChunkResult(
    predictions=[["cat", "dog"], None],
    scores=[[LabelScore(label="cat", probability=0.75, similarity=0.3)], None],
    errors=[SampleFault(index=1, code="unreadable_image", message="it is bad")],
    warnings=["dataset.0.value: cut"],
    input_tokens=12,
    label_tokens=10,
    output_tokens=1,
    inference_ms=3,
)
RESULT = PartResults(results=(CHUNK_RESULT,))
ERROR = PartResults(
    error=ErrorReply(code="internal_error", message="Send it again.", details=[{"path": "labels", "message": "bad"}]),
    is_abandoned=True,
)


def test_an_input_is_stored_as_before_and_read_again() -> None:
    data = encode_job_input(INPUT)

    assert json.loads(data) == STORED_INPUT
    assert decode_job_input(data) == INPUT


@pytest.mark.parametrize(("part_results", "stored"), [(RESULT, STORED_RESULT), (ERROR, STORED_ERROR)])
def test_the_results_of_a_part_are_read_as_an_earlier_version_stored_them(
    part_results: PartResults, stored: dict[str, Any]
) -> None:
    assert decode_part_results(gzip.compress(json.dumps(stored).encode())) == part_results
    assert decode_part_results(encode_part_results(part_results)) == part_results


QUESTIONS = {
    "dataset": [{"type": "text", "value": "a", "custom_id": "first"}, {"type": "text", "value": "b"}],
    "questions": {
        "mood": {"labels": [{"type": "text", "value": "calm"}, {"type": "text", "value": "angry"}], "threshold": 0.4},
        "topics": {
            "labels": [{"type": "text", "value": "x"}, {"key": 1, "type": "text", "value": "y"}],
            "multiple_labels": True,
        },
    },
    "scores": True,
}


def test_a_request_with_questions_is_read_as_it_was_stored() -> None:
    job_input = JobInput("log-1", QuestionsRequest.model_validate(QUESTIONS))

    assert decode_job_input(encode_job_input(job_input)) == job_input


def test_the_answers_to_several_questions_are_read_as_they_were_stored() -> None:
    answers = PartResults(results=(CHUNK_RESULT, CHUNK_RESULT.model_copy(update={"predictions": [["angry"], None]})))

    assert decode_part_results(encode_part_results(answers)) == answers


@pytest.mark.parametrize("names", [ResultNames(["first", None]), ResultNames(None, {"mood": False, "topics": True})])
def test_names_are_read_as_they_were_stored(names: ResultNames) -> None:
    assert decode_names(encode_names(names)) == names


def test_the_same_results_give_the_same_bytes() -> None:
    assert encode_part_results(RESULT) == encode_part_results(RESULT)


def test_fields_of_a_later_version_are_ignored() -> None:
    newer_input = json.dumps(STORED_INPUT | {"news": 1, "request": STORED_INPUT["request"] | {"news": 2}})
    newer_result = json.dumps(STORED_RESULT | {"news": 1, "result": STORED_RESULT["result"] | {"news": 2}})

    assert decode_job_input(newer_input.encode()) == INPUT
    assert decode_part_results(gzip.compress(newer_result.encode())) == RESULT


@pytest.mark.parametrize("data", [b"", b"{}", b"no json", json.dumps(STORED_INPUT | {"version": 2}).encode()])
def test_an_input_that_cannot_be_read_is_an_error_that_quotes_nothing_of_it(data: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        decode_job_input(data)

    assert "example.com" not in str(caught.value)


def test_the_address_of_a_webhook_is_not_stored_with_the_samples() -> None:
    body = STORED_INPUT["request"] | {"webhook_url": "https://acme.example.com/hook"}

    data = encode_job_input(JobInput("log-1", JobRequest.model_validate(body)))

    assert b"acme.example.com" not in data


def test_a_stored_request_may_have_blank_texts_and_keys() -> None:
    """An earlier build accepted them. Such a job must not fail whole after an upgrade."""
    content = {
        "dataset": [{"type": "text", "value": " "}],
        "labels": [{"key": " ", "type": "text", "value": "cat"}, {"type": "text", "value": "dog"}],
    }

    request = RequestRecord.model_validate(content).to_request()

    assert (request.dataset[0].value, request.labels[0].name) == (" ", " ")
