"""Classify a column of a pandas or polars frame. Neither package is needed until such a frame is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pigeonhole.client import classify
from pigeonhole.client.distinct import distinct_values, spread
from pigeonhole.client.fields import Labels
from pigeonhole.client.flow import Flow
from pigeonhole.client.resources import get_label_set

Frame = TypeVar("Frame")


def classify_frame(
    frame: Frame,
    column: str,
    labels: Labels | None,
    label_set: str | None,
    options: Mapping[str, Any],
    *,
    images: bool,
    prefix: str,
) -> Flow[Frame]:
    """Return the frame with the columns `prediction`, `probability` and `error`.

    Raises:
        TypeError: The frame is none of pandas or polars.
        ClientError: A request failed.
    """
    values = _read_column(frame, column)
    is_list = bool(options.get("multiple_labels"))
    if labels is None and label_set is not None and options.get("multiple_labels") is None:
        is_list = (yield from get_label_set(label_set)).multiple_labels
    distinct = distinct_values(values)
    prepare = classify.images(distinct) if images else classify.texts(distinct)
    # Sent in each request, because the label set may be changed meanwhile.
    results = yield from classify.classify(prepare, labels, label_set, {**options, "multiple_labels": is_list})
    found = spread(results, distinct, values)
    columns: dict[str, list[Any]] = {
        "prediction": [result and (list(result.labels) if is_list else result.label) for result in found],
        "probability": [result and (list(result.probabilities) if is_list else result.probability) for result in found],
        "error": [f"{result.error.code}: {result.error.message}" if result and result.error else None for result in found],
    }
    added: Frame = _add_columns(frame, prefix, columns, is_list=is_list)
    return added


def _is_polars(frame: object) -> bool:
    return type(frame).__module__.partition(".")[0] == "polars" and hasattr(frame, "get_column")


def _is_pandas(frame: object) -> bool:
    return hasattr(frame, "assign") and hasattr(frame, "iloc")


def _read_column(frame: Any, column: str) -> list[Any]:
    """Return the values of a column, with None for each that is missing."""
    if _is_polars(frame):
        values: list[Any] = frame.get_column(column).to_list()
        return values
    if _is_pandas(frame):
        return [None if is_missing else value for value, is_missing in zip(frame[column], frame[column].isna(), strict=True)]
    raise TypeError(f"the frame must be a DataFrame of pandas or polars, and not {type(frame).__name__}")


def _add_columns(frame: Any, prefix: str, columns: Mapping[str, list[Any]], *, is_list: bool) -> Any:
    if not _is_polars(frame):
        return frame.assign(**{prefix + name: values for name, values in columns.items()})
    import polars

    # Named, because the values of a column may all be null.
    types: dict[str, Any] = {"prediction": polars.String(), "probability": polars.Float64(), "error": polars.String()}
    if is_list:
        types |= {name: polars.List(types[name]) for name in ("prediction", "probability")}
    return frame.with_columns(polars.Series(prefix + name, values, dtype=types[name]) for name, values in columns.items())
