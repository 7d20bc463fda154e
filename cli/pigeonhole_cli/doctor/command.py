"""`pigeonhole doctor`: check what Pigeonhole needs, and say what to do about each fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pigeonhole_cli.api_options import EXIT_FAILED, ApiKey, Url, print_json
from pigeonhole_cli.doctor import machine, service
from pigeonhole_cli.doctor.check import Check, Level, to_lines
from pigeonhole_cli.local.addresses import Addresses
from pigeonhole_cli.local.options import DEFAULT_AWS_PORT, DEFAULT_DATA, DEFAULT_PORT, AwsPort, Cache, Data, Model, Port
from pigeonhole_cli.model_cache import DEFAULT_CACHE


def doctor(
    port: Port = DEFAULT_PORT,
    aws_port: AwsPort = DEFAULT_AWS_PORT,
    model: Model = "tiny",
    data: Data = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    url: Url = None,
    api_key: ApiKey = None,
    aws: Annotated[bool, typer.Option("--aws", help="Also ask AWS whether it accepts the credentials of this shell.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON.")] = False,
) -> None:
    """Check what Pigeonhole needs on this machine, and say what to do about each fault.

    A line for each check has `ok`, `warn` or `fail`. The exit code is 1 if a check fails. An API is checked only if
    JIGSAWSTACK_API_URL and JIGSAWSTACK_API_KEY, or --url and --key, name one.
    """
    checks = [*_check_machine((port, aws_port), data, cache), *_check_services(model, data, cache)]
    if url and api_key:
        checks.append(service.check_api(url, api_key))
    if aws:
        checks.append(service.check_aws())
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        typer.echo("\n".join(to_lines(checks)))
    if any(check.level is Level.FAIL for check in checks):
        raise typer.Exit(EXIT_FAILED)


def _check_machine(ports: tuple[int, int], data: Path, cache: Path) -> Iterator[Check]:
    running = Addresses.read(data)
    yield machine.check_python()
    yield machine.check_packages()
    yield machine.check_memory(machine.read_available_memory())
    yield machine.check_disk("data", data)
    yield machine.check_disk("cache", cache.expanduser())
    for variable, port in zip(("PORT", "AWS_PORT"), ports, strict=True):
        yield machine.check_port(variable, port, running)


def _check_services(model: str, data: Path, cache: Path) -> Iterator[Check]:
    yield service.check_model(model, cache)
    yield service.check_cache(cache)
    yield service.check_stack(data)
