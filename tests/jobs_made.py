"""Jobs, parts and messages for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pigeonhole.jobs import Job, Part, Span
from pigeonhole.messages import ChunkMessage

ID = f"{1_000_000:012x}" + "0" * 20
JOB = Job(
    tenant_id="acme",
    id=ID,
    total=10,
    chunk_size=4,
    multiple_labels=False,
    created_at=1_000.5,
    updated_at=1_000.5,
    expires_at=100_000,
    due_at=1_060.5,
)


def job(**changes: Any) -> Job:
    """A job of ten samples in chunks of four, just made."""
    return replace(JOB, **changes)


def job_id(milliseconds: int) -> str:
    """The id of a job made at that time."""
    return f"{milliseconds:012x}" + "a" * 20


def part(start: int, stop: int, *, failed: int = 0, data: bytes | None = b"results", key: str | None = None) -> Part:
    return Part(Span(start, stop), stop - start - failed, failed, data=data, key=key)


def message(start: int = 0, stop: int = 4, **changes: Any) -> ChunkMessage:
    return ChunkMessage.model_validate({"tenant_id": "acme", "job_id": ID, "start": start, "stop": stop} | changes)
