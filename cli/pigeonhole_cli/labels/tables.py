"""The printed forms of label sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pigeonhole.contract.label_sets import LabelInfo, LabelSetInfo
from pigeonhole.contract.labels import label_name
from pigeonhole_cli.console import format_table, format_time, one_line


def label_set_lines(label_set: LabelSetInfo) -> Iterator[str]:
    """Yield a label set's properties, one per line, and a table of its labels."""
    options = {
        "multiple": "yes" if label_set.multiple_labels else None,
        "threshold": label_set.threshold,
        "top k": label_set.top_k,
        "instruction": label_set.instruction,
    }
    yield from format_table(
        [
            ("label set", label_set.name),
            ("version", str(label_set.version)),
            ("created", format_time(label_set.created_at)),
            ("updated", format_time(label_set.updated_at)),
            *((name, one_line(str(value))) for name, value in options.items() if value is not None),
            *(("template", one_line(template)) for template in label_set.prompt_templates or ()),
        ]
    )
    yield ""
    rows = [tuple(map(one_line, _cells(label))) for label in label_set.labels]
    yield from format_table([("LABEL", "TYPE", "VALUE", "TEXT"), *rows])


def label_set_table(label_sets: Sequence[LabelSetInfo]) -> Iterator[str]:
    """Yield a table with a row per label set. Labels of one name count once, as they are one label in an answer."""
    rows: list[tuple[str, ...]] = [("NAME", "VERSION", "LABELS", "UPDATED")]
    for label_set in label_sets:
        names = {_name(label) for label in label_set.labels}
        rows.append((label_set.name, str(label_set.version), str(len(names)), format_time(label_set.updated_at)))
    return format_table(rows)


def _cells(label: LabelInfo) -> tuple[str, str, str, str]:
    return _name(label), label.type, label.value, label.text or ""


def _name(label: LabelInfo) -> str:
    return label_name(label.key, label.value)
