"""SQL functions for DuckDB that classify a column. They need the packages of the extra `duckdb`.

    import duckdb, pigeonhole.duckdb

    con = duckdb.connect()
    pigeonhole.duckdb.register(con)
    con.sql("SELECT pigeonhole_classify(review, ['positive', 'negative']) AS mood, count(*) FROM reviews GROUP BY mood")

    function                                   result
    pigeonhole_classify(text, labels)          VARCHAR: the label
    pigeonhole_classify_image(image, labels)   VARCHAR: the label
    pigeonhole_score(text, labels)             STRUCT(label VARCHAR, probability DOUBLE, error VARCHAR)
    pigeonhole_score_image(image, labels)      the same

An image is a VARCHAR with a path or an address, or a BLOB with a file. Where labels or a label set are fixed by `register`, the
functions have no second argument. With `multiple_labels`, or a label set that has it, label and probability
are lists.

DuckDB hands over up to 2,048 rows at a time. Each distinct value of these is sent once. A value that can't be classified has a
NULL label, and its `error` says why. A request that fails ends the query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

from pigeonhole.client.distinct import distinct_values, spread
from pigeonhole.client.fields import LabelOptions, Labels
from pigeonhole.client.results import Result, Results
from pigeonhole.client.sync_client import Client

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

Classify: TypeAlias = "Callable[[Sequence[Any], Labels | None], Results]"


def register(
    con: DuckDBPyConnection,
    client: Client | None = None,
    *,
    labels: Labels | None = None,
    label_set: str | None = None,
    prefix: str = "pigeonhole",
    **options: Unpack[LabelOptions],
) -> None:
    """Register the four functions of this module.

    Args:
        con: The connection.
        client: The API. Default: that of the environment.
        labels: The labels of all calls, with example images where you like. The functions then take no labels.
        label_set: The name of a saved label set, in place of `labels`. It is read once, to know if a row has several labels.
        prefix: Begins the names of the functions, so that several can be registered.
        **options: The options of all calls. See `LabelOptions`.

    Raises:
        ValueError: Both labels and a label set are given.
        ClientError: There is no client, and the environment names no API. Or the label set can't be read.
    """
    if labels is not None and label_set is not None:
        raise ValueError("give either `labels` or the name of a `label_set`")
    api = client or Client.from_environment()
    is_fixed = labels is not None or label_set is not None
    if label_set is not None and options.get("multiple_labels") is None:
        # Once, because the type of a function is fixed when it is registered.
        options["multiple_labels"] = api.get_label_set(label_set).multiple_labels
    is_list = bool(options.get("multiple_labels"))

    def classify_texts(values: Sequence[Any], named: Labels | None) -> Results:
        return api.classify_texts(values, labels if is_fixed else named, label_set=label_set, **options)

    def classify_images(values: Sequence[Any], named: Labels | None) -> Results:
        return api.classify_images(values, labels if is_fixed else named, label_set=label_set, **options)

    for suffix, classify, is_image in (("", classify_texts, False), ("_image", classify_images, True)):
        column = _Column(classify, is_list)
        _create(con, f"{prefix}_classify{suffix}", column.labels, _label_type(is_list), is_image=is_image, is_fixed=is_fixed)
        _create(con, f"{prefix}_score{suffix}", column.scores, _score_type(is_list), is_image=is_image, is_fixed=is_fixed)


@dataclass(frozen=True)
class _Column:
    """Classifies the rows that DuckDB hands over.

    Attributes:
        classify: Classifies values by labels.
        is_list: Whether a row may have several labels.
    """

    classify: Classify
    is_list: bool

    def labels(self, values: pyarrow.ChunkedArray, labels: pyarrow.ChunkedArray | None = None) -> pyarrow.Array:
        """Return the label of each row."""
        import pyarrow

        text = pyarrow.string()
        rows = [result and self._label(result) for result in self._classify(values, labels)]
        return pyarrow.array(rows, pyarrow.list_(text) if self.is_list else text)

    def scores(self, values: pyarrow.ChunkedArray, labels: pyarrow.ChunkedArray | None = None) -> pyarrow.Array:
        """Return label, probability and error of each row."""
        import pyarrow

        text, number = pyarrow.string(), pyarrow.float64()
        label, probability = (pyarrow.list_(kind) if self.is_list else kind for kind in (text, number))
        rows = [result and self._score(result) for result in self._classify(values, labels)]
        return pyarrow.array(rows, pyarrow.struct([("label", label), ("probability", probability), ("error", text)]))

    def _classify(self, values: pyarrow.ChunkedArray, labels: pyarrow.ChunkedArray | None) -> list[Result | None]:
        """Classify the rows with the same labels together."""
        rows: list[Any] = values.to_pylist()
        named: list[list[str] | None] = labels.to_pylist() if labels is not None else [[]] * len(rows)
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, names in enumerate(named):
            if names is not None:
                groups.setdefault(tuple(names), []).append(index)
        found: list[Result | None] = [None] * len(rows)
        for group_labels, indices in groups.items():
            group = [rows[index] for index in indices]
            distinct = distinct_values(group)
            results = spread(self.classify(distinct, group_labels), distinct, group)
            for index, result in zip(indices, results, strict=True):
                found[index] = result
        return found

    def _label(self, result: Result) -> str | list[str] | None:
        if self.is_list:
            return list(result.labels) if result.error is None else None
        return result.label

    def _score(self, result: Result) -> dict[str, Any]:
        return {
            "label": self._label(result),
            "probability": list(result.probabilities) if self.is_list else result.probability,
            "error": result.error and f"{result.error.code}: {result.error.message}",
        }


def _label_type(is_list: bool) -> str:
    return "VARCHAR[]" if is_list else "VARCHAR"


def _score_type(is_list: bool) -> str:
    return f"STRUCT(label {_label_type(is_list)}, probability {'DOUBLE[]' if is_list else 'DOUBLE'}, error VARCHAR)"


def _create(
    con: DuckDBPyConnection, name: str, function: Callable[..., Any], returned: str, *, is_image: bool, is_fixed: bool
) -> None:
    from duckdb.func import ARROW, SPECIAL

    value = con.type("UNION(address VARCHAR, file BLOB)" if is_image else "VARCHAR")
    parameters: list[Any] = [value] if is_fixed else [value, con.type("VARCHAR[]")]
    # DuckDB would evaluate annotations, for which pyarrow isn't there. A lambda has none.
    called = (lambda values: function(values)) if is_fixed else (lambda values, labels: function(values, labels))
    # SPECIAL: the functions are also called for NULL, of which they make NULL.
    con.create_function(name, called, parameters, con.type(returned), type=ARROW, null_handling=SPECIAL)
