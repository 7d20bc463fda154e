"""Each setting has a name and a default. A value that can't be parsed or is missing is an error that names the variable."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields

import pytest

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.inference.images.limits import ImageLimits
from pigeonhole.inference.limits import ChunkLimits
from pigeonhole.net.url_rules import NetRules
from pigeonhole.settings import AT_LEAST_ONE, MissingSetting, Settings

# variable, default, a text for it, the value of that text
TABLE = [
    ("PIGEONHOLE_TABLE_NAME", "", "pigeonhole-Table", "pigeonhole-Table"),
    ("PIGEONHOLE_CLASSIFY_FUNCTION", "", "pigeonhole-classify", "pigeonhole-classify"),
    ("PIGEONHOLE_JOB_BUCKET", "", "pigeonhole-jobs", "pigeonhole-jobs"),
    ("PIGEONHOLE_JOB_QUEUE", "", "https://sqs.example/1/q", "https://sqs.example/1/q"),
    ("PIGEONHOLE_WEBHOOK_QUEUE", "", "https://sqs.example/1/w", "https://sqs.example/1/w"),
    ("PIGEONHOLE_PLAN_QUEUE", "", "https://sqs.example/1/w", "https://sqs.example/1/w"),
    ("PIGEONHOLE_PLAN_FUNCTION", "", "pigeonhole-plan", "pigeonhole-plan"),
    ("PIGEONHOLE_INGEST_QUEUE", "", "https://sqs.example/1/i", "https://sqs.example/1/i"),
    ("PIGEONHOLE_DEAD_LETTER_QUEUE", "", "https://sqs.example/1/d", "https://sqs.example/1/d"),
    ("PIGEONHOLE_GPU_QUEUE", "", "arn:aws:batch:1:q", "arn:aws:batch:1:q"),
    ("PIGEONHOLE_GPU_DEFINITION", "", "arn:aws:batch:1:d", "arn:aws:batch:1:d"),
    ("PIGEONHOLE_GPU_MAX_VCPUS", 0, "7", 7),
    ("PIGEONHOLE_UPLOAD_BUCKET", "", "uploads", "uploads"),
    ("PIGEONHOLE_EVENT_BUS", "default", "jobs", "jobs"),
    ("PIGEONHOLE_MODEL_DIR", "/opt/model", "/tmp/model", "/tmp/model"),
    ("PIGEONHOLE_PLAYGROUND", True, "false", False),
    ("PIGEONHOLE_MAX_SAMPLES", 32, "8", 8),
    ("PIGEONHOLE_MAX_LABELS", 24, "100", 100),
    ("PIGEONHOLE_MAX_QUESTIONS", 400, "50", 50),
    ("PIGEONHOLE_MAX_QUESTION_LABELS", 255, "100", 100),
    ("PIGEONHOLE_MAX_QUESTION_TEXTS", 4_000, "8000", 8_000),
    ("PIGEONHOLE_MAX_TEXT_CHARS", 8_000, "10", 10),
    ("PIGEONHOLE_MAX_LABEL_CHARS", 512, "64", 64),
    ("PIGEONHOLE_MAX_INSTRUCTION_CHARS", 2_000, "1", 1),
    ("PIGEONHOLE_MAX_BODY_BYTES", 4_000_000, "1000", 1_000),
    ("PIGEONHOLE_MAX_LABEL_SETS", 1_000, "5", 5),
    ("PIGEONHOLE_LOOKUP_TIMEOUT_S", 0.5, "2", 2.0),
    ("PIGEONHOLE_INVOKE_TIMEOUT_S", 24.0, "2.5", 2.5),
    ("PIGEONHOLE_MAX_JOB_SAMPLES", 10_000, "100", 100),
    ("PIGEONHOLE_MAX_RESULT_BYTES", 50_000_000, "1000", 1_000),
    ("PIGEONHOLE_TEXT_CHUNK", 500, "50", 50),
    ("PIGEONHOLE_IMAGE_CHUNK", 64, "5", 5),
    ("PIGEONHOLE_SPAN_SAMPLES", 1_000, "50", 50),
    ("PIGEONHOLE_WORKER_CONCURRENCY", 10, "7", 7),
    ("PIGEONHOLE_WORKER_MEMORY_MB", 3_008, "7", 7),
    ("PIGEONHOLE_WORKER_ARM64", True, "false", False),
    ("PIGEONHOLE_JOB_DAYS", 7, "1", 1),
    ("PIGEONHOLE_PLANNING_S", 400, "7", 7),
    ("PIGEONHOLE_STUCK_S", 3_600, "5", 5),
    ("PIGEONHOLE_CHUNK_VISIBILITY_S", 900, "5", 5),
    ("PIGEONHOLE_MAX_WAIT_S", 24.0, "3", 3.0),
    ("PIGEONHOLE_DIRECT_TEXT_MS", 50, "10", 10),
    ("PIGEONHOLE_DIRECT_PAIR_MS", 0, "200", 200),
    ("PIGEONHOLE_DIRECT_IMAGE_MS", 500, "100", 100),
    ("PIGEONHOLE_DIRECT_MS", 20_000, "1", 1),
    ("PIGEONHOLE_WORKER_STOP_S", 30.0, "1.5", 1.5),
    ("PIGEONHOLE_GPU_TASK_S", 21_600, "60", 60),
    ("PIGEONHOLE_WEBHOOK_TIMEOUT_S", 10.0, "2", 2.0),
    ("PIGEONHOLE_WEBHOOK_PAUSE_S", 30, "1", 1),
    ("PIGEONHOLE_UPLOAD_FORM_S", 900, "60", 60),
    ("PIGEONHOLE_UPLOAD_DAYS", 7, "1", 1),
    ("PIGEONHOLE_TAG_UPLOADS", False, "false", False),
    ("PIGEONHOLE_ALLOW_HTTP", False, "true", True),
    ("PIGEONHOLE_ALLOW_LOOPBACK", False, "True", True),
    ("PIGEONHOLE_MAX_IMAGE_BYTES", 20_000_000, "1", 1),
    ("PIGEONHOLE_MAX_REQUEST_BYTES", 256_000_000, "2", 2),
    ("PIGEONHOLE_MAX_IMAGE_MEGAPIXELS", 50, "12", 12),
    ("PIGEONHOLE_MAX_IMAGE_CPU_S", 3.0, "1.5", 1.5),
    ("PIGEONHOLE_MAX_IMAGE_MEMORY_BYTES", 700_000_000, "8", 8),
    ("PIGEONHOLE_FETCH_TIMEOUT_S", 10.0, "3", 3.0),
    ("PIGEONHOLE_MAX_REDIRECTS", 3, "0", 0),
    ("PIGEONHOLE_USER_AGENT_CONTACT", "", "ops@example.com", "ops@example.com"),
    ("PIGEONHOLE_FETCH_WORKERS", 56, "4", 4),
    ("PIGEONHOLE_DECODE_WORKERS", 2, "1", 1),
    ("PIGEONHOLE_CHECKPOINT", "", "clip-b32", "clip-b32"),
    ("PIGEONHOLE_SENTENCE_CHECKPOINT", "all-MiniLM-L6-v2", "owner/name", "owner/name"),
    ("PIGEONHOLE_THREADS", 1, "2", 2),
    ("PIGEONHOLE_ENCODE_BATCH", 8, "32", 32),
    ("PIGEONHOLE_ENCODE_WORKERS", 2, "1", 1),
    ("PIGEONHOLE_LABEL_CACHE_SIZE", 4_096, "0", 0),
    ("PIGEONHOLE_QUOTA_LIMIT", 100_000, "5", 5),
    ("PIGEONHOLE_QUOTA_PERIOD", "MONTH", "DAY", "DAY"),
    ("PIGEONHOLE_RATE_COUNTER_TIMEOUT_S", 0.2, "0.05", 0.05),
]
UNREADABLE = {
    int: ["many", "1.5", "1e3", "0x10", "true", " "],
    float: ["soon", "1,5", "true"],
    bool: ["yes", "1", "on", "falsee"],
}


def parse_field(variable: str) -> str:
    return variable.removeprefix("PIGEONHOLE_").lower()


def test_the_table_has_every_setting() -> None:
    assert [field.name for field in fields(Settings)] == [parse_field(variable) for variable, *_ in TABLE]


@pytest.mark.parametrize(("variable", "default"), [row[:2] for row in TABLE])
def test_a_variable_that_is_absent_or_empty_leaves_the_default(variable: str, default: object) -> None:
    for environ in ({}, {variable: ""}):
        value = getattr(Settings.from_environ(environ), parse_field(variable))
        assert value == default
        assert type(value) is type(default)


@pytest.mark.parametrize(("variable", "_default", "text", "value"), TABLE)
def test_a_variable_sets_its_field_and_no_other(variable: str, _default: object, text: str, value: object) -> None:
    read = Settings.from_environ(
        {variable: text, "PIGEONHOLE_NO_SUCH": "x", parse_field(variable): "not this one", "PATH": "/bin"}
    )

    assert asdict(read) == asdict(Settings()) | {parse_field(variable): value}


@pytest.mark.parametrize(
    ("variable", "text"),
    [(variable, text) for variable, default, *_ in TABLE if not isinstance(default, str) for text in UNREADABLE[type(default)]],
)
def test_a_value_of_another_type_is_an_error_that_names_the_variable(variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=variable):
        Settings.from_environ({variable: text})


@pytest.mark.parametrize("name", AT_LEAST_ONE)
@pytest.mark.parametrize("text", ["0", "-1"])
def test_a_number_below_one_is_an_error_that_names_the_variable(name: str, text: str) -> None:
    variable = "PIGEONHOLE_" + name.upper()

    with pytest.raises(ValueError, match=f"{variable}='{text}' is not at least 1"):
        Settings.from_environ({variable: text})


@pytest.mark.parametrize(("text", "value"), [("true", True), ("TRUE", True), ("false", False), ("False", False)])
def test_a_switch_is_true_or_false_in_any_case(text: str, value: bool) -> None:
    assert Settings.from_environ({"PIGEONHOLE_ALLOW_HTTP": text}).allow_http is value


def test_a_required_setting_that_is_missing_is_an_error_that_names_its_variable() -> None:
    settings = Settings.from_environ({"PIGEONHOLE_TABLE_NAME": "table", "PIGEONHOLE_JOB_QUEUE": ""})

    settings.require("table_name")
    with pytest.raises(MissingSetting, match=r"^PIGEONHOLE_JOB_BUCKET, PIGEONHOLE_JOB_QUEUE: must"):
        settings.require("job_bucket", "table_name", "job_queue")


def test_settings_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().allow_loopback = True  # type: ignore[misc]


def test_http_and_loopback_are_forbidden_by_default() -> None:
    assert (Settings().allow_http, Settings().allow_loopback) == (False, False)


def test_the_defaults_of_other_classes_are_those_of_the_settings() -> None:
    limits, chunk, net, image, settings = RequestLimits(), ChunkLimits(ImageLimits()), NetRules(), ImageLimits(), Settings()

    assert limits.max_samples == settings.max_samples
    assert limits.max_labels == settings.max_labels
    assert limits.max_questions == settings.max_questions
    assert limits.max_question_labels == settings.max_question_labels
    assert limits.max_question_texts == settings.max_question_texts
    assert limits.max_text_chars == settings.max_text_chars
    assert limits.max_label_chars == settings.max_label_chars
    assert limits.max_instruction_chars == settings.max_instruction_chars
    assert limits.max_body_bytes == settings.max_body_bytes
    assert limits.max_upload_bytes == settings.max_image_bytes
    assert (chunk.request_bytes, chunk.fetches, chunk.decodes) == (
        settings.max_request_bytes,
        settings.fetch_workers,
        settings.decode_workers,
    )
    assert (net.allow_http, net.allow_loopback) == (settings.allow_http, settings.allow_loopback)
    assert (net.timeout_s, net.max_redirects) == (settings.fetch_timeout_s, settings.max_redirects)
    assert (image.max_bytes, image.max_pixels) == (settings.max_image_bytes, settings.max_image_megapixels * 1_000_000)
    assert (image.max_cpu_s, image.max_memory_bytes) == (settings.max_image_cpu_s, settings.max_image_memory_bytes)
