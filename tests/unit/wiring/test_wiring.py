"""Each function's services are built from the settings that the template gives the function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pigeonhole.settings import MissingSetting, Settings, variable_name
from pigeonhole.wiring import api, bulk, inference, jobs
from support.template import read_template

API = {"table_name", "classify_function", "job_bucket", "job_queue", "plan_function", "plan_queue", "upload_bucket"}
# A function's resource in template.yaml, what builds its services, and the settings that it can't do without.
BUILDERS: list[tuple[str, Callable[[Settings], object], set[str]]] = [
    ("ApiFunction", api.api_services, API),
    ("ClassifyFunction", inference.classify_services, set()),
    ("WorkerFunction", jobs.chunk_worker, {"table_name", "job_bucket", "job_queue", "upload_bucket"}),
    ("WorkerFunction", jobs.chunk_queue, {"job_queue"}),
    ("DeadLettersFunction", jobs.dead_letter_handler, {"table_name", "job_bucket", "job_queue"}),
    ("DeadLettersFunction", bulk.span_abandoner, {"table_name", "job_bucket", "job_queue"}),
    ("DeadLettersFunction", bulk.gpu_failure_handler, {"table_name", "job_bucket", "dead_letter_queue", "gpu_queue"}),
    ("PlanFunction", bulk.bulk_planner, {"table_name", "job_bucket", "job_queue", "plan_queue", "upload_bucket"}),
    ("PlanFunction", bulk.bulk_estimator, {"table_name", "upload_bucket"}),
    ("PlanFunction", bulk.plan_queue, {"plan_queue"}),
    ("WorkerFunction", bulk.span_worker, {"table_name", "job_bucket", "job_queue", "plan_queue", "upload_bucket"}),
    ("SweepFunction", jobs.job_sweeper, {"table_name", "job_queue", "webhook_queue", "plan_queue"}),
    ("NotifyFunction", jobs.job_end_notifier, {"table_name", "job_bucket", "upload_bucket", "webhook_queue"}),
    (
        "IngestFunction",
        jobs.ingest_services,
        {"table_name", "job_bucket", "job_queue", "upload_bucket", "ingest_queue"},
    ),
    ("WebhooksFunction", jobs.webhook_deliverer, {"table_name"}),
]


@pytest.mark.parametrize(("resource", "build", "required"), BUILDERS)
def test_a_function_needs_only_settings_that_the_template_gives_it(
    resource: str, build: Callable[[Settings], object], required: set[str], loaded_folders: list[Path]
) -> None:
    function = read_template()["Resources"][resource]["Properties"]
    given = {name for name in vars(Settings()) if variable_name(name) in function["Environment"]["Variables"]}
    settings = replace(Settings(), **{name: "x" for name in given if getattr(Settings(), name) == ""})

    build(settings)
    for name in required:
        with pytest.raises(MissingSetting, match=variable_name(name)):
            build(replace(settings, **{name: ""}))
