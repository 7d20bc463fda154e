"""Settings of a function, read from the environment once, by wiring. Each has a name, a unit, a default and a line here.

`Settings.read(environ)` is the only reader; a value that can't be parsed is an error that names the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

PREFIX = "PIGEONHOLE_"
AT_LEAST_ONE = (
    "fetch_workers",
    "decode_workers",
    "threads",
    "encode_batch",
    "encode_workers",
    "text_chunk",
    "image_chunk",
    "job_days",
    "webhook_pause_s",
    "upload_form_s",
    "upload_days",
)


@dataclass(frozen=True)
class Settings:
    """Every setting; the environment's name is `PIGEONHOLE_` and the field's in capitals (`PIGEONHOLE_MAX_IMAGE_BYTES`)."""

    # where things are
    table_name: str = ""
    classify_function: str = ""
    job_bucket: str = ""
    job_queue: str = ""  # the URL of the queue of chunks
    webhook_queue: str = ""
    ingest_queue: str = ""
    upload_bucket: str = ""
    event_bus: str = "default"
    model_dir: str = "/opt/model"
    # one request
    max_samples: int = 32
    max_labels: int = 24
    max_text_chars: int = 8_000
    max_label_chars: int = 512
    max_instruction_chars: int = 2_000
    max_body_bytes: int = 4_000_000
    max_label_sets: int = 1_000  # of a tenant
    invoke_timeout_s: float = 24.0
    # jobs
    max_job_samples: int = 10_000
    text_chunk: int = 500  # samples per message
    image_chunk: int = 64
    job_days: int = 7  # how long a job and its results are kept
    stuck_s: int = 3_600  # a job that stands still for so long is queued again
    chunk_visibility_s: int = 720  # the queue's: in which a message whose worker is gone comes again
    max_wait_s: float = 24.0  # the longest wait for a job's end
    direct_text_ms: int = 50  # estimated per sample; what takes longer in all than direct_ms goes through the queue
    direct_image_ms: int = 500
    direct_ms: int = 20_000
    worker_stop_s: float = 30.0  # before a worker's time is up, the last samples are begun
    webhook_timeout_s: float = 10.0  # of one try
    webhook_pause_s: int = 30  # after the first try; each further one is twice as long, four hours at most
    # uploads
    upload_form_s: int = 900  # how long a form is taken
    upload_days: int = 7  # how long an upload is kept
    tag_uploads: bool = True  # with their labels and scores
    # callers' addresses
    allow_http: bool = False
    allow_loopback: bool = False  # the local stack only: the template never sets it
    max_image_bytes: int = 20_000_000
    max_request_bytes: int = 256_000_000
    max_image_megapixels: int = 50
    fetch_timeout_s: float = 10.0
    max_redirects: int = 3
    fetch_workers: int = 56  # max_samples + max_labels
    decode_workers: int = 2
    # the model
    threads: int = 1  # of each worker
    encode_batch: int = 8
    encode_workers: int = 2  # a core each, where there are so many
    label_cache_size: int = 4_096
    # what a tenant may do, for the x-jigsaw-rate-limit-* headers; the usage plan enforces
    quota_limit: int = 100_000
    quota_period: str = "MONTH"
    rate_counter_timeout_s: float = 0.2

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Take each field from `environ`, else its default.

        Raises ValueError, naming the variable, for a value of the wrong type or a number of workers that isn't one.
        """
        values: dict[str, object] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            raw = environ.get(name)
            if raw is None or raw == "":
                continue
            default = field.default
            assert default is not MISSING  # noqa: S101 - every field above has one
            value = _parse(name, raw, type(default))
            if field.name in AT_LEAST_ONE and value < 1:
                raise ValueError(f"{name}={raw!r} is not at least 1")
            values[field.name] = value
        return cls(**values)  # type: ignore[arg-type]


def _parse(name: str, raw: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[raw.lower()]
        return kind(raw)
    except (KeyError, ValueError):
        raise ValueError(f"{name}={raw!r} is not {'true or false' if kind is bool else f'of type {kind.__name__}'}") from None
