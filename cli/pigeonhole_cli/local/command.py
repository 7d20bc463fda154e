"""`pigeonhole up`: run the whole system of template.yaml on this machine until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pigeonhole.aws.apigateway import ApiGatewayKeys
from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore
from pigeonhole.inference.encoders import artifact
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole_cli.console import own_command
from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.capacity import Capacity
from pigeonhole_cli.local.options import DEFAULT_AWS_PORT, DEFAULT_DATA, DEFAULT_PORT, AwsPort, Cache, Data, Model, Port
from pigeonhole_cli.local.process import LocalError, LocalProcess, open_next_port
from pigeonhole_cli.local.stack import LocalStack
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder
from pigeonhole_cli.start import panel
from pigeonhole_cli.start.browser import has_browser, opened_page

ROOT = Path(__file__).resolve().parents[3]
STACK = "pigeonhole"
TENANT, API_KEY_NAME = "local", "up"
# GPU workers are processes here. Any values do: they only say that there are GPU workers.
GPU_PARAMETERS = {"GpuImageUri": "none", "GpuVpcId": "vpc-00000000", "GpuSubnetIds": "subnet-00000000"}
PARAMETERS = {
    # Each run has a process in this machine's memory, and that of a worker has a model. The template's smallest value is 2.
    "WorkerConcurrency": "2",
    "IngestConcurrency": "2",
    "WebhookConcurrency": "4",  # more, because a slow receiver occupies its process
    # The machine's capacity is the limit here, so these are the most that AWS gives an account, and a quota of no effect.
    "ThrottleRate": "10000",
    "ThrottleBurst": "5000",
    "OpenThrottleRate": "10000",
    "OpenThrottleBurst": "5000",
    "QuotaLimit": "1000000000",
    # After Ctrl-C, an interrupted chunk is redelivered when this time has passed. AWS's value is fifteen minutes.
    "WorkerTimeout": "60",
    "ChunkVisibility": "60",
    **GPU_PARAMETERS,
}
# On AWS, functions/api waits half a second for the table. A laptop that is busy takes longer.
PATIENCE = {"PIGEONHOLE_LOOKUP_TIMEOUT_S": "5", "PIGEONHOLE_RATE_COUNTER_TIMEOUT_S": "2"}
PAIR_MS = "200"  # as the template's TextPairMs recommends for a cross-encoder
WARM_UP_S = 60.0


def up(
    port: Port = DEFAULT_PORT,
    aws_port: AwsPort = DEFAULT_AWS_PORT,
    model: Model = "tiny",
    data: Data = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", envvar="NO_BROWSER", help="Don't open the page in the browser.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print what differs from AWS on this machine, and start nothing.")
    ] = False,
) -> None:
    """Run Pigeonhole on this machine until Ctrl-C. Its data is kept for the next start.

    If a port is in use, the next free one is used.
    """
    if explain:
        typer.echo(panel.explain(Addresses.read(data)))
        return
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    typer.echo("Starting ...")
    started = time.monotonic()
    try:
        folder = model_folder(model, cache)
        sockets = open_next_port(aws_port, "AWS_PORT=8091"), open_next_port(port, "PORT=8090")
        with LocalProcess(data.resolve(), *sockets) as process:
            try:
                api_key = bring_up(process, folder)
                addresses = Addresses(process.api_url, process.aws_url)
                panel.write_differences(data, addresses)
                with addresses.published(data):
                    notes = panel.port_notes((port, aws_port), addresses)
                    typer.echo(panel.panel(process.api_url, api_key, time.monotonic() - started, own_command(), notes))
                    has_window = not no_browser and sys.stdout.isatty() and has_browser(os.environ)
                    page = panel.page_address(process.api_url, api_key)
                    with opened_page(page, data) if has_window else nullcontext():
                        process.wait()
            except KeyboardInterrupt:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the saving of the data
                typer.echo(f"\nStopping; the data is kept in {data}.")
    except LocalError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def model_folder(model: str, cache: Path) -> Path:
    """Return the artifact folder of a prepared model.

    Raises:
        LocalError: The folder is missing or incomplete.
    """
    folder = cached_folder(model, cache)
    try:
        artifact.read_info(folder)
    except artifact.ModelUnavailable as error:
        raise LocalError(str(error)) from None
    return folder


def local_settings(folder: Path) -> dict[str, dict[str, str]]:
    """Return the settings of the local stack's functions, by the function's logical id.

    Args:
        folder: The artifact folder of the model.
    """
    pairs = {"PIGEONHOLE_DIRECT_PAIR_MS": PAIR_MS} if artifact.read_info(folder).sentence.reads_pairs else {}
    addresses = {"PIGEONHOLE_ALLOW_HTTP": "true", "PIGEONHOLE_ALLOW_LOOPBACK": "true"}
    classifier = {"PIGEONHOLE_MODEL_DIR": str(folder), **addresses}
    return {
        "ClassifyFunction": classifier,
        "WorkerFunction": classifier,
        "GpuDefinition": {**classifier, "PIGEONHOLE_ENCODE_WORKERS": "1"},  # this machine has other work to do
        "ApiFunction": {**addresses, **PATIENCE, **pairs},
        "WebhooksFunction": addresses,
    }


def bring_up(process: LocalProcess, folder: Path) -> str:
    """Deploy the template, route the API's port to it, load the model, and return a valid API key.

    The API key of the last start is returned if it is still valid.
    """
    runs = Capacity.of_this_machine().classify
    with LocalStack(process.aws_url, STACK, ROOT) as stack:
        settings = local_settings(folder)
        outputs = stack.deploy(classify_concurrency=runs, settings=settings, parameters=PARAMETERS)
        gpu = stack.gpu_definition(settings["GpuDefinition"], PARAMETERS)
        process.route_to(outputs["ApiId"], outputs["StageName"], {outputs["ClassifyFunctionArn"]: runs}, gpu)
        api_key = _valid_api_key(stack, outputs)
        _warm_up(process, stack, api_key)
    return api_key


def api_key_manager(stack: LocalStack, outputs: dict[str, str]) -> ApiKeyManager:
    """Create the service behind `pigeonhole keys` for a local stack."""
    registry = ApiGatewayKeys(stack.client("apigateway"), outputs["UsagePlanId"])
    return ApiKeyManager(registry=registry, store=DynamoTenantStore(stack.client("dynamodb"), outputs["TableName"]))


def _valid_api_key(stack: LocalStack, outputs: dict[str, str]) -> str:
    manager = api_key_manager(stack, outputs)
    now = time.time()
    valid_ids = {
        record.key_id
        for record in manager.list()
        if (record.tenant_id, record.name) == (TENANT, API_KEY_NAME) and record.is_valid(now)
    }
    for api_key in stack.client("apigateway").get_api_keys(includeValues=True, limit=500)["items"]:
        if api_key["id"] in valid_ids:
            return str(api_key["value"])
    return manager.create(TENANT, API_KEY_NAME).value


def _warm_up(process: LocalProcess, stack: LocalStack, api_key: str) -> None:
    request = urllib.request.Request(f"{process.api_url}/v1/health?deep=true", headers={"x-api-key": api_key})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=WARM_UP_S):
            return
    except urllib.error.HTTPError as error:
        answer = error.read()
    except OSError as error:
        raise LocalError(f"The API does not answer ({error}). See its log: {process.log}") from None
    try:
        message = json.loads(answer)["message"]
    except (ValueError, KeyError, TypeError):
        message = answer[:200].decode(errors="replace")
    raise LocalError(f"The classifier does not answer: {stack.last_error('ClassifyLogs') or message}")


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
