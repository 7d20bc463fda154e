"""The options of the commands that take labels: what each sample is sorted into, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from pigeonhole_cli.api_options import check_label_set_name

Labels = Annotated[
    list[str] | None, typer.Option("--label", help="A label to choose from. Repeat the option: at least two labels.")
]
LabelSet = Annotated[
    str | None,
    typer.Option("--label-set", help="The name of a saved label set, in place of labels. See `pigeonhole labels`."),
]
Multiple = Annotated[bool, typer.Option("--multiple", help="Choose every label that fits a sample, not only the best one.")]
Threshold = Annotated[
    float | None, typer.Option("--threshold", min=0, max=1, help="With --multiple: the lowest probability of a chosen label.")
]
Instruction = Annotated[
    str | None, typer.Option("--instruction", help="The subject of the labels, for example `tickets of a bank`.")
]
Scores = Annotated[bool, typer.Option("--scores", help="Include each label's score in the results.")]


def check_labels(labels: Sequence[str] | None, label_set: str | None = None) -> None:
    """Check that a command has at least two labels, or a label set in their place.

    Raises:
        typer.BadParameter: There are too few labels, or both, or the label set's name is invalid.
    """
    if labels and label_set is not None:
        raise typer.BadParameter("--label-set can't be combined with --label: the set has labels of its own")
    if label_set is not None:
        check_label_set_name(label_set, "--label-set")
    elif len(set(labels or ())) < 2:
        raise typer.BadParameter("give at least two different labels: --label cat --label dog", param_hint="--label")


def to_label_fields(labels: Sequence[str] | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a request for labels that are texts, and for the options that the user gave."""
    fields = {"labels": [{"type": "text", "value": label} for label in labels or ()], **options}
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != []}
