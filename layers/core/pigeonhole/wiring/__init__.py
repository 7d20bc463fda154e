"""The composition root: settings to adapters to services. The only place that reads the environment and knows the adapters.

Each function's services are made at its first call and kept for the life of the process; each imports only what it needs, so
that functions/api does without numpy, Pillow, httpx and a model engine.
"""

from __future__ import annotations

import os
from functools import cache

from pigeonhole.settings import Settings
from pigeonhole.wiring.api import ApiServices, api_services, swagger_assets
from pigeonhole.wiring.inference import ClassifyServices, classify_services
from pigeonhole.wiring.jobs import (
    IngestServices,
    announce,
    chunk_queue,
    deliver_webhook,
    fail_dead,
    ingest_services,
    process_chunk,
    sweep,
)
from pigeonhole.wiring.operator_commands import key_services, redrive_services

__all__ = [
    "ApiServices",
    "ClassifyServices",
    "IngestServices",
    "announce",
    "api_services",
    "chunk_queue",
    "classify_services",
    "deliver_webhook",
    "fail_dead",
    "ingest_services",
    "key_services",
    "process_chunk",
    "redrive_services",
    "settings",
    "swagger_assets",
    "sweep",
]


@cache
def settings() -> Settings:
    """The settings of this process. Raises ValueError, naming the variable, for one that can't be read."""
    return Settings.read(os.environ)
