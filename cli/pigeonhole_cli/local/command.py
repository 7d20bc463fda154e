"""`pigeonhole up`: run the whole system of template.yaml on this machine until Ctrl-C."""

from __future__ import annotations

import json
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pigeonhole.aws.apigateway import ApiGatewayKeys
from pigeonhole.aws.dynamodb.tenants import DynamoTenantStore
from pigeonhole.inference.encoders import artifact
from pigeonhole.tenants.api_keys import ApiKeyManager
from pigeonhole_cli.local.capacity import Capacity
from pigeonhole_cli.local.process import REGION, LocalError, LocalProcess, open_port
from pigeonhole_cli.local.rewrites import REWRITES
from pigeonhole_cli.local.stack import LocalStack
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

ROOT = Path(__file__).resolve().parents[3]
STACK = "pigeonhole"
DATA = Path(".pigeonhole")
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

CURL = """\
curl {url}/v1/classification -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{{
  "dataset": [{{"type": "text", "value": "I love this product, it is wonderful!"}},
              {{"type": "text", "value": "This is the worst experience I have ever had."}}],
  "labels": [{{"type": "text", "value": "positive"}}, {{"type": "text", "value": "negative"}}]
}}'"""


def up(
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65_535, help="The port of the API on 127.0.0.1.")] = 8080,
    aws_port: Annotated[
        int, typer.Option(envvar="AWS_PORT", min=0, max=65_535, help="The port of the emulated AWS on 127.0.0.1.")
    ] = 8081,
    model: Annotated[str, typer.Option(envvar="MODEL", help="The name of a prepared model.")] = "tiny",
    data: Annotated[
        Path, typer.Option(envvar="PIGEONHOLE_DATA", help="The folder for the stack's API keys, tables and buckets.")
    ] = DATA,
    cache: Annotated[
        Path, typer.Option(envvar="PIGEONHOLE_CACHE", help="The cache: prepared models are in its folder `models/`.")
    ] = DEFAULT_CACHE,
) -> None:
    """Run Pigeonhole on this machine until Ctrl-C. Its data is kept for the next start."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell starts background jobs with SIGINT ignored
        signal.signal(number, _interrupt)
    started = time.monotonic()
    try:
        folder = model_folder(model, cache)
        sockets = open_port(aws_port, "AWS_PORT=8091"), open_port(port, "PORT=8090")
        with LocalProcess(data.resolve(), *sockets) as process:
            try:
                api_key = bring_up(process, folder)
                _print_addresses(process, api_key, time.monotonic() - started)
                process.wait()
            except KeyboardInterrupt:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not interrupt the saving of the data
                typer.echo("\nStopping; the data is kept.")
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


def _print_addresses(process: LocalProcess, api_key: str, seconds: float) -> None:
    typer.echo("Differences from AWS on this machine:")
    for row in REWRITES:
        typer.echo(f"  - {row.name}: {row.why}")
    typer.echo(
        f"\nReady in {seconds:.1f} s.\n"
        f"  URL      {process.api_url}\n"
        f"  API key  {api_key}\n"
        f"  docs     {process.api_url}/docs\n"
        f"  AWS      {process.aws_url}\n"
        f"  log      {process.log}\n\n"
        "For `pigeonhole keys` in another shell:\n"
        f"export AWS_ENDPOINT_URL={process.aws_url} AWS_REGION={REGION} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n\n"
        f"{CURL.format(url=process.api_url, key=api_key)}\n\n"
        "Ctrl-C stops it and keeps its data."
    )


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
