"""`pigeonhole labels`: save labels and options in a deployed API under a name.

Standard output holds only the results. Everything else is printed to standard error.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from pigeonhole.errors import PreconditionFailed
from pigeonhole_cli.api_options import ApiKey, Json, Url, api_client, check_label_set_name, print_json
from pigeonhole_cli.console import say
from pigeonhole_cli.http_client import ApiError
from pigeonhole_cli.label_options import Instruction, Labels, Multiple, Threshold
from pigeonhole_cli.labels import request_body, tables
from pigeonhole_cli.labels.client import LabelSetsClient

app = typer.Typer(help="Save labels and options under a name, as a label set.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The label set's name.", show_default=False)]
IfVersion = Annotated[
    int | None, typer.Option(min=1, help="Fail unless the label set has this version. `labels get` shows the version.")
]


@app.command()
def put(
    name: Annotated[
        str,
        typer.Argument(
            help="The label set's name: up to 64 lower-case letters, digits, hyphens and underscores.", show_default=False
        ),
    ],
    label: Labels = None,
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL=IMAGE",
            help="An example image of a label: a file, or an https:// or s3:// address. Repeat the option for more images.",
        ),
    ] = None,
    multiple: Multiple = False,
    threshold: Threshold = None,
    top_k: Annotated[int | None, typer.Option(min=1, help="The largest number of labels per sample.")] = None,
    instruction: Instruction = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            help="A prompt template in place of the model's own, with {} for the label. Repeat the option for more templates."
        ),
    ] = None,
    body: Annotated[
        str | None,
        typer.Option(help="A file with a complete label set as JSON, in place of labels and options. - reads standard input."),
    ] = None,
    new: Annotated[bool, typer.Option("--new", help="Fail if a label set with this name exists.")] = False,
    if_version: IfVersion = None,
    as_json: Json = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Save a label set and print its version. An existing label set with this name is replaced.

    Example images are fetched once, when the label set is saved, and stored with it.
    """
    check_label_set_name(name, "NAME")
    fields = {
        "multiple_labels": multiple or None,
        "threshold": threshold,
        "top_k": top_k,
        "instruction": instruction,
        "prompt_templates": template or None,
    }
    options = {field: value for field, value in fields.items() if value is not None}
    if body is not None and (label or image or options):
        raise typer.BadParameter("--body is the whole label set and can't be combined with labels or options")
    images = [_split_image(argument) for argument in image or ()]
    if body is None and len({*(label or ()), *(image_label for image_label, _ in images)}) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --image dog=dog.jpg", param_hint="--label")
    if new and if_version is not None:
        raise typer.BadParameter("--new can't be combined with --if-version: a new label set has no version yet")
    with _label_sets_client(url, api_key) as label_sets:
        request = request_body.read_body(body) if body is not None else request_body.build_body(label or (), images, **options)
        preconditions = {"if-none-match": "*"} if new else _if_match(if_version)
        with _add_advice(name):
            answer = label_sets.put(name, request, preconditions)
    if as_json:
        print_json(answer.raw)
    else:
        typer.echo(f"{answer.body.label_set.name} version {answer.body.label_set.version}")


@app.command()
def get(
    name: Name,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the label set as JSON, in the form that `labels put --body` reads.")
    ] = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Show a label set."""
    check_label_set_name(name, "NAME")
    with _label_sets_client(url, api_key) as label_sets:
        answer = label_sets.get(name)
    if as_json:
        print_json(answer.raw["label_set"])
    else:
        typer.echo("\n".join(tables.label_set_lines(answer.body.label_set)))


@app.command("list")
def list_label_sets(
    as_json: Annotated[bool, typer.Option("--json", help="Print the label sets as JSON.")] = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """List all label sets, sorted by name."""
    with _label_sets_client(url, api_key) as label_sets:
        listed = list(label_sets.list_all())
    if as_json:
        print_json([label_set.model_dump(mode="json", exclude_none=True) for label_set in listed])
    else:
        typer.echo("\n".join(tables.label_set_table(listed)))


@app.command()
def rm(name: Name, if_version: IfVersion = None, url: Url = None, api_key: ApiKey = None) -> None:
    """Delete a label set. Jobs that were submitted with it are not affected."""
    check_label_set_name(name, "NAME")
    with _label_sets_client(url, api_key) as label_sets, _add_advice(name):
        label_sets.delete(name, _if_match(if_version))
    say(f"Label set {name} is removed.")


def _split_image(argument: str) -> tuple[str, str]:
    label, _, image = argument.partition("=")
    if not label or not image:
        raise typer.BadParameter("name the label that an image shows: --image cat=cat.jpg", param_hint="--image")
    return label, image


def _if_match(version: int | None) -> dict[str, str]:
    return {} if version is None else {"if-match": f'"{version}"'}


@contextmanager
def _add_advice(name: str) -> Iterator[None]:
    """Add to an error how to see the label set: its version differs, or the change may have been made."""
    command = f"pigeonhole labels get {name}"
    try:
        yield
    except ApiError as error:
        if error.code == PreconditionFailed.code:
            error.details += (f"`{command}` shows its version, which --if-version takes.",)
        elif error.may_be_done:
            error.details += (f"It may have been done nevertheless: `{command}` shows it.",)
        raise


@contextmanager
def _label_sets_client(url: str | None, api_key: str | None) -> Iterator[LabelSetsClient]:
    with api_client(url, api_key) as client:
        yield LabelSetsClient(client)
