"""`pigeonhole keys`: the API keys of a deployed stack.

Standard output holds only a new API key. Everything else is printed to standard error.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from pigeonhole.contract.commands import S3Grant
from pigeonhole.tenants.api_keys import ApiKeyManager, NewApiKey
from pigeonhole.tenants.tenant import ApiKeyRecord
from pigeonhole_cli.aws_options import EndpointUrl, StackName, report_errors
from pigeonhole_cli.console import format_table, say

app = typer.Typer(help="Create, list, rotate and revoke API keys (needs AWS credentials).", no_args_is_help=True)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

KeyId = Annotated[str, typer.Argument(help="The API key's id, as `keys list` shows it.", show_default=False)]


def api_key_manager(stack_name: str, endpoint_url: str | None) -> ApiKeyManager:
    """Create the service of a deployed stack. Tests replace this function."""
    from pigeonhole.wiring import (
        operator_commands,  # late, because its import takes half a second, which other commands don't need
    )

    return operator_commands.api_key_manager(stack_name, endpoint_url)


@app.command()
def create(
    tenant: Annotated[str, typer.Argument(help="The tenant's id. A tenant that doesn't exist is created.", show_default=False)],
    name: Annotated[str, typer.Option(help="A name that says what the API key is for.")] = "default",
    grant: Annotated[
        list[str] | None,
        typer.Option(help="An S3 prefix whose images the tenant's requests may name: s3://bucket/prefix/. Repeatable."),
    ] = None,
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Create an API key for a tenant and print it. The API key is shown only now."""
    grants = [_parse_grant(address) for address in grant or ()]
    with report_errors():
        _print_key(api_key_manager(stack_name, endpoint_url).create(tenant, name, grants))


@app.command("list")
def list_keys(stack_name: StackName = "pigeonhole", endpoint_url: EndpointUrl = None) -> None:
    """List the ids of all API keys, expired and revoked ones included."""
    with report_errors():
        records = api_key_manager(stack_name, endpoint_url).list()
    now = time.time()
    rows = [("KEY ID", "TENANT", "NAME", "CREATED", "STATUS")]
    rows += [
        (record.key_id, record.tenant_id, record.name, _format_time(record.created_at), _status(record, now))
        for record in records
    ]
    for line in format_table(rows):
        typer.echo(line)


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[str, typer.Option(help="How long the old API key stays valid: 30m, 24h, 7d. 0 revokes it at once.")] = "0",
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Replace an API key by a new one, and print it.

    The old API key is revoked at once, or after a grace period.
    """
    grace_s = _parse_duration_s(grace)
    with report_errors():
        new_key, end_old = api_key_manager(stack_name, endpoint_url).rotate(key_id, grace_s)
        _print_key(new_key)
        try:
            old = end_old()
        except BaseException:
            say(f"The new key works, but the old one is still valid. Revoke it: pigeonhole keys revoke {key_id}")
            raise
    if grace_s:
        ends_at = _format_time(old.ends_at or 0)
        say(f"The old key {key_id} is valid until {ends_at}, then refused; `keys revoke` ends it sooner.")
    else:
        say(f"The old key {key_id} is revoked; within a minute it is refused everywhere.")


@app.command()
def revoke(key_id: KeyId, stack_name: StackName = "pigeonhole", endpoint_url: EndpointUrl = None) -> None:
    """Revoke an API key at once. The command is safe to repeat."""
    with report_errors():
        api_key_manager(stack_name, endpoint_url).revoke(key_id)
    say(f"Key {key_id} is revoked; within a minute it is refused everywhere.")


def _print_key(new_key: NewApiKey) -> None:
    record = new_key.record
    say(f"Key {record.key_id} of tenant {record.tenant_id}. It is shown only once, and works after a few seconds:")
    typer.echo(new_key.value)


def _parse_grant(address: str) -> S3Grant:
    match = re.fullmatch(r"s3://([^/]+)/(.*)", address)
    try:
        return S3Grant(bucket=match[1] if match else "", prefix=match[2] if match else "")
    except ValidationError:
        raise typer.BadParameter(f"{address!r} must look like s3://bucket/prefix/", param_hint="--grant") from None


def _parse_duration_s(duration: str) -> int:
    match = re.fullmatch(r"(\d+)([smhd])", duration)
    if not match and duration != "0":
        raise typer.BadParameter(f"{duration!r} must be 0 or a number with s, m, h or d: 30m, 24h, 7d", param_hint="--grace")
    return int(match[1]) * UNITS_S[match[2]] if match else 0


def _status(record: ApiKeyRecord, now: float) -> str:
    if record.ends_at is None:
        return "active"
    ends_at = _format_time(record.ends_at)
    return f"until {ends_at}" if record.is_valid(now) else f"ended {ends_at}"


def _format_time(timestamp_s: int) -> str:
    return datetime.fromtimestamp(timestamp_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
