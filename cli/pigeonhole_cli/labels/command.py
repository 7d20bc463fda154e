"""`pigeonhole labels`: keep labels and options in a deployed API under a name. What was asked for goes to standard output, all
else to standard error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pigeonhole.errors import PreconditionFailed
from pigeonhole_cli.api_options import Json, Key, Url, calling, print_json, set_name
from pigeonhole_cli.console import say
from pigeonhole_cli.http_client import ApiError
from pigeonhole_cli.labels import tables
from pigeonhole_cli.labels.client import LabelSetsApi
from pigeonhole_cli.labels.request_body import body as body_of
from pigeonhole_cli.labels.request_body import whole_body

app = typer.Typer(help="Save labels and options under a name, for requests and jobs to use.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The label set's name.", show_default=False)]
IfVersion = Annotated[int | None, typer.Option(min=1, help="Only if this is its version, as `get` shows it.")]


@app.command()
def put(
    name: Annotated[str, typer.Argument(help="Up to 64 lower-case letters, digits, - and _.", show_default=False)],
    label: Annotated[list[str] | None, typer.Option(help="A label by its words. Repeat it: at least two labels.")] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=IMAGE",
            help="An example image of a label: a file, or an https:// or s3:// address. Repeat it.",
        ),
    ] = None,
    multiple: Annotated[bool, typer.Option("--multiple", help="Every label that fits, not just the best.")] = False,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --multiple: the least probability of a label that fits.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="At most so many labels per sample.")] = None,
    instruction: Annotated[str | None, typer.Option(help="What the labels are about: `tickets of a bank`.")] = None,
    template: Annotated[
        list[str] | None, typer.Option(help="A prompt, {} where the label goes, in place of the model's. Repeat it.")
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="In place of all these: a file with a whole label set as JSON, or -.")
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Only if there is none of this name.")] = False,
    if_version: IfVersion = None,
    as_json: Json = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Save a label set, in place of one of this name, and print its version.

    Images are fetched once, now, and kept.
    """
    set_name(name, "NAME")
    given = {
        "multiple_labels": multiple or None,
        "threshold": threshold,
        "top_k": top_k,
        "instruction": instruction,
        "prompt_templates": template or None,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if body is not None and (label or image or options):
        raise typer.BadParameter("--body is the whole label set: its labels and options are in it")
    images = [_image(each) for each in image or ()]
    if body is None and len({*(label or ()), *(of for of, _ in images)}) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --image dog=dog.jpg", param_hint="--label")
    if new and if_version is not None:
        raise typer.BadParameter("--new wants none of this name, and --if-version one")
    with _opened(url, key) as sets:
        data = whole_body(body) if body is not None else body_of(label or (), images, **options)
        precondition = {"if-none-match": "*"} if new else _if_match(if_version)
        with _told_how_to_go_on(name):
            told = sets.put(name, data, precondition)
    if as_json:
        print_json(told.raw)
    else:
        typer.echo(f"{told.answer.label_set.name} version {told.answer.label_set.version}")


@app.command()
def get(
    name: Name,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON, which `put --body` takes.")] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Show a label set."""
    set_name(name, "NAME")
    with _opened(url, key) as sets:
        told = sets.read(name)
    if as_json:
        print_json(told.raw["label_set"])
    else:
        typer.echo("\n".join(tables.facts(told.answer.label_set)))


@app.command("list")
def list_sets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False, url: Url = None, key: Key = None
) -> None:
    """List all label sets, by name."""
    with _opened(url, key) as sets:
        found = list(sets.every())
    if as_json:
        print_json([each.model_dump(mode="json", exclude_none=True) for each in found])
    else:
        typer.echo("\n".join(tables.overview(found)))


@app.command()
def rm(name: Name, if_version: IfVersion = None, url: Url = None, key: Key = None) -> None:
    """Remove a label set. Jobs that were submitted with it go on."""
    set_name(name, "NAME")
    with _opened(url, key) as sets, _told_how_to_go_on(name):
        sets.remove(name, _if_match(if_version))
    say(f"Label set {name} is removed.")


def _image(given: str) -> tuple[str, str]:
    label, _, image = given.partition("=")
    if not label or not image:
        raise typer.BadParameter("name the label that an image shows: --image cat=cat.jpg", param_hint="--image")
    return label, image


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}


@contextmanager
def _told_how_to_go_on(name: str) -> Iterator[None]:
    """Say where to look, to whom it is told that the set isn't as expected, or not told whether it was changed."""
    look = f"pigeonhole labels get {name}"
    try:
        yield
    except ApiError as error:
        if error.code == PreconditionFailed.code:
            error.details += (f"`{look}` shows its version, which --if-version takes.",)
        elif error.may_be_done:
            error.details += (f"It may have been done all the same: `{look}` shows it.",)
        raise


@contextmanager
def _opened(url: str | None, key: str | None) -> Iterator[LabelSetsApi]:
    with calling(url, key) as api:
        yield LabelSetsApi(api)
