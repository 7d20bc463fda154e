"""A column often has the same value many times. Each value is sent once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pigeonhole.client.results import Result


def distinct_values(values: Iterable[Any]) -> list[Any]:
    """Return each value once, in the order of the first ones, without None."""
    return list(dict.fromkeys(value for value in values if value is not None))


def spread(results: Sequence[Result], distinct: Sequence[Any], values: Iterable[Any]) -> list[Result | None]:
    """Return the result of each value, None for None.

    Args:
        results: The results of the distinct values.
        distinct: The distinct values.
        values: The values.
    """
    found = dict(zip(distinct, results, strict=True))
    return [None if value is None else found[value] for value in values]
