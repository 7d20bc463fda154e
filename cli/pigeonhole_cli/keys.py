"""`pigeonhole keys`: the API keys of a deployed stack. A new key goes to standard output alone, all else to standard error."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError

from pigeonhole import wiring
from pigeonhole.contract.messages import S3Grant
from pigeonhole.tenants.api_keys import ApiKeyManager, NewApiKey
from pigeonhole.tenants.tenant import ApiKeyRecord
from pigeonhole_cli.aws_options import EndpointUrl, StackName, errors
from pigeonhole_cli.console import say, table

app = typer.Typer(help="Make, list, replace and end API keys.", no_args_is_help=True)

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

KeyId = Annotated[str, typer.Argument(help="As `pigeonhole keys list` shows it.", show_default=False)]


def services(stack_name: str, endpoint_url: str | None) -> ApiKeyManager:
    return wiring.api_key_manager(stack_name, endpoint_url)


@app.command()
def create(
    tenant: Annotated[str, typer.Argument(help="The tenant's id; a new one makes a new tenant.", show_default=False)],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "default",
    grant: Annotated[
        list[str] | None, typer.Option(help="s3://bucket/prefix/ that the tenant's requests may name. Repeatable.")
    ] = None,
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Make a key for a tenant and print it, this once."""
    grants = [_grant(address) for address in grant or ()]
    with errors():
        _show(services(stack_name, endpoint_url).create(tenant, name, grants))


@app.command("list")
def list_keys(stack_name: StackName = "pigeonhole", endpoint_url: EndpointUrl = None) -> None:
    """List all keys, ended ones too. Their values are kept nowhere."""
    with errors():
        found = services(stack_name, endpoint_url).list_keys()
    now = time.time()
    rows = [("KEY ID", "TENANT", "NAME", "CREATED", "STATUS")]
    rows += [(key.key_id, key.tenant_id, key.name, _date(key.created_at), _status(key, now)) for key in found]
    for line in table(rows):
        typer.echo(line)


@app.command()
def rotate(
    key_id: KeyId,
    grace: Annotated[str, typer.Option(help="How long the old key stays valid: 30m, 24h, 7d. 0: it ends now.")] = "0",
    stack_name: StackName = "pigeonhole",
    endpoint_url: EndpointUrl = None,
) -> None:
    """Make a key like another one, print it, and end the other: at once, or after a time of grace."""
    grace_s = _seconds(grace)
    with errors():
        made, end_old = services(stack_name, endpoint_url).rotate(key_id, grace_s)
        _show(made)
        try:
            old = end_old()
        except BaseException:
            say(f"The new key works, but the old one still does, too. End it: pigeonhole keys revoke {key_id}")
            raise
    if grace_s:
        say(f"The old key {key_id} is valid until {_date(old.ends_at or 0)}, then refused; `keys revoke` ends it sooner.")
    else:
        say(f"The old key {key_id} is revoked; within a minute it is refused everywhere.")


@app.command()
def revoke(key_id: KeyId, stack_name: StackName = "pigeonhole", endpoint_url: EndpointUrl = None) -> None:
    """End a key now. Safe to repeat."""
    with errors():
        services(stack_name, endpoint_url).revoke(key_id)
    say(f"Key {key_id} is revoked; within a minute it is refused everywhere.")


def _show(made: NewApiKey) -> None:
    say(f"Key {made.record.key_id} of tenant {made.record.tenant_id}. It is shown this once; a few seconds until it works:")
    typer.echo(made.value)


def _grant(address: str) -> S3Grant:
    found = re.fullmatch(r"s3://([^/]+)/(.*)", address)
    try:
        return S3Grant(bucket=found[1] if found else "", prefix=found[2] if found else "")
    except ValidationError:
        raise typer.BadParameter(f"{address!r} is not of the form s3://bucket/prefix/", param_hint="--grant") from None


def _seconds(duration: str) -> int:
    found = re.fullmatch(r"(\d+)([smhd])", duration)
    if not found and duration != "0":
        raise typer.BadParameter(f"{duration!r} is not 0 or a number with s, m, h or d: 30m, 24h, 7d", param_hint="--grace")
    return int(found[1]) * UNITS_S[found[2]] if found else 0


def _status(key: ApiKeyRecord, now: float) -> str:
    if key.ends_at is None:
        return "active"
    return f"until {_date(key.ends_at)}" if key.is_valid(now) else f"ended {_date(key.ends_at)}"


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
