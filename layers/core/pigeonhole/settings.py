"""Settings of a function. Wiring reads them from the environment once.

`Settings.from_environ` is the only reader. A value that can't be parsed and a required setting that is missing are errors that
name the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

PREFIX = "PIGEONHOLE_"
LAMBDA_MB_PER_CORE = 1_769  # of a function's memory: docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
AT_LEAST_ONE = (
    "fetch_workers",
    "decode_workers",
    "threads",
    "encode_batch",
    "encode_workers",
    "text_chunk",
    "image_chunk",
    "span_samples",
    "job_days",
    "webhook_pause_s",
    "upload_form_s",
    "upload_days",
    "gpu_task_s",
)


class MissingSetting(ValueError):
    """A setting that the function needs isn't in its environment. The message names the variable."""


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default.

    A field's environment variable is `PIGEONHOLE_` and the field's name in capitals: `PIGEONHOLE_MAX_IMAGE_BYTES`. A function
    gets only the variables that it needs (template.yaml). Where the default is an empty string, a function that needs the
    setting calls `require`.
    """

    # names and URLs of the deployment's resources
    table_name: str = ""
    classify_function: str = ""
    job_bucket: str = ""
    job_queue: str = ""  # URL of the queue of chunks
    webhook_queue: str = ""  # URL
    plan_queue: str = ""  # URL
    plan_function: str = ""
    ingest_queue: str = ""  # URL
    dead_letter_queue: str = ""  # URL of the queue of functions/dead_letters
    gpu_queue: str = ""  # ARN of AWS Batch's job queue; empty if no GPU workers are deployed
    gpu_definition: str = ""  # ARN of AWS Batch's job definition
    gpu_max_vcpus: int = 0  # of all GPU workers at the same time; 0 if none are deployed
    upload_bucket: str = ""
    event_bus: str = "default"
    model_dir: str = "/opt/model"
    playground: bool = True  # whether functions/api serves the page at /
    # limits of one request
    max_samples: int = 32
    max_labels: int = 24
    max_questions: int = 400
    max_question_labels: int = 255
    max_question_texts: int = 4_000
    max_text_chars: int = 8_000
    max_label_chars: int = 512
    max_instruction_chars: int = 2_000
    max_body_bytes: int = 4_000_000
    max_label_sets: int = 1_000  # per tenant
    lookup_timeout_s: float = 0.5  # of one attempt to read an API key, a tenant or a label set
    invoke_timeout_s: float = 24.0  # longest wait for functions/classify
    # jobs
    max_job_samples: int = 10_000
    max_result_bytes: int = 50_000_000  # of a job, estimated when it is submitted
    text_chunk: int = 500  # text samples per message
    image_chunk: int = 64  # image samples per message
    span_samples: int = 1_000  # samples of a bulk job's manifest per message
    worker_concurrency: int = 10  # the deployment's workers, by which bulk jobs are estimated
    worker_memory_mb: int = 3_008
    worker_arm64: bool = True
    job_days: int = 7  # a job and its results expire after these days
    planning_s: int = 400  # after this time another planner follows one that was killed; longer than a planner runs
    stuck_s: int = 3_600  # the sweeper queues a job again that made no progress for so long
    chunk_visibility_s: int = 900  # the queue redelivers a message after this time if its worker crashed
    max_wait_s: float = 24.0  # longest wait that a caller can ask for (`Prefer: wait`)
    direct_text_ms: int = 50  # estimated time per text sample, for each started 512 bytes
    direct_pair_ms: int = 0  # the same for a text and one label prompt, if a cross-encoder reads both
    direct_image_ms: int = 500  # estimated time per image sample
    direct_ms: int = 20_000  # a request whose estimate is above this goes through the queue
    worker_stop_s: float = 30.0  # a worker begins no more samples when less time than this is left
    gpu_task_s: int = 21_600  # a GPU worker ends within this time, and the rest of its task is started again
    webhook_timeout_s: float = 10.0  # of one attempt
    webhook_pause_s: int = 30  # after the first attempt; doubles with each further attempt, up to four hours
    # uploads
    upload_form_s: int = 900  # an upload form expires after this time
    upload_days: int = 7  # an upload expires after these days
    tag_uploads: bool = False  # write labels and scores to the tags of an upload
    # addresses that callers name
    allow_http: bool = False
    allow_loopback: bool = False  # the local stack only: the template never sets it
    max_image_bytes: int = 20_000_000
    max_request_bytes: int = 256_000_000
    max_image_megapixels: int = 50
    max_image_cpu_s: float = 3.0  # of decoding it
    max_image_memory_bytes: int = 700_000_000  # of decoding it
    fetch_timeout_s: float = 10.0
    max_redirects: int = 3
    user_agent_contact: str = ""  # a web or mail address of the operator, in the User-Agent of fetches and webhooks
    fetch_workers: int = 56  # max_samples + max_labels
    decode_workers: int = 2  # at most as many as the function's memory holds
    # the model
    checkpoint: str = (
        ""  # of a GPU worker: the preset, folder or Hugging Face id that model_dir was made from; empty for no GPU
    )
    sentence_checkpoint: str = "all-MiniLM-L6-v2"  # the same for the sentence encoder
    threads: int = 1  # per encode worker
    encode_batch: int = 8
    encode_workers: int = 2  # on Lambda at most one per core or part of one
    label_cache_size: int = 4_096
    # the tenant's quota for the x-jigsaw-rate-limit-* headers; API Gateway's usage plan enforces it
    quota_limit: int = 100_000
    quota_period: str = "MONTH"
    rate_counter_timeout_s: float = 0.2

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read each field from its variable. A variable that is absent or empty leaves the default.

        Raises:
            ValueError: A value has the wrong type, or a number in `AT_LEAST_ONE` is below 1. The message names the variable.
        """
        values: dict[str, object] = {}
        for field in fields(cls):
            name = variable_name(field.name)
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

    def require(self, *names: str) -> None:
        """Check that these settings are set, so that a function without them fails at its first call, with their names.

        Args:
            names: Fields whose default is empty.

        Raises:
            MissingSetting: At least one is empty. The message names the variables of all that are.
        """
        missing = [variable_name(name) for name in names if not getattr(self, name)]
        if missing:
            raise MissingSetting(f"{', '.join(missing)}: must be set in the function's environment (template.yaml)")


def variable_name(field: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + field.upper()


def _parse(name: str, raw: str, kind: type) -> Any:
    try:
        if kind is bool:
            return {"true": True, "false": False}[raw.lower()]
        return kind(raw)
    except (KeyError, ValueError):
        raise ValueError(f"{name}={raw!r} is not {'true or false' if kind is bool else f'of type {kind.__name__}'}") from None
