"""The command `pigeonhole` with all its sub-commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pigeonhole import __version__
from pigeonhole_cli import keys, models
from pigeonhole_cli.deployment import command as deployment
from pigeonhole_cli.jobs import command as jobs
from pigeonhole_cli.labels import command as labels
from pigeonhole_cli.local import command as local
from pigeonhole_cli.uploads import command as uploads
from pigeonhole_cli.uploads.tables import EXIT_CODES


class LazyGroup(TyperGroup):
    """Loads some commands only when they are called. Their imports take a third of a second.

    Contexts and commands are typed Any: depending on its version, Typer uses click's classes or its own.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return list(dict.fromkeys([*super().list_commands(ctx), *LAZY]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name, or None."""
        if cmd_name in LAZY and cmd_name not in self.commands:
            self.add_command(typer.main.get_command(LAZY[cmd_name]()), cmd_name)
        return super().get_command(ctx, cmd_name)


def _load_bulk() -> typer.Typer:
    from pigeonhole_cli.bulk.command import app as bulk_app

    return bulk_app


def _load_classify() -> typer.Typer:
    from pigeonhole_cli.classify.command import app as classify_app

    return classify_app


def _load_eval() -> typer.Typer:
    from pigeonhole_cli.evaluation.command import evaluate

    eval_app = typer.Typer(add_completion=False, rich_markup_mode=None)
    eval_app.command("eval")(evaluate)
    return eval_app


def _load_doctor() -> typer.Typer:
    from pigeonhole_cli.doctor.command import doctor

    doctor_app = typer.Typer(add_completion=False, rich_markup_mode=None)
    doctor_app.command("doctor")(doctor)
    return doctor_app


def _load_mcp() -> typer.Typer:
    from pigeonhole_cli.mcp.command import mcp

    mcp_app = typer.Typer(add_completion=False, rich_markup_mode=None)
    mcp_app.command("mcp")(mcp)
    return mcp_app


LAZY: dict[str, Callable[[], typer.Typer]] = {
    "bulk": _load_bulk,
    "classify": _load_classify,
    "doctor": _load_doctor,
    "eval": _load_eval,
    "mcp": _load_mcp,
}

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # a local variable may be an API key, and old versions of Typer print them
)


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"pigeonhole {__version__}")
        raise typer.Exit


@app.callback()
def pigeonhole(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sort text and images into labels that the caller names."""


app.command("up")(local.up)
app.command("smoke")(deployment.smoke)
app.command("upload", epilog=EXIT_CODES)(uploads.upload)
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(labels.app, name="labels")
app.add_typer(models.app, name="models")
