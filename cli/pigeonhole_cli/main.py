"""The `pigeonhole` command and its parts."""

from __future__ import annotations

import typer

from pigeonhole_cli import keys, local, models
from pigeonhole_cli.quality.command import evaluate

app = typer.Typer(
    help="Sort text and images into labels that the caller names.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("up")(local.up)
app.command("eval")(evaluate)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
