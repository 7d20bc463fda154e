"""The composition root: builds each function's services from the settings.

Only this folder reads the environment, and knows which adapter is behind a port. The first call of a function builds its
services, and the process keeps them. Each builder imports only what it needs, so that functions/api works without numpy,
Pillow, httpx and a model engine.
"""

from __future__ import annotations

import os
from functools import cache

from pigeonhole.settings import Settings
from pigeonhole.wiring.api import ApiServices, api_services, swagger_assets
from pigeonhole.wiring.bulk import bulk_estimator, bulk_planner, gpu_failure_handler, plan_queue, span_abandoner, span_worker
from pigeonhole.wiring.gpu import gpu_task_index, gpu_task_worker
from pigeonhole.wiring.inference import ClassifyServices, classify_services, is_started_ahead
from pigeonhole.wiring.jobs import (
    IngestServices,
    chunk_queue,
    chunk_worker,
    dead_letter_handler,
    ingest_services,
    job_end_notifier,
    job_sweeper,
    webhook_deliverer,
)
from pigeonhole.wiring.operator_commands import api_key_manager, job_redriver

__all__ = [
    "ApiServices",
    "ClassifyServices",
    "IngestServices",
    "api_key_manager",
    "api_services",
    "bulk_estimator",
    "bulk_planner",
    "chunk_queue",
    "chunk_worker",
    "classify_services",
    "dead_letter_handler",
    "gpu_failure_handler",
    "gpu_task_index",
    "gpu_task_worker",
    "ingest_services",
    "job_end_notifier",
    "job_redriver",
    "job_sweeper",
    "load_model_ahead",
    "plan_queue",
    "settings",
    "span_abandoner",
    "span_worker",
    "swagger_assets",
    "webhook_deliverer",
]


def load_model_ahead() -> None:
    """Load the model of functions/classify now, if this process is started ahead of its first call.

    A handler calls it at its import, so this is the one variable that an import reads.

    Raises:
        ModelUnavailable: The model folder is missing or broken.
    """
    if is_started_ahead(os.environ):
        classify_services(settings())


@cache
def settings() -> Settings:
    """Read the settings of this process.

    Raises:
        ValueError: A variable can't be parsed. The message names it.
    """
    return Settings.from_environ(os.environ)
