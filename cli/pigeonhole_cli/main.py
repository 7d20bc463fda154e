"""The `pigeonhole` command and its parts."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from pigeonhole_cli import keys, models
from pigeonhole_cli.jobs import command as jobs
from pigeonhole_cli.labels import command as labels
from pigeonhole_cli.local import command as local
from pigeonhole_cli.uploads import command as uploads
from pigeonhole_cli.uploads.tables import EXIT_CODES


class Group(TyperGroup):
    """Loads `eval` when it is asked for: with numpy and the classifier it would cost every command a third of a second.

    Typer's contexts and commands are of click or of its own copy of it, by version.
    """

    def list_commands(self, ctx: Any) -> list[str]:
        """All commands, by name."""
        return list(dict.fromkeys([*super().list_commands(ctx), "eval"]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; None where there is none."""
        if cmd_name == "eval" and cmd_name not in self.commands:
            from pigeonhole_cli.evaluation.command import evaluate

            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command("eval")(evaluate)
            self.add_command(typer.main.get_command(alone), "eval")
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    cls=Group,
    help="Sort text and images into labels that the caller names.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_show_locals=False,  # earlier versions of Typer show them, and one of them may be a key
)
app.command("up")(local.up)
app.command("upload", epilog=EXIT_CODES)(uploads.upload)
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(labels.app, name="labels")
app.add_typer(models.app, name="models")
