"""The options of the commands about the local stack. The Makefile sets the same variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PORT, DEFAULT_AWS_PORT = 8080, 8081
DEFAULT_DATA = Path(".pigeonhole")

Port = Annotated[int, typer.Option(envvar="PORT", min=0, max=65_535, help="The port of the API on 127.0.0.1.")]
AwsPort = Annotated[int, typer.Option(envvar="AWS_PORT", min=0, max=65_535, help="The port of the emulated AWS on 127.0.0.1.")]
Model = Annotated[str, typer.Option(envvar="MODEL", help="The name of a prepared model.")]
Data = Annotated[Path, typer.Option(envvar="PIGEONHOLE_DATA", help="The folder for the stack's API keys, tables and buckets.")]
Cache = Annotated[Path, typer.Option(envvar="PIGEONHOLE_CACHE", help="The cache: prepared models are in its folder `models/`.")]
