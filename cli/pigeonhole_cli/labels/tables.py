"""Label sets as the command line shows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pigeonhole.contract.classification import label_name
from pigeonhole.contract.label_sets import LabelInfo, LabelSetInfo
from pigeonhole_cli.console import date, one_line, table


def facts(label_set: LabelSetInfo) -> Iterator[str]:
    """What is known of a label set: its options, a line each, and a table of its labels."""
    options = {
        "multiple": "yes" if label_set.multiple_labels else None,
        "threshold": label_set.threshold,
        "top k": label_set.top_k,
        "instruction": label_set.instruction,
    }
    yield from table(
        [
            ("label set", label_set.name),
            ("version", str(label_set.version)),
            ("created", date(label_set.created_at)),
            ("updated", date(label_set.updated_at)),
            *((name, one_line(str(value))) for name, value in options.items() if value is not None),
            *(("template", one_line(template)) for template in label_set.prompt_templates or ()),
        ]
    )
    yield ""
    rows = [tuple(map(one_line, _cells(label))) for label in label_set.labels]
    yield from table([("LABEL", "TYPE", "VALUE", "TEXT"), *rows])


def overview(label_sets: Sequence[LabelSetInfo]) -> Iterator[str]:
    """A table of label sets; of labels, those that differ in an answer are counted."""
    rows: list[tuple[str, ...]] = [("NAME", "VERSION", "LABELS", "UPDATED")]
    for each in label_sets:
        labels = {_name(label) for label in each.labels}
        rows.append((each.name, str(each.version), str(len(labels)), date(each.updated_at)))
    return table(rows)


def _cells(label: LabelInfo) -> tuple[str, str, str, str]:
    return _name(label), label.type, label.value, label.text or ""


def _name(label: LabelInfo) -> str:
    return label_name(label.key, label.value)
