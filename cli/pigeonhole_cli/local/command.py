"""`pigeonhole up`: the whole system on this machine, from template.yaml, until Ctrl-C."""

from __future__ import annotations

import json
import os
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
from pigeonhole_cli.local.process import REGION, LocalError, LocalProcess, open_port
from pigeonhole_cli.local.rewrites import REWRITES
from pigeonhole_cli.local.stack import LocalStack
from pigeonhole_cli.model_cache import DEFAULT_CACHE, cached_folder

ROOT = Path(__file__).resolve().parents[3]
STACK = "pigeonhole"
DATA = Path(".pigeonhole")
TENANT, KEY = "local", "up"
PARAMETERS = {
    "WorkerConcurrency": "2",  # each has a model of its own; the least that the template takes
    # What was in a worker's hands at Ctrl-C comes again when this has passed, and nobody wants to wait twelve minutes.
    "WorkerTimeout": "60",
    "ChunkVisibility": "60",
}
WARM_UP_S = 60.0

CURL = """\
curl {url}/v1/classification -H 'x-api-key: {key}' -H 'content-type: application/json' -d '{{
  "dataset": [{{"type": "text", "value": "I love this product, it is wonderful!"}},
              {{"type": "text", "value": "This is the worst experience I have ever had."}}],
  "labels": [{{"type": "text", "value": "positive"}}, {{"type": "text", "value": "negative"}}]
}}'"""


def up(
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65_535, help="Where the API listens, here only.")] = 8080,
    aws_port: Annotated[int, typer.Option(envvar="AWS_PORT", min=0, max=65_535, help="Where the emulated AWS listens.")] = 8081,
    model: Annotated[str, typer.Option(envvar="MODEL", help="A prepared model.")] = "tiny",
    data: Annotated[Path, typer.Option(envvar="PIGEONHOLE_DATA", help="Where the stack keeps its keys and tables.")] = DATA,
    cache: Annotated[Path, typer.Option(envvar="PIGEONHOLE_CACHE", help="Where prepared models are.")] = DEFAULT_CACHE,
) -> None:
    """Run Pigeonhole on this machine, until Ctrl-C. Its data outlives it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a shell may have told a job to ignore the first
        signal.signal(number, _interrupt)
    started = time.monotonic()
    try:
        folder = model_folder(model, cache)
        sockets = open_port(aws_port, "AWS_PORT=8091"), open_port(port, "PORT=8090")
        with LocalProcess(data.resolve(), *sockets) as process:
            try:
                key = bring_up(process, folder)
                _say_hello(process, key, time.monotonic() - started)
                process.wait()
            except KeyboardInterrupt:
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not cut the saving short
                typer.echo("\nStopping; the data is kept.")
    except LocalError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def model_folder(model: str, cache: Path) -> Path:
    """Find the prepared `model` in `cache`.

    Raises LocalError if it isn't there whole.
    """
    folder = cached_folder(model, cache)
    try:
        artifact.read(folder)
    except artifact.ModelUnavailable as error:
        raise LocalError(str(error)) from None
    return folder


def local_settings(folder: Path) -> dict[str, dict[str, str]]:
    """What only the local stack sets: the model's folder, and that addresses may be http:// and this machine's."""
    of_addresses = {"PIGEONHOLE_ALLOW_HTTP": "true", "PIGEONHOLE_ALLOW_LOOPBACK": "true"}
    of_model = {"PIGEONHOLE_MODEL_DIR": str(folder), **of_addresses}
    return {
        "ClassifyFunction": of_model,
        "WorkerFunction": of_model,
        "ApiFunction": of_addresses,
        "WebhooksFunction": of_addresses,
    }


def bring_up(process: LocalProcess, folder: Path) -> str:
    """Deploy the template, open the API's port, load the model, and give an API key: the last start's if it still works."""
    concurrency = min(4, max(2, os.cpu_count() or 1))
    with LocalStack(process.aws_url, STACK, ROOT) as stack:
        outputs = stack.deploy(classify_concurrency=concurrency, settings=local_settings(folder), parameters=PARAMETERS)
        process.route_to(outputs["ApiId"], outputs["StageName"])
        key = _key_of(stack, outputs)
        _warm_up(process, stack, key)
    return key


def manage_keys(stack: LocalStack, outputs: dict[str, str]) -> ApiKeyManager:
    """The service behind `pigeonhole keys`, for a local stack."""
    registry = ApiGatewayKeys(stack.client("apigateway"), outputs["UsagePlanId"])
    return ApiKeyManager(registry=registry, store=DynamoTenantStore(stack.client("dynamodb"), outputs["TableName"]))


def _key_of(stack: LocalStack, outputs: dict[str, str]) -> str:
    keys = manage_keys(stack, outputs)
    ours = {it.key_id for it in keys.list_keys() if (it.tenant_id, it.name) == (TENANT, KEY) and it.is_valid(time.time())}
    for key in stack.client("apigateway").get_api_keys(includeValues=True, limit=500)["items"]:
        if key["id"] in ours:
            return str(key["value"])
    return keys.create(TENANT, KEY).value


def _warm_up(process: LocalProcess, stack: LocalStack, key: str) -> None:
    request = urllib.request.Request(f"{process.api_url}/v1/health?deep=true", headers={"x-api-key": key})  # noqa: S310
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=WARM_UP_S):
            return
    except urllib.error.HTTPError as error:
        answer = error.read()
    except OSError as error:
        raise LocalError(f"The API does not answer ({error}). Its log: {process.log}") from None
    try:
        message = json.loads(answer)["message"]
    except (ValueError, KeyError, TypeError):
        message = answer[:200].decode(errors="replace")
    raise LocalError(f"The classifier does not answer: {stack.last_error('ClassifyLogs') or message}")


def _say_hello(process: LocalProcess, key: str, seconds: float) -> None:
    typer.echo("What runs here otherwise than on AWS:")
    for row in REWRITES:
        typer.echo(f"  - {row.name}: {row.why}")
    typer.echo(
        f"\nReady in {seconds:.1f} s.\n"
        f"  URL      {process.api_url}\n"
        f"  API key  {key}\n"
        f"  docs     {process.api_url}/docs\n"
        f"  AWS      {process.aws_url}\n"
        f"  log      {process.log}\n\n"
        "For `pigeonhole keys` in another shell:\n"
        f"export AWS_ENDPOINT_URL={process.aws_url} AWS_REGION={REGION} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n\n"
        f"{CURL.format(url=process.api_url, key=key)}\n\n"
        "Ctrl-C stops it and keeps its data."
    )


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt
