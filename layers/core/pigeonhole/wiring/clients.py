"""Build the configuration of AWS clients, and the rules of services, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pigeonhole.contract.limits import RequestLimits
from pigeonhole.settings import Settings

if TYPE_CHECKING:
    from botocore.config import Config

    from pigeonhole.jobs.submit import JobRules
    from pigeonhole.net.url_rules import NetRules

CONNECT_TIMEOUT_S = 2.0


def client_config(*, timeout_s: float, attempts: int, connections: int = 10, **options: Any) -> Config:
    """Build the configuration of a boto3 client.

    Args:
        timeout_s: How long a call waits for its answer.
        attempts: How often a call is made at most, the first one included.
        connections: How many connections the client keeps open.
        options: More arguments of botocore's Config.
    """
    from botocore.config import Config

    return Config(
        connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
        read_timeout=timeout_s,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        tcp_keepalive=True,
        max_pool_connections=connections,
        **options,
    )


def request_limits(settings: Settings) -> RequestLimits:
    """Return the limits of `POST /v1/classification`."""
    return RequestLimits(
        max_samples=settings.max_samples,
        max_labels=settings.max_labels,
        max_questions=settings.max_questions,
        max_question_labels=settings.max_question_labels,
        max_question_texts=settings.max_question_texts,
        max_text_chars=settings.max_text_chars,
        max_label_chars=settings.max_label_chars,
        max_instruction_chars=settings.max_instruction_chars,
        max_body_bytes=settings.max_body_bytes,
        max_upload_bytes=settings.max_image_bytes,
        max_label_sets=settings.max_label_sets,
        max_result_bytes=settings.max_result_bytes,
        local_webhooks=settings.allow_loopback,
    )


def net_rules(settings: Settings, *, timeout_s: float) -> NetRules:
    """Return the rules for connections to addresses that callers name."""
    from pigeonhole.net.url_rules import NetRules

    return NetRules(
        allow_http=settings.allow_http,
        allow_loopback=settings.allow_loopback,
        timeout_s=timeout_s,
        max_redirects=settings.max_redirects,
        contact=settings.user_agent_contact,
    )


def job_rules(settings: Settings) -> JobRules:
    """Return how jobs are cut into chunks, and when they expire or count as stuck."""
    from pigeonhole.jobs.submit import JobRules  # late: functions/classify has no jobs

    return JobRules(
        text_chunk=settings.text_chunk,
        image_chunk=settings.image_chunk,
        keep_s=settings.job_days * 24 * 3600,
        stuck_s=max(settings.stuck_s, 6 * settings.chunk_visibility_s),  # longer than all attempts of a message
    )
