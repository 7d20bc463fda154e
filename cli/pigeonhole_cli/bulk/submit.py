"""`pigeonhole bulk run` and `bulk plan`: bulk jobs of a deployed API, and what they would take."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

import typer

from pigeonhole.contract.bulk import Compute, OutputFormat
from pigeonhole_cli.api_options import ApiKey, Json, Url, print_json
from pigeonhole_cli.bulk.deployed_input import BulkInput, is_uploaded, to_input
from pigeonhole_cli.bulk.estimate_table import estimate_lines
from pigeonhole_cli.bulk.run_progress import JobProgress
from pigeonhole_cli.console import say
from pigeonhole_cli.jobs.options import IdempotencyKey, WebhookUrl, jobs_client
from pigeonhole_cli.jobs.submit import submit_job
from pigeonhole_cli.jobs.wait import wait_and_print
from pigeonhole_cli.label_options import (
    Instruction,
    Labels,
    LabelSet,
    Multiple,
    Scores,
    Threshold,
    check_labels,
    to_label_fields,
)
from pigeonhole_cli.request_input import to_json

ComputeOption = Annotated[
    Compute, typer.Option("--compute", help="The workers that classify. auto: what the deployment chooses by size and cost.")
]


def run(
    input: BulkInput,
    label: Labels = None,
    label_set: LabelSet = None,
    multiple: Multiple = False,
    threshold: Threshold = None,
    instruction: Instruction = None,
    scores: Scores = False,
    compute: ComputeOption = Compute.AUTO,
    output: Annotated[OutputFormat, typer.Option("--format", help="The format of the results.")] = OutputFormat.JSONL,
    webhook_url: WebhookUrl = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the job's end, and print its first files instead of its id.")
    ] = False,
    idempotency_key: IdempotencyKey = None,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Submit a bulk job of a deployed API, and print the job's id."""
    check_labels(label, label_set)
    options = {
        "label_set": label_set,
        "multiple_labels": multiple,
        "threshold": threshold,
        "instruction": instruction,
        "scores": scores,
        "webhook_url": webhook_url,
        **_to_compute_field(compute),
        "output": {"format": output.value},
    }
    with jobs_client(url, api_key) as jobs:
        body = {"input": to_input(jobs.client, input), **to_label_fields(label, options)}
        answer = submit_job(jobs, to_json(body), idempotency_key or str(uuid.uuid4()), has_uploads=is_uploaded(input))
        job_id = answer.body.job.id
        if wait:
            wait_and_print(jobs, job_id, as_json=as_json, show_on=lambda bar: JobProgress(bar).show)
    say(f"Its progress: pigeonhole bulk status {job_id} --watch")
    say(f"Its results:  pigeonhole bulk fetch {job_id} --out FOLDER")
    if as_json:
        print_json(answer.raw)
    else:
        typer.echo(job_id)


def plan(
    input: BulkInput,
    label: Labels = None,
    label_set: LabelSet = None,
    compute: ComputeOption = Compute.AUTO,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Print what a bulk job would take: its samples, its cost and its time. Nothing is started."""
    check_labels(label, label_set)
    options = {"label_set": label_set, **_to_compute_field(compute), "dry_run": True}
    with jobs_client(url, api_key) as jobs:
        body = {"input": to_input(jobs.client, input), **to_label_fields(label, options)}
        answer = jobs.estimate(to_json(body))
    if as_json:
        print_json(answer.raw)
    else:
        typer.echo("\n".join(estimate_lines(answer.body.estimate)))


def _to_compute_field(compute: Compute) -> dict[str, Any]:
    return {} if compute is Compute.AUTO else {"compute": compute.value}
