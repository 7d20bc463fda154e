"""Checks of what Pigeonhole runs and calls: models, the local stack, an API, AWS."""

from __future__ import annotations

from pathlib import Path

from pigeonhole.contract.service import AccountResponse, HealthResponse
from pigeonhole.inference.encoders import artifact, registry
from pigeonhole.inference.encoders.artifact import ModelUnavailable
from pigeonhole_cli.console import own_command
from pigeonhole_cli.doctor.check import Check, Level
from pigeonhole_cli.http_client import ApiError, open_client
from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.model_cache import cached_folder

TIMEOUT_S = 10.0


def check_model(model: str, cache: Path) -> Check:
    """Check that a model is prepared and complete. The files' hashes are not compared, which would take seconds."""
    folder = cached_folder(model, cache)
    if not folder.is_dir():
        return Check(
            "model",
            Level.WARN if model == registry.BUNDLED else Level.FAIL,
            f"{model} isn't prepared in {folder.parent}",
            f"Prepare it: {own_command()} models prepare {model}" + (", or make start" if model == registry.BUNDLED else ""),
        )
    try:
        info = artifact.read_info(folder)
    except ModelUnavailable as error:
        return Check("model", Level.FAIL, str(error), f"Prepare it again: {own_command()} models prepare {model} --force")
    megabytes = sum(facts.bytes for facts in info.files.values()) / 1e6
    return Check("model", Level.OK, f"{model} is prepared, {megabytes:.0f} MB in {folder}")


def check_cache(cache: Path) -> Check:
    """Check the other models of the cache."""
    folder = cache.expanduser() / "models"
    models = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".") if folder.is_dir() else []
    broken = [path.name for path in models if not _is_complete(path)]
    if broken:
        return Check(
            "cache",
            Level.WARN,
            f"{', '.join(broken)} broken in {folder}",
            f"Prepare it again, or delete it: {own_command()} models prepare {broken[0]} --force",
        )
    found = f"{', '.join(path.name for path in models)} in {folder}" if models else f"nothing in {folder} yet"
    return Check("cache", Level.OK, found)


def check_stack(data: Path) -> Check:
    """Check whether the local stack of a data folder runs and answers."""
    running = Addresses.read(data)
    if running is None:
        return Check("local stack", Level.OK, f"none runs with the data in {data}", "Start it: make start")
    try:
        with open_client(running.api_url, "none") as client:
            response = client.request("GET", f"{running.api_url}/v1/health", attempts=1, timeout=TIMEOUT_S)
            client.parse(HealthResponse, response)
    except ApiError as error:
        return Check(
            "local stack", Level.WARN, str(error), "It was killed, or is busy. If it doesn't run, start it: make start"
        )
    return Check("local stack", Level.OK, f"answers at {running.api_url}")


def check_api(url: str, api_key: str) -> Check:
    """Check that an API answers and knows an API key."""
    try:
        with open_client(url.strip().rstrip("/"), api_key.strip()) as client:
            account = client.call(AccountResponse, "GET", "/v1/account", attempts=1, timeout=TIMEOUT_S).body
    except (ApiError, ValueError) as error:  # httpx refuses a key that is no header
        advice = "Set JIGSAWSTACK_API_URL and JIGSAWSTACK_API_KEY to what `make start` prints"
        return Check("API", Level.FAIL, str(error), advice)
    return Check("API", Level.OK, f"{url} knows the API key: tenant {account.tenant.id}")


def check_aws() -> Check:
    """Check that AWS accepts the credentials of this shell. The call costs nothing and needs no permission."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    config = Config(connect_timeout=TIMEOUT_S, read_timeout=TIMEOUT_S, retries={"total_max_attempts": 1})
    try:
        session = boto3.Session()
        identity = session.client("sts", config=config, region_name=session.region_name or "us-east-1").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        advice = "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. `aws sts get-caller-identity` must work"
        return Check("AWS", Level.FAIL, str(error), advice)
    region = session.region_name or "none: set AWS_REGION"
    return Check("AWS", Level.OK, f"account {identity['Account']}, region {region}")


def _is_complete(folder: Path) -> bool:
    try:
        artifact.read_info(folder)
    except ModelUnavailable:
        return False
    return True
